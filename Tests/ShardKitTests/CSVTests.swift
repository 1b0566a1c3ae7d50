import ShardKit
import Testing

/// Gives a few bytes at a time, so that every boundary inside a record is met.
final class DripSource: ByteSource {
  let name = "drip"
  private let bytes: [UInt8]
  private let step: Int
  private var at = 0

  init(_ text: String, step: Int) {
    bytes = Array(text.utf8)
    self.step = step
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(step, buffer.count, bytes.count - at)
    for i in 0..<count { buffer[i] = bytes[at + i] }
    at += count
    return count
  }
}

@Suite struct CSVTests {
  private func records(_ text: String, step: Int = 1 << 20) throws -> [[String]] {
    let reader = CSVReader(DripSource(text, step: step))
    var out: [[String]] = []
    while let record = try reader.next() { out.append(record.strings) }
    return out
  }

  @Test(arguments: [1, 2, 3, 7, 1000])
  func readsQuotesLineEndsAndEmptyFields(step: Int) throws {
    let text = "\u{FEFF}id,題名,\"注\"\r\n1,\"a,b\",\"say \"\"hi\"\"\"\r\n2,,\"two\r\nlines\"\n\n3,x\"y,\r\n\"\"\n\"\"\"\""
    #expect(
      try records(text, step: step) == [
        ["id", "題名", "注"], ["1", "a,b", "say \"hi\""], ["2", "", "two\r\nlines"], ["3", "x\"y", ""], [""], ["\""],
      ])
  }

  @Test func lastLineNeedsNoEnd() throws {
    #expect(try records("a,b\nc,d") == [["a", "b"], ["c", "d"]])
    #expect(try records("a,") == [["a", ""]])
    #expect(try records("a\r") == [["a"]])
    #expect(try records("") == [])
    #expect(try records("\u{FEFF}") == [])
  }

  @Test func aLoneCarriageReturnIsText() throws {
    #expect(try records("a\rb,c\n") == [["a\rb", "c"]])
  }

  @Test func openQuoteNamesTheRecord() {
    #expect { try records("a\n\"b\nc\n", step: 2) } throws: { error in
      (error as? ShardError)?.code == .truncated && "\(error)".contains("record 2: the quote that opens field 1")
    }
  }

  @Test func textBehindAQuoteIsMalformed() {
    #expect { try records("\"a\"b,c\n") } throws: { ($0 as? ShardError)?.code == .malformed }
  }

  @Test func boundsRecordsAndFields() throws {
    let open = "\"" + String(repeating: "x", count: 3 << 20)
    let long = CSVReader(DripSource(open, step: 1 << 16), maximumRecordBytes: 2 << 20)
    #expect { while try long.next() != nil {} } throws: { ($0 as? ShardError)?.code == .tooLarge }
    let wide = CSVReader(DripSource(String(repeating: ",", count: 200), step: 100), maximumFields: 128)
    #expect { while try wide.next() != nil {} } throws: { ($0 as? ShardError)?.code == .tooLarge }
    let fine = CSVReader(DripSource(String(repeating: ",", count: 200), step: 100))
    #expect(try fine.next()?.count == 201)
  }
}

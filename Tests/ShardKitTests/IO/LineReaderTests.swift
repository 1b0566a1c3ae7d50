import ShardKit
import TestKit
import Testing

/// Delivers at most `step` bytes a read.
private final class Drip: ByteSource {
  let name = "drip"
  private let source: MemorySource
  private let step: Int

  init(_ bytes: [UInt8], step: Int) {
    source = MemorySource(bytes)
    self.step = step
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(step)))
  }
}

private func lines(
  of text: [UInt8], step: Int = .max, maximum: Int = 256 << 20, ends: LineEnds = .feed
) throws -> [[UInt8]] {
  let reader = LineReader(Drip(text, step: step), maximumLineBytes: maximum, ends: ends)
  var out: [[UInt8]] = []
  while let line = try reader.next() { out.append(Array(line)) }
  #expect(reader.number == out.count)
  #expect(reader.position == Int64(text.count))
  return out
}

private func lines(_ text: String, step: Int = .max) throws -> [String] {
  try lines(of: Array(text.utf8), step: step).map { String(decoding: $0, as: UTF8.self) }
}

@Suite struct LineReaderTests {
  @Test(arguments: [1, 2, 3, Int.max])
  func carriageReturnsEndLinesWhereAskedFor(step: Int) throws {
    func any(_ text: String) throws -> [String] {
      try lines(of: Array(text.utf8), step: step, ends: .any).map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(try any("a\rb\r\nc\nd") == ["a", "b", "c", "d"])
    #expect(try any("a\r\r\n\r") == ["a", "", ""])
    #expect(try any("\r") == [""] && any("\r\n") == [""] && any("") == [])
    #expect(try any("\u{FEFF}a\rb\r") == ["a", "b"])
    #expect(try any(String(repeating: "x\r", count: 3000)).count == 3000)
  }

  @Test(arguments: [("", ""), ("a", "a"), ("\r", "\n"), ("a\r\nb\rc\n\r", "a\nb\nc\n\n"), ("\r\r\n", "\n\n")])
  func lineEndsAreUnified(_ text: String, _ expected: String) {
    var bytes = Array(text.utf8)
    LineEnds.unify(&bytes)
    #expect(bytes == Array(expected.utf8))
  }

  @Test(arguments: [1, 2, 3, Int.max])
  func splitsLines(step: Int) throws {
    #expect(try lines("", step: step) == [])
    #expect(try lines("a\nb\n", step: step) == ["a", "b"])
    #expect(try lines("a\nb", step: step) == ["a", "b"])
    #expect(try lines("\n\na\n", step: step) == ["", "", "a"])
    #expect(try lines("a\r\nb\r\n\r\n", step: step) == ["a", "b", ""])
    #expect(try lines("a\rb\r\n", step: step) == ["a\rb"])
    #expect(try lines("a\r", step: step) == ["a"])
    #expect(try lines("\r", step: step) == [""])
  }

  @Test func aByteOrderMarkIsPassedOverAtTheStartOnly() throws {
    #expect(try lines(of: [0xEF, 0xBB, 0xBF, 0x61, 10, 0xEF, 0xBB, 0xBF, 10]) == [[0x61], [0xEF, 0xBB, 0xBF]])
    #expect(try lines(of: [0xEF, 0xBB, 10]) == [[0xEF, 0xBB]])
    #expect(try lines(of: [0xEF, 0xBB, 0xBF]) == [[]])
  }

  /// Around the size of the buffer and far over it.
  @Test(arguments: [(1 << 20) - 65, (1 << 20) - 64, (1 << 20) - 63, 1 << 20, 5_000_000])
  func longLines(length: Int) throws {
    let long = [UInt8](repeating: 0x78, count: length)
    let short = Array("short".utf8)
    let text = short + [10] + long + [13, 10] + short + [10] + long
    #expect(try lines(of: text, step: 70_001) == [short, long, short, long])
  }

  @Test func manyLinesOfEveryLength() throws {
    var generator = SplitMix(seed: 3)
    var expected: [[UInt8]] = []
    for _ in 0..<2000 {
      expected.append([UInt8](repeating: 0x79, count: Int.random(in: 0...3000, using: &generator)))
    }
    #expect(try lines(of: Array(expected.joined(separator: [10])) + [10], step: 9973) == expected)
  }

  @Test(arguments: [10, 3_000_000])
  func theBoundIsExact(maximum: Int) throws {
    let line = [UInt8](repeating: 0x78, count: maximum)
    #expect(try lines(of: line + [10] + line, maximum: maximum) == [line, line])
    for text in [line + [0x78], line + [0x78, 10], line + line + line] {
      let error = #expect(throws: ShardError.self) { try lines(of: text, maximum: maximum) }
      #expect(
        error?.description == "drip: line 1 is longer than \(maximum) bytes. Check that the file consists of lines.")
    }
  }

  @Test func bytesBehindALineMayBeRead() throws {
    let reader = LineReader(MemorySource([UInt8](repeating: 0x78, count: (1 << 20) - 64)))
    let line = try #require(try reader.next())
    let behind = UnsafeRawBufferPointer(start: line.baseAddress! + line.count, count: 64)
    #expect(behind.allSatisfy { $0 == 0 })
  }

  @Test func linesBeforeABreakAreDelivered() throws {
    let whole = try encoded(Array("one\ntwo\nthree".utf8), .gzip)
    let reader = LineReader(try decompress(MemorySource(Array(whole.dropLast(3))), .gzip))
    #expect(try reader.next().map { Array($0) } == Array("one".utf8))
    #expect(try reader.next().map { Array($0) } == Array("two".utf8))
    #expect(throws: ShardError.self) { try reader.next() }
  }
}

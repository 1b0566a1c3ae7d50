import ShardKit
import Testing

/// The fields of one object: key, value as text, kind. Nil if it is refused.
private func fields(_ text: [UInt8], _ reader: JSONObjectReader) -> [(
  key: String, value: String, kind: JSONObjectReader.Kind
)]? {
  var out: [(key: String, value: String, kind: JSONObjectReader.Kind)] = []
  let problem = text.withUnsafeBytes { bytes in
    reader.read(copying: bytes) { field in
      out.append((String(decoding: field.key, as: UTF8.self), String(decoding: field.value, as: UTF8.self), field.kind))
    }
  }
  return problem == nil ? out : nil
}

extension JSONValue {
  fileprivate var readerKind: JSONObjectReader.Kind {
    switch self {
    case .null: .null
    case .bool: .bool
    case .integer, .number: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }
}

@Suite struct JSONObjectReaderTests {
  @Test func fieldsComeInOrderWithTheirText() throws {
    let text = #" { "a" : "x\n\u3042" , "b":-1.5e3 ,"c": true,"d":null, "e": [1, {"f" : 2}] ,"g":{ } } "#
    let found = try #require(fields(Array(text.utf8), JSONObjectReader()))
    #expect(found.map(\.key) == ["a", "b", "c", "d", "e", "g"])
    #expect(found.map(\.value) == ["x\nあ", "-1.5e3", "true", "null", #"[1, {"f" : 2}]"#, "{ }"])
    #expect(found.map(\.kind) == [.string, .number, .bool, .null, .array, .object])
  }

  /// A line of 256 MB may hold forty million members, each of which takes far more memory than it has bytes.
  @Test func membersAreBounded() throws {
    func object(_ count: Int, _ member: String) -> [UInt8] {
      Array("{".utf8) + Array(repeatElement(Array(member.utf8), count: count).joined(separator: [0x2C])) + [0x7D]
    }
    let most = JSONObjectReader.maximumMembers
    for member in [#""a":1"#, #""\u0061":1"#] {
      var found = 0
      for (count, problem) in [(most, nil), (most + 1, "the object has more than 1048576 members")] {
        let text = object(count, member)
        found = 0
        #expect(text.withUnsafeBytes { JSONObjectReader().read(copying: $0) { _ in found += 1 } } == problem)
        #expect(found == (problem == nil ? most : 0))
        #expect(text.withUnsafeBytes { JSONKeys.judge($0) } == (problem == nil ? .repeated : .tooMany))
        #expect(JSONKeys.hasTooMany(text) == (problem != nil))
      }
    }
    // Those of objects side by side are not open at once.
    let apart =
      Array("{\"a\":[".utf8) + Array(repeatElement(object(most / 2, #""b":1"#), count: 3).joined(separator: [0x2C]))
    #expect((apart + Array("]}".utf8)).withUnsafeBytes { JSONKeys.judge($0) } == .repeated)
    let within = Array("{\"a\":".utf8) + object(most, #""b":1"#) + [0x7D]
    #expect(within.withUnsafeBytes { JSONKeys.judge($0) } == .tooMany)
    var document = Document(id: "1", text: "x")
    document.metadata = within
    #expect { try DocumentWriter(MemorySink()).write(document) } throws: {
      "\($0)".contains("its metadata has more than 1048576 members")
    }
  }

  /// On intact random objects the fields are those that `JSONValue` finds.
  @Test func agreesWithTheParserOnRandomObjects() throws {
    var random = RandomJSON(seed: 11)
    let reader = JSONObjectReader()
    for _ in 0..<3000 {
      let value = random.object()
      let found = try #require(fields(Array(value.text().utf8), reader), "\(value.text())")
      let members = value.members!
      #expect(found.map(\.key) == members.map(\.key))
      for (field, member) in zip(found, members) {
        #expect(field.kind == member.value.readerKind)
        #expect(field.value == (member.value.string ?? member.value.text()))
      }
    }
  }

  /// On damaged objects both refuse the same texts; the reader alone lets keys repeat and numbers be of any size.
  @Test func refusesWhatTheParserRefuses() {
    var random = RandomJSON(seed: 12)
    let reader = JSONObjectReader()
    var refused = 0
    for _ in 0..<20_000 {
      let text = random.damaged(Array(random.object().text().utf8))
      let isRead = fields(text, reader) != nil
      do throws(JSONSyntaxError) {
        let isObject = try JSONValue.parse(text).value.members != nil
        #expect(isRead == isObject, "\(String(decoding: text, as: UTF8.self))")
      } catch  where error.message.contains("appears twice") || error.message.contains("out of range") {
      } catch {
        refused += 1
        #expect(!isRead, "\(String(decoding: text, as: UTF8.self)): \(error.message)")
      }
    }
    #expect(refused > 5000)
  }

  @Test(arguments: [
    "", " ", "[]", "1", "\"a\"", "{", "{}{}", "{} x", "{\"a\":[[[}", "{\"a\":1,,\"b\":2}", "{\"a\":[1,,2]}",
    "{\"a\":{\"b\" 1}}",
    "{\"a\":[tru]}", "{\"a\":[\"\\uD800\"]}", "{\"a\":[1e]}", "{\"a\":[01]}",
  ])
  func malformedObjectsAreRefused(_ text: String) { #expect(fields(Array(text.utf8), JSONObjectReader()) == nil) }

  @Test func depthIsBounded() {
    func nested(_ depth: Int) -> [UInt8] {
      Array(("{\"a\":" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth) + "}").utf8)
    }
    #expect(fields(nested(128), JSONObjectReader()) != nil)
    #expect(fields(nested(129), JSONObjectReader()) == nil)
    #expect(fields(nested(3_000_000), JSONObjectReader()) == nil)
  }

  @Test func anObjectMayHaveAnyNumberOfFields() {
    let reader = JSONObjectReader()
    for count in [63, 64, 65, 256, 257, 20_000] {
      let text = "{" + (0..<count).map { "\"\($0)\":0" }.joined(separator: ",") + "}"
      #expect(fields(Array(text.utf8), reader)?.count == count)
    }
  }

  @Test func integersOfAnySizeArePassedOn() throws {
    let text = #"{"id":"a","n":123456789012345678901234567890,"m":-1e999}"#
    #expect(
      fields(Array(text.utf8), JSONObjectReader())?.map(\.value) == ["a", "123456789012345678901234567890", "-1e999"])
  }

  /// At every offset against the steps of 32 bytes, with the end of the buffer right behind.
  @Test func stringsEndWhereTheirQuoteStands() throws {
    let reader = JSONObjectReader()
    let escapes = [
      ("", ""), (#"\""#, "\""), (#"\\"#, "\\"), (#"\n"#, "\n"), (#"\u3042"#, "あ"), (#"\ud83d\ude00"#, "😀"),
    ]
    for length in 0...100 {
      let plain = String(repeating: "a", count: length)
      for (written, read) in escapes {
        for (before, behind) in [(plain, ""), ("", plain), (plain, plain)] {
          let text = "{\"k\(before)\(written)\":\"\(before)\(written)\(behind)\"}"
          let found = try #require(fields(Array(text.utf8), reader), "\(text)")
          #expect(found.map(\.key) == ["k" + before + read] && found.map(\.value) == [before + read + behind])
        }
      }
    }
  }

  @Test(arguments: [
    #"\x"#, #"\u12"#, #"\u12G4"#, #"\ud800"#, #"\ud800x"#, #"\ud800\n"#, #"\ud800\u0041"#, #"\udc00"#, #"\"#, "\n",
    "\u{1}",
  ])
  func malformedStringsAreRefused(_ written: String) {
    for text in ["{\"a\":\"\(written)\"}", "{\"\(written)\":1}"] {
      #expect(fields(Array(text.utf8), JSONObjectReader()) == nil, "\(text)")
    }
  }

  @Test func aReaderGoesOnAfterAnError() {
    let reader = JSONObjectReader()
    #expect(fields(Array("{\"a\":".utf8), reader) == nil)
    #expect(fields(Array("{\"a\":\"b\"}".utf8), reader)?.first?.value == "b")
  }
}

@Suite struct JSONTextTests {
  @Test func escapesWhatMustBeEscapedAndNothingElse() {
    var out: [UInt8] = []
    JSONText.append(string: "a\"\\\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}/é漢😀", to: &out)
    #expect(String(decoding: out, as: UTF8.self) == #""a\"\\\n\r\t\b\f\u0000\u001f"# + "\u{7f}/é漢😀\"")
  }

  /// At every offset of a special byte against the eight-byte steps and the 4096-byte pieces.
  @Test func escapedTextReadsBack() throws {
    for length in Array(0...40) + [4095, 4096, 4097, 9000] {
      for at in Set([0, 1, 7, 8, 9, length / 2, length - 1]) where at >= 0 && at < length {
        var bytes = [UInt8](repeating: 0x61, count: length)
        bytes[at] = 0x22
        var out: [UInt8] = []
        JSONText.append(string: bytes, to: &out)
        #expect(out.count == length + 3)
        #expect(try JSONValue.parse(out).value.string.map { Array($0.utf8) } == bytes)
      }
    }
  }

  @Test func randomValuesRoundTrip() throws {
    var random = RandomJSON(seed: 13)
    for _ in 0..<2000 {
      let text = random.value().text()
      #expect(try JSONValue.parse(text).value.text() == text)
      #expect(try JSONValue.parse(JSONValue.parse(text).value.prettyText()).value.text() == text)
    }
  }
}

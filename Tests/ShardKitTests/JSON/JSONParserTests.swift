import ShardKit
import Testing

@Suite struct JSONParserTests {
  @Test(arguments: [
    ("null", JSONValue.null), (" true ", .bool(true)), ("false", .bool(false)), ("0", .integer(0)), ("-0", .integer(0)),
    ("-17", .integer(-17)), ("9223372036854775807", .integer(.max)),
    ("9223372036854775808", .number(9.223372036854775808e18)),
    ("1.5", .number(1.5)), ("-1e2", .number(-100)), ("1E+2", .number(100)), ("1e-2", .number(0.01)), ("\"\"", ""),
    ("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", .string("a\"\\/\u{8}\u{c}\n\r\t")), ("\"\\u3042\"", "あ"),
    ("\"\\uD83D\\uDE00\"", "😀"),
    ("\"\\u0000\"", .string("\0")), ("[]", .list([])), ("{}", .object([])), ("\t[ ]\r\n", .list([])), ("\u{FEFF}1", 1),
  ])
  func accepts(_ text: String, _ value: JSONValue) throws {
    #expect(try JSONValue.parse(text).value == value)
  }

  /// A list read from a manifest equals the same list made in memory: its place in a text is no difference.
  @Test func equalityPassesOverPlaces() throws {
    let written: JSONValue = ["a": .strings(["x", "y"]), "b": [:]]
    #expect(try JSONValue.parse(written.prettyText()).value == written)
    #expect(try JSONValue.parse("[1,2]").value != .list([2, 1]))
    #expect(try JSONValue.parse("{\"a\":1}").value != ["b": 1])
  }

  @Test(arguments: [
    ("", 0, "the text ends where a value is expected"), ("  ", 2, "the text ends where a value is expected"),
    ("nul", 0, "'n' cannot start a value"), ("+1", 0, "'+' cannot start a value"),
    ("01", 0, "this is not a JSON number"),
    ("-", 0, "this is not a JSON number"), (".5", 0, "'.' cannot start a value"),
    ("1.", 2, "expected digits after the decimal point"), ("1e", 2, "expected digits after the exponent"),
    ("1e400", 0, "the number 1e400 is out of range"), ("1 2", 2, "there is text after the end of the JSON value"),
    ("[1,]", 3, "']' cannot start a value"), ("[1 2]", 3, "expected ',' or ']'"),
    ("[", 1, "the text ends where a value is expected"), ("{\"a\"}", 4, "expected ':' after the key \"a\""),
    ("{\"a\":1,}", 7, "expected a key in double quotes"),
    ("{a:1}", 1, "expected a key in double quotes"),
    ("{\"a\":1 \"b\":2}", 7, "expected ',' or '}'"), ("{\"a\":1,\"a\":2}", 7, "the key \"a\" appears twice"),
    ("\"a", 0, "the string has no closing quote"), ("\"\n\"", 1, "a control character in a string must be escaped"),
    ("\"\\x\"", 3, "'\\x' is not a JSON escape"), ("\"\\u12\"", 5, "expected four hexadecimal digits after \\u"),
    ("\"\\u+123\"", 3, "expected four hexadecimal digits after \\u"), ("\"\\uD800\"", 7, "unpaired surrogate"),
    ("\"\\uDC00\"", 7, "unpaired surrogate"), ("\"\\uD800\\u0041\"", 13, "invalid surrogate pair"),
  ])
  func refuses(_ text: String, _ offset: Int, _ message: String) {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(text) }
    #expect(error?.message == message)
    #expect(error?.offset == offset)
  }

  @Test(arguments: [
    ("// a\n{ \"a\": 1, // b\n /* c */ \"b\": [1, 2,], }", #"{"a":1,"b":[1,2]}"#),
    ("[ /**/ ]", "[]"), ("[1, // x\n]", "[1]"), ("{/* // */}", "{}"), ("\"// no comment\" // one", "\"// no comment\""),
    ("[1/* in */,2]//", "[1,2]"), ("\u{FEFF}/* x */1", "1"), ("/*/ 1 */ 2", "2"), ("/***/3", "3"),
  ])
  func commentsAndTrailingCommas(_ text: String, _ value: String) throws {
    #expect(try JSONValue.parse(Array(text.utf8), .commented).value.text() == value)
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(Array(text.utf8)) }
  }

  @Test(arguments: [
    ("[,]", 1, "',' cannot start a value"), ("[1,,]", 3, "',' cannot start a value"),
    ("{,}", 1, "expected a key in double quotes"), ("[1 /", 3, "'/' begins no comment: write // or /* */"),
    ("/* x", 0, "the comment has no closing '*/'"), ("1 /*/", 2, "the comment has no closing '*/'"),
    ("[1, // x", 8, "the text ends where a value is expected"), ("# x", 0, "'#' cannot start a value"),
    ("{ /* a\n*/ \"a\": 1, \"a\": 2 }", 18, "the key \"a\" appears twice"),
  ])
  func refusesAmongComments(_ text: String, _ offset: Int, _ message: String) {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(Array(text.utf8), .commented) }
    #expect(error?.message == message)
    #expect(error?.offset == offset)
  }

  @Test func invalidUTF8IsRefused() {
    for bytes: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE3, 0x81], [0xF4, 0x90, 0x80, 0x80]] {
      let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse([0x22] + bytes + [0x22]) }
      #expect(error?.message == "the string is not valid UTF-8")
    }
  }

  @Test func depthIsBounded() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try JSONValue.parse(nested(128))
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(nested(129)) }
    #expect(error?.message == "values are nested deeper than 128")
    #expect(throws: JSONSyntaxError.self) { try JSONValue.parse(String(repeating: "{\"a\":", count: 1_000_000)) }
  }

  /// `String` takes these two spellings of が for equal; JSON does not.
  @Test func keysAreComparedByTheirBytes() throws {
    #expect(try JSONValue.parse("{\"\u{304C}\":1,\"\u{304B}\u{3099}\":2}").value.members?.count == 2)
  }

  @Test func membersKeepTheirOrderAndPlaces() throws {
    let text = Array("{\n  \"b\": 1,\n  \"あ\": [true]\n}".utf8)
    let members = try #require(try JSONValue.parse(text).value.members)
    #expect(members.map(\.key) == ["b", "あ"])
    #expect(lineAndColumn(of: members[0].keyOffset, in: text) == (2, 3))
    #expect(lineAndColumn(of: members[0].node.offset, in: text) == (2, 8))
    #expect(lineAndColumn(of: members[1].node.offset, in: text) == (3, 10))
    #expect(lineAndColumn(of: 0, in: text) == (1, 1))
    #expect(lineAndColumn(of: text.count, in: text) == (4, 2))
  }

  @Test func textIsOneLineAndPrettyTextIsIndented() throws {
    let value: JSONValue = ["b": .list([1, .number(0.5), "い\n"]), "a": [:], "c": .null]
    #expect(value.text() == #"{"b":[1,0.5,"い\n"],"a":{},"c":null}"#)
    #expect(value.text(sortedKeys: true) == #"{"a":{},"b":[1,0.5,"い\n"],"c":null}"#)
    #expect(
      value.prettyText() == "{\n  \"b\": [\n    1,\n    0.5,\n    \"い\\n\"\n  ],\n  \"a\": {},\n  \"c\": null\n}\n")
  }
}

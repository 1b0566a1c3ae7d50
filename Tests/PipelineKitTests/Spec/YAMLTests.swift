import ShardKit
import Testing

@testable import PipelineKit

/// YAML gives the tree that JSON gives, by the core schema of YAML 1.2, with places in every error.
@Suite struct YAMLTests {
  private func value(_ text: String) throws -> String {
    try DocumentSyntax.yaml.parse(Array(text.utf8)).value.text()
  }

  @Test(arguments: [
    ("a: no", #"{"a":"no"}"#), ("a: on", #"{"a":"on"}"#), ("a: yes", #"{"a":"yes"}"#), ("a: Off", #"{"a":"Off"}"#),
    ("no: 1", #"{"no":1}"#), ("a: true", #"{"a":true}"#), ("a: False", #"{"a":false}"#), ("a: ~", #"{"a":null}"#),
    ("a:", #"{"a":null}"#), ("a: null", #"{"a":null}"#), ("a: 'null'", #"{"a":"null"}"#), ("a: 7", #"{"a":7}"#),
    ("a: +7", #"{"a":7}"#), ("a: -0.5", #"{"a":-0.5}"#), ("a: 1e3", #"{"a":1000.0}"#), ("a: .5", #"{"a":0.5}"#),
    ("a: 5.", #"{"a":5.0}"#), ("a: 0o17", #"{"a":15}"#), ("a: 0xfF", #"{"a":255}"#), ("a: 0b11", #"{"a":"0b11"}"#),
    ("a: 1_000", #"{"a":"1_000"}"#), ("a: 1:30:00", #"{"a":"1:30:00"}"#), ("a: 2026-01-31", #"{"a":"2026-01-31"}"#),
    ("a: \"7\"", #"{"a":"7"}"#), ("a: '007'", #"{"a":"007"}"#), ("a: !!str 7", #"{"a":"7"}"#),
    ("a: !!int 7", #"{"a":7}"#), ("a: !!float 7", #"{"a":7.0}"#), ("a: .", #"{"a":"."}"#),
    ("a: zstd:3", #"{"a":"zstd:3"}"#), ("a: 64MiB", #"{"a":"64MiB"}"#), ("a: e5", #"{"a":"e5"}"#),
    ("- 1\n- [x, {y: z}]", #"[1,["x",{"y":"z"}]]"#), ("a: |\n  x\n  y\n", #"{"a":"x\ny\n"}"#),
    ("{\"a\": [1, 2,], \"b\":{}}", #"{"a":[1,2],"b":{}}"#), ("\u{FEFF}a: 1", #"{"a":1}"#),
    ("a: &x [1, 2]\nb: *x", #"{"a":[1,2],"b":[1,2]}"#), ("# only\na: b # c", #"{"a":"b"}"#),
    (
      "a: |\n  Say *one* of [good, bad]: {yes}: *x\n  ? *y : 1\nb: &x 1\nc: *x",
      #"{"a":"Say *one* of [good, bad]: {yes}: *x\n? *y : 1\n","b":1,"c":1}"#
    ),
    ("a: &x 1 # *x : [b]: c\nb: \"*x : [y]: ? z\"\nc: *x", #"{"a":1,"b":"*x : [y]: ? z","c":1}"#),
    ("a: two\n  lines *x ? y [z] [w\nb: [&x 1, *x, {k: *x}]", #"{"a":"two lines *x ? y [z] [w","b":[1,1,{"k":1}]}"#),
    ("a*b: 1", #"{"a*b":1}"#), ("1: a\n", #"{"1":"a"}"#), ("a: \"\\u3042\"", #"{"a":"あ"}"#),
    ("%YAML 1.2\n---\na: 1\n...\n", #"{"a":1}"#),
  ])
  func values(_ text: String, _ json: String) throws {
    #expect(try value(text) == json)
  }

  @Test(arguments: [
    (
      "a: 010", 3,
      "'010' is octal in YAML 1.1 and decimal in YAML 1.2: write 10, 0o… for an octal number, or \"010\" for a text"
    ),
    (
      "a: 00", 3,
      "'00' is octal in YAML 1.1 and decimal in YAML 1.2: write 0, 0o… for an octal number, or \"00\" for a text"
    ),
    ("a: .nan", 3, "'.nan' is no value that an option can have; put quotes around a text"),
    ("a: 1e999", 3, "the number 1e999 is out of range"),
    ("a: 0xffffffffffffffffff", 3, "the number 0xffffffffffffffffff is out of range"),
    ("a: !!int x", 3, "'x' is not an integer"), ("a: !mine x", 3, "the tag !mine is not supported here"),
    ("a: !!binary eA==", 3, "the tag !!binary is not supported here"),
    ("a: !!set {x}", 3, "the tag !!set is not supported here"),
    (
      "b: &x {c: 1}\na:\n  <<: *x", 18,
      "merge keys ('<<') are not part of YAML 1.2; use an alias as a whole value, or \"extends\""
    ),
    ("? [a]\n: 1", 2, "a key must be a plain word, not a list or a mapping"),
    ("{&x a: 1}", 1, "a key cannot have an anchor"), ("b: *x", 3, "this is not YAML: found undefined alias"),
    ("あ: 1\nb: 2\nb: 3", 7, "the key \"b\" appears twice"), ("1: x\n\"1\": y", 0, "the key \"1\" appears twice"),
    (
      "a: 1\n b: 2", 7,
      "this is not YAML: a ':' stands where none can; a key needs a space behind its colon, and a text with ': ' needs quotes"
    ),
    ("a: {text}", 4, "'text' has no value here; a text that begins with '{' needs quotes"),
    ("a: { b: 1, c }", 11, "'c' has no value here; a text that begins with '{' needs quotes"),
    (
      "a: {b: 1} is c", 10,
      "this is not YAML: something stands behind a value; a text that begins with '{', '[' or a quote needs quotes as a whole"
    ),
    (
      "a:\n    b: 1\n   c: 2", 15,
      "this is not YAML: this line is indented differently from the lines that it belongs to"
    ),
    ("a: [1", 5, "this is not YAML: while parsing a flow sequence: did not find expected ',' or ']'"),
    ("a: 1\n---\nb: 2", 5, "this is not YAML: expected a single document in the stream: but found another document"),
    ("", 0, "the text has no value"), ("# nothing", 0, "the text has no value"),
    ("a: *.jsonl", 3, "a text that begins with '*' needs quotes: \"*.jsonl\""),
    ("*.a: 1", 0, "a text that begins with '*' needs quotes: \"*.a\""),
    ("a: &x [1]\nb: [*x:1]", 14, "a text that begins with '*' needs quotes: \"*x:1\""),
    ("a*b: 1\na*b: 2", 0, "the key \"a*b\" appears twice"),
    ("a:\n\tb: 1", 3, "this is not YAML: lines are indented with spaces, not with tabs"),
    ("a: @b", 3, "this is not YAML: a text that begins with '@' needs quotes"),
    ("a: &x [1]\nb: {*x : 1}", 14, "a key must be a plain word, not a list, a mapping or an alias"),
  ])
  func refusals(_ text: String, _ offset: Int, _ message: String) {
    let error = #expect(throws: JSONSyntaxError.self) { try value(text) }
    #expect(error?.message == message)
    #expect(error.map { min($0.offset, text.utf8.count) } == offset)
  }

  @Test func offsetsAreBytesOfTheText() throws {
    let text = "\u{FEFF}\"日本\": 1\r\n\"b\": [二,\t三]\rc: x\u{85}d: \"語\"\n"
    let bytes = Array(text.utf8)
    let root = try DocumentSyntax.yaml.parse(bytes)
    let members = try #require(root.value.members)
    #expect(members.map(\.key) == ["日本", "b", "c", "d"])
    func starts(_ offset: Int, _ word: String) -> Bool { bytes[offset...].starts(with: Array(word.utf8)) }
    #expect(starts(members[0].keyOffset, "\"日本\""))
    #expect(starts(members[1].keyOffset, "\"b\""))
    #expect(starts(members[2].keyOffset, "c: x"))
    #expect(starts(members[3].node.offset, "\"語\""))
    guard case .array(let list) = members[1].value else { return #expect(Bool(false)) }
    #expect(starts(list[0].offset, "二") && starts(list[1].offset, "三"))
  }

  /// Nested aliases double a value at each level; as keys they would be compared before anything could be counted.
  @Test func aliasesAreBounded() {
    var laughs = "a0: &a0 [x, x]\n"
    for level in 1...60 { laughs += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
    let error = #expect(throws: JSONSyntaxError.self) { try value(laughs) }
    #expect(error?.message == "with its aliases the text has more than a million values")
    for key in ["? *a60\n: 1", "k: {[*a60]: 1}", "k: {? *a60 : 1}", "*a60 : 1", "k: {? [*a60, 1] : 1}"] {
      let error = #expect(throws: JSONSyntaxError.self) { try value(laughs + key) }
      #expect(error?.message == "a key must be a plain word, not a list, a mapping or an alias", "\(key)")
    }
  }

  @Test func depthAndSizeAreBounded() {
    let deep = String(repeating: "[", count: 200) + String(repeating: "]", count: 200)
    #expect(throws: JSONSyntaxError.self) { try value(deep) }
    #expect(throws: JSONSyntaxError.self) { try value(String(repeating: "[", count: 100_000)) }
    #expect(throws: JSONSyntaxError.self) { try value(String(repeating: "- ", count: 100_000)) }
    #expect(throws: JSONSyntaxError.self) { try value(String(repeating: "a", count: 5 << 20)) }
    #expect(throws: JSONSyntaxError.self) { try DocumentSyntax.yaml.parse([0x61, 0x3A, 0x20, 0xFF]) }
    #expect(throws: JSONSyntaxError.self) { try DocumentSyntax.yaml.parse([0x61, 0x3A, 0x20, 0]) }
  }
}

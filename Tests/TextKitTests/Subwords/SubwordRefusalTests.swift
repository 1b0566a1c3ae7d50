import ShardKit
import TestKit
import Testing

@testable import TextKit

/// What a `tokenizer.json` may not have is named when it is read.
struct SubwordRefusalTests {
  private static let model: JSONValue = [
    "type": "BPE", "vocab": ["a": 0, "b": 1, "ab": 2], "merges": .list(["a b"]),
  ]

  private func message(_ members: [JSONMember]) -> String {
    var file = members
    if !file.contains(where: { $0.key == "model" }) { file.append(JSONMember("model", Self.model)) }
    do {
      _ = try SubwordTokenizer(.object(file))
      return ""
    } catch { return error.message }
  }

  @Test func aPlainFileIsRead() { #expect(message([]) == "") }

  @Test func partsThatAreNotSupportedAreNamed() {
    #expect(message([JSONMember("normalizer", ["type": "Martian"])]).contains("normalizer 'Martian'"))
    #expect(message([JSONMember("pre_tokenizer", ["type": "UnicodeScripts"])]).contains("'UnicodeScripts'"))
    #expect(message([JSONMember("post_processor", ["type": "Martian"])]).contains("post_processor 'Martian'"))
    #expect(message([JSONMember("model", ["type": "WordLevel", "vocab": ["a": 0]])]).contains("model 'WordLevel'"))
    #expect(message([JSONMember("version", "2.0")]).contains("version"))
    #expect(
      message([JSONMember("pre_tokenizer", ["type": "CharDelimiterSplit", "delimiter": ""])]).contains("delimiter"))
  }

  @Test func settingsThatChangeIdsAreNamed() {
    func model(_ member: JSONMember) -> String {
      message([JSONMember("model", .object((Self.model.members ?? []) + [member]))])
    }
    #expect(model(JSONMember("dropout", .number(0.1))).contains("dropout"))
    #expect(model(JSONMember("end_of_word_suffix", "</w>")).contains("end_of_word_suffix"))
    #expect(model(JSONMember("continuing_subword_prefix", "##")).contains("continuing_subword_prefix"))
    #expect(
      message([
        JSONMember("model", ["type": "BPE", "vocab": ["a": 0, "b": 1], "merges": .list(["a b"])])
      ]).contains("merges has \"a b\""))
    #expect(
      message([JSONMember("model", ["type": "BPE", "vocab": ["a": 0, "b": 0], "merges": .list([])])]).contains("'b'"))
    #expect(
      message([JSONMember("added_tokens", .list([["id": 7, "content": "x"]]))]).contains(
        "its place in the vocabulary is 3"))
  }

  @Test func patternsThatAreNotSupportedAreNamed() {
    for (pattern, problem) in [
      (#"(a"#, "without its )"), (#"[a"#, "without its ]"), (#"a**b\1"#, "not supported"), (#"\bx"#, "escape"),
      (#"(?<n>a)"#, "group of a kind"), (#"(?<=a+)b"#, "lookbehind"), (#"(a?)*"#, "can be empty"),
      (#"\p{Greek}"#, "Greek"),
      (#"(?<=a{1000}{1000}{1000}{1000}{1000}{1000}{1000})b"#, "lookbehind"), (#"a{2,1}"#, "interval"),
      (#"[[:alpha:]]"#, "set"), (#"(?i:ss)"#, "case-insensitive"), (#"*a"#, "quantifier"),
    ] {
      let split: JSONValue = [
        "type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false,
      ]
      #expect(message([JSONMember("pre_tokenizer", split)]).contains(problem), "\(pattern)")
    }
  }

  @Test func largeThingsAreRefused() throws {
    var nested: JSONValue = ["type": "NFC"]
    for _ in 0..<20 { nested = ["type": "Sequence", "normalizers": .list([nested])] }
    #expect(message([JSONMember("normalizer", nested)]).contains("nested"))
    let many = JSONValue.list((0..<80).map { _ in ["type": "NFC"] })
    #expect(message([JSONMember("normalizer", ["type": "Sequence", "normalizers": many])]).contains("more than 64"))
    #expect(
      message([JSONMember("pre_tokenizer", split("(?:(?:ab){900}){900}"))]).contains("too large"))
    // Each step makes the text four times as long.
    let growing = JSONValue.list(
      (0..<30).map { _ in ["type": "Replace", "pattern": ["String": "a"], "content": "aaaa"] })
    let tokenizer = try SubwordTokenizer([
      "normalizer": ["type": "Sequence", "normalizers": growing], "model": Self.model,
    ])
    #expect(throws: TokenizerError.self) { try encode(tokenizer, "aaaa") }
  }

  @Test func aPatternThatTakesTooLongFails() throws {
    let tokenizer = try SubwordTokenizer(["pre_tokenizer": split("(?:(?:a|aa|aaa)+)+b"), "model": Self.model])
    #expect(throws: TokenizerError.self) { try encode(tokenizer, String(repeating: "a", count: 4000)) }
  }

  @Test func anUnknownCharacterWithoutAnUnknownTokenFails() throws {
    let unigram = try SubwordTokenizer([
      "model": ["type": "Unigram", "unk_id": .null, "vocab": .list([.list(["a", .number(-1)])])]
    ])
    #expect(throws: TokenizerError.self) { try encode(unigram, "b") }
    #expect(try encode(unigram, "aa") == [0, 0])
  }

  /// The space that one token takes from its right is a token too, which takes all space from its left.
  @Test func tokensThatTakeTheSameSpaceDoNotOverlap() throws {
    func token(_ id: Int, _ content: String, left: Bool, right: Bool) -> JSONValue {
      ["id": .integer(id), "content": .string(content), "lstrip": .bool(left), "rstrip": .bool(right), "special": true]
    }
    let tokenizer = try SubwordTokenizer([
      "model": Self.model,
      "added_tokens": .list([token(3, "<a>", left: false, right: true), token(4, " ", left: true, right: false)]),
    ])
    let ids = try encode(tokenizer, "<a>   a")
    #expect(ids.first == 3 && ids.last == 0)
  }

  private func split(_ pattern: String) -> JSONValue {
    ["type": "Split", "pattern": ["Regex": .string(pattern)], "behavior": "Isolated", "invert": false]
  }

  private func encode(_ tokenizer: SubwordTokenizer, _ text: String) throws -> [UInt32] {
    var ids = TokenBuffer()
    try Array(text.utf8).withUnsafeBufferPointer { try SubwordSession(tokenizer).encode($0, into: &ids) }
    return Array(ids.ids)
  }
}

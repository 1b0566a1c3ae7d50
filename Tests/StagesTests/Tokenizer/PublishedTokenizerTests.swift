import PipelineKit
import ShardKit
import Stages
import TestKit
import TextKit
import Testing

private let transformers = PeerScript("huggingface_transformers.py")
private let hasTransformers5 = transformers.isUsable && transformers.run("--transformers5") != nil

/// A tokenizer that another program made, in a folder.
@Suite struct PublishedTokenizerTests {
  private static let tokenizer: JSONValue = [
    "version": "1.0",
    "added_tokens": .list([
      ["id": 0, "content": "<unk>", "special": true, "normalized": false],
      ["id": 1, "content": "<s>", "special": true, "normalized": false],
      ["id": 5, "content": "<M>", "special": true, "normalized": false],
    ]), "normalizer": .null, "pre_tokenizer": .null,
    "post_processor": [
      "type": "TemplateProcessing",
      "single": .list([
        ["SpecialToken": ["id": "<s>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]],
      ]),
      "pair": .list([["Sequence": ["id": "A", "type_id": 0]], ["Sequence": ["id": "B", "type_id": 1]]]),
      "special_tokens": ["<s>": ["id": "<s>", "ids": .list([1]), "tokens": .list(["<s>"])]],
    ],
    "model": [
      "type": "Unigram", "unk_id": 0,
      "vocab": .list([
        .list(["<unk>", 0]), .list(["<s>", 0]), .list(["港", .number(-1)]), .list(["の", .number(-2)]),
        .list(["港の", .number(-2.5)]),
      ]),
    ],
  ]

  private func folder(_ files: [(String, JSONValue)]) throws -> String {
    let folder = temporaryDirectory()
    for (name, json) in files { try FileSystem.write(Array(json.text().utf8), to: "\(folder)/\(name)") }
    return folder
  }

  @Test func aFolderIsReadAsItIs() throws {
    let configuration: JSONValue = ["tokenizer_class": "PreTrainedTokenizerFast", "mask_token": ["content": "<M>"]]
    let folder = try folder([("tokenizer.json", Self.tokenizer), ("tokenizer_config.json", configuration)])
    defer { try? FileSystem.removeTree(folder) }
    let harness = try StageHarness(TokenizerRead.self, options: ["folder": .string(folder)]).run()
    let files = harness.files("tokenizer")
    #expect(Set(files.map(\.name)) == ["tokenizer.json", "tokenizer_config.json"])
    let path = try #require(files.first { $0.name == "tokenizer.json" }).path
    #expect(try FileSystem.read(path) == Array(Self.tokenizer.text().utf8))
    let tokenizer = try Tokenizer(path: path)
    #expect(tokenizer.special(.mask) == 5 && tokenizer.special(.padding) == nil && tokenizer.unknown == 0)
    #expect(tokenizer.frame.before == [1] && tokenizer.frame.after.isEmpty)
    var ids = TokenBuffer()
    try Array("港の港<M>猫".utf8).withUnsafeBufferPointer {
      try TokenizerSession(tokenizer).encode($0, addingSpecialTokens: true, into: &ids)
    }
    #expect(Array(ids.ids) == [1, 4, 2, 5, 0])
  }

  @Test func aFolderWithoutATokenizerIsRefused() throws {
    let folder = try folder([("tokenizer_config.json", ["mask_token": "<M>"])])
    defer { try? FileSystem.removeTree(folder) }
    #expect { try StageHarness(TokenizerRead.self, options: ["folder": .string(folder)]).run() } throws: {
      "\($0)".contains("has no tokenizer.json")
    }
  }

  @Test func whatIsNotSupportedIsNamed() throws {
    var members = Self.tokenizer.members ?? []
    members.removeAll { $0.key == "normalizer" }
    members.append(JSONMember("normalizer", ["type": "Martian"]))
    let folder = try folder([("tokenizer.json", .object(members))])
    defer { try? FileSystem.removeTree(folder) }
    #expect { try StageHarness(TokenizerRead.self, options: ["folder": .string(folder)]).run() } throws: {
      "\($0)".contains("the normalizer 'Martian' is not supported")
    }
  }

  /// A tokenizer like BERT's, of which only the first special tokens are named.
  private static func bert(added: Int, lowercase: Bool) -> JSONValue {
    let names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    let tokens = names + ["[", "]", "a", "b", "A", "##b", "sep", "mask", "SEP", "MASK"]
    return [
      "version": "1.0", "truncation": .null, "padding": .null,
      "added_tokens": .list(
        names.prefix(added).enumerated().map { id, name in
          [
            "id": .integer(id), "content": .string(name), "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
          ]
        }),
      "normalizer": [
        "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": .null,
        "lowercase": .bool(lowercase),
      ], "pre_tokenizer": ["type": "BertPreTokenizer"],
      "post_processor": ["type": "BertProcessing", "sep": .list(["[SEP]", 3]), "cls": .list(["[CLS]", 2])],
      "decoder": .null,
      "model": [
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": .object(tokens.enumerated().map { JSONMember($1, .integer($0)) }),
      ],
    ]
  }

  private static let byteLevel: JSONValue = [
    "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .list([]), "normalizer": .null,
    "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
    "post_processor": .null, "decoder": .null,
    "model": [
      "type": "BPE", "dropout": .null, "unk_token": "<unk>", "continuing_subword_prefix": .null,
      "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
      "vocab": ["<unk>": 0, "a": 1, "b": 2, "Ġ": 3, "Ġa": 4], "merges": .list([.list(["Ġ", "a"])]),
    ],
  ]

  struct Read: CustomTestStringConvertible {
    let testDescription: String
    let tokenizer: JSONValue
    var configuration: JSONValue = .null
    var model: JSONValue = .null
  }

  private static let plain: JSONValue = ["tokenizer_class": "PreTrainedTokenizerFast"]
  private static let reads: [Read] = {
    var reads: [Read] = []
    for added in 0...5 {
      for lowercase in [true, false] {
        let name = "\(added) tokens, lowercase \(lowercase)"
        reads.append(
          Read(testDescription: name, tokenizer: bert(added: added, lowercase: lowercase), configuration: plain))
      }
    }
    reads.append(
      Read(
        testDescription: "a BERT without a class", tokenizer: bert(added: 2, lowercase: false),
        configuration: ["model_max_length": 512], model: ["model_type": "bert"]))
    reads.append(
      Read(
        testDescription: "a space that both say", tokenizer: byteLevel,
        configuration: ["tokenizer_class": "PreTrainedTokenizerFast", "add_prefix_space": true]))
    return reads
  }()

  /// Whatever class is written, transformers' releases and this program read the same ids from what they read before.
  @Test(.needs(hasTransformers5, "needs transformers 4 and 5"), arguments: reads)
  func whatIsWrittenIsReadAsBefore(_ read: Read) throws {
    let files: [(String, JSONValue)] = [
      ("tokenizer.json", read.tokenizer), ("tokenizer_config.json", read.configuration), ("config.json", read.model),
    ]
    let folder = try folder(files.filter { $0.1 != .null })
    defer { try? FileSystem.removeTree(folder) }
    let harness = try StageHarness(TokenizerRead.self, options: ["folder": .string(folder)]).run()
    let path = try #require(harness.files("tokenizer").first { $0.name == "tokenizer.json" }).path
    let texts = ["a [MASK] b", "Ab[SEP]", "[mask] a[sep]", "[PAD]a [CLS]b", " a"]
    func ids(_ folder: String, _ options: [String]) throws -> [[String]] {
      String(decoding: try #require(transformers.run(options + [folder] + texts)), as: UTF8.self)
        .split(separator: "\n").map { $0.split(separator: " ").dropFirst().map(String.init) }
    }
    let before = try ids(folder, []), written = ArchivePath.folder(of: path)
    #expect(try before == ids(folder, ["--transformers5"]))
    #expect(try before == ids(written, []) && before == ids(written, ["--transformers5"]))
    let session = try TokenizerSession(Tokenizer(path: path))
    let ours = try texts.map { text in
      var ids = TokenBuffer()
      try Array(text.utf8).withUnsafeBufferPointer { try session.encode($0, addingSpecialTokens: true, into: &ids) }
      return ids.ids.map { "\($0)" }
    }
    #expect(ours == before)
  }

  /// A file alone is written with a configuration by which transformers 4 keeps its space.
  @Test(.needs(hasTransformers5, "needs transformers 4 and 5"))
  func aSpaceBeforeTextsStays() throws {
    let folder = try folder([("tokenizer.json", Self.byteLevel)])
    defer { try? FileSystem.removeTree(folder) }
    let harness = try StageHarness(TokenizerRead.self, options: ["folder": .string(folder)]).run()
    let path = try #require(harness.files("tokenizer").first { $0.name == "tokenizer.json" }).path
    for options in [[], ["--transformers5"]] {
      let output = try #require(transformers.run(options + [ArchivePath.folder(of: path), "a"]))
      #expect(String(decoding: output, as: UTF8.self).hasSuffix(" 4\n"))
    }
    #expect(try Tokenizer(path: path).addsPrefixSpace)
  }
}

import PipelineKit
import ShardKit
import Stages
import TestKit
import TextKit
import Testing

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
}

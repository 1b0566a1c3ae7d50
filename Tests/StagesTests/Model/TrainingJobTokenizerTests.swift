import ShardKit
import TestKit
import TextKit
import Testing
import TrainerCore

@testable import Stages

@Suite struct TrainingJobTokenizerTests {
  /// Special tokens that only a configuration and a post-processor name, and an id without a token.
  @Test func nothingWithoutTextIsMaskedOrDrawn() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let tokens = ["[PAD]": 0, "[UNK]": 1, "<start>": 2, "<end>": 3, "<hidden>": 4, "a": 5, "b": 7]
    let vocabulary = tokens.sorted { $0.value < $1.value }.map { JSONMember($0.key, .integer($0.value)) }
    let tokenizer: JSONValue = [
      "version": "1.0", "added_tokens": .list([]), "normalizer": .null,
      "pre_tokenizer": ["type": "WhitespaceSplit"],
      "post_processor": [
        "type": "BertProcessing", "sep": .list(["<end>", 3]), "cls": .list(["<start>", 2]),
      ],
      "model": [
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": .object(vocabulary),
      ],
    ]
    let configuration: JSONValue = [
      "tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "<hidden>", "pad_token": "[PAD]",
      "unk_token": "[UNK]",
    ]
    for (name, json) in [("tokenizer.json", tokenizer), ("tokenizer_config.json", configuration)] {
      try FileSystem.write(Array(json.text().utf8), to: "\(folder)/\(name)")
    }
    var job = TrainingJob()
    try job.take(Tokenizer(path: folder + "/tokenizer.json"))
    #expect(job.vocabularySize == 8 && job.maskToken == 4)
    #expect(job.specialTokens == [0, 1, 2, 3, 4, 6])
  }
}

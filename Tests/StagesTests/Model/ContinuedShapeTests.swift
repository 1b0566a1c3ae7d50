import PipelineKit
import TestKit
import TextKit
import TrainerCore
import Testing

@testable import Stages

@Suite struct ContinuedShapeTests {
  private func tokenizer(_ size: Int, padding: Int) throws -> Tokenizer {
    var tokens = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + (0..<(size - 5)).map { "t\($0)" }
    tokens.insert("[PAD]", at: padding)
    return Tokenizer(
      try WordPieceTokenizer(
        tokens: tokens.map { Array($0.utf8) }, specialTokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
  }

  private func model(_ kind: ModelShape.Kind) -> ModelShape {
    var shape = ModelShape(kind)
    shape.vocabularySize = 30_522
    shape.hiddenSize = 48
    shape.layers = 3
    shape.heads = 4
    shape.intermediateSize = 80
    shape.maximumLength = 40
    shape.padding = 2
    shape.normEpsilon = 1e-5
    shape.rotaryBase = 10_000
    shape.initialDeviation = 0.1
    return shape
  }

  /// bert-base-uncased has 30,522 tokens, no multiple of 64.
  @Test(arguments: ModelShape.Kind.allCases, [30_522, 30_000, 777])
  func theCheckpointDecides(_ kind: ModelShape.Kind, _ tokens: Int) throws {
    var options = ModelPretrain.Options()
    options.dropout = 0.25
    options.sequenceLength = 40
    let shape = try options.shape(continuing: model(kind), try tokenizer(tokens, padding: 2))
    var expected = model(kind)
    expected.dropout = 0.25
    expected.attentionDropout = kind == .bert ? 0.25 : 0
    expected.maximumLength = kind == .bert ? 40 : 512
    #expect(shape == expected)
  }

  @Test func sizesThatAreSetMustBeTheModels() throws {
    let tokenizer = try tokenizer(100, padding: 2)
    var options = ModelPretrain.Options()
    options.sequenceLength = 16
    options.hiddenSize = 48
    options.model = .bert
    #expect(try options.shape(continuing: model(.bert), tokenizer).hiddenSize == 48)
    #expect { try options.shape(continuing: model(.ropeBERT), tokenizer) } throws: {
      "\($0)".contains("model: is bert; the initial model has rope-bert")
    }
    options.layers = 2
    #expect { try options.shape(continuing: model(.bert), tokenizer) } throws: {
      "\($0)".contains("layers: is 2; the initial model has 3")
    }
  }

  /// A phase of longer inputs changes how positions turn; the model's layers stay.
  @Test func theRotaryBaseMayChange() throws {
    var options = ModelPretrain.Options()
    (options.rotaryBase, options.maximumLength) = (160_000, 8192)
    var initial = model(.modernBERT)
    initial.modern.localAttention = 64
    let shape = try options.shape(continuing: initial, try tokenizer(777, padding: 2))
    #expect(shape.rotaryBase == 160_000 && shape.maximumLength == 8192 && shape.modern == initial.modern)
    options.localAttention = 32
    #expect { try options.shape(continuing: initial, try tokenizer(777, padding: 2)) } throws: {
      "\($0)".contains("localAttention: is 32; the initial model has 64")
    }
    for kind in ModelShape.Kind.allCases where kind != .modernBERT {
      #expect { try options.checkSettings(of: kind) } throws: {
        "\($0)".contains("localAttention: '\(kind.rawValue)' has no local layers")
      }
    }
    try options.checkSettings(of: .modernBERT)
    options.localAttention = 128
    #expect { try options.checkSettings(of: .bert) } throws: { "\($0)".contains("'bert' has no rotary positions") }
    try options.checkSettings(of: .ropeBERT)
    options.rotaryBase = 0.5
    #expect { try options.checkSettings(of: .modernBERT) } throws: { "\($0)".contains("is 0.5, not above 1") }
  }

  @Test func aNewModernBERTHasTheOptions() throws {
    var options = ModelPretrain.Options()
    options.model = .modernBERT
    #expect(options.shape(vocabulary: 100).modern == ModernSettings())
    #expect(options.shape(vocabulary: 100).rotaryBase == 160_000)
    (options.localAttention, options.globalAttentionEvery, options.rotaryBase) = (64, 2, 10_000)
    let shape = options.shape(vocabulary: 100)
    #expect(shape.modern.localAttention == 64 && shape.modern.globalAttentionEvery == 2 && shape.rotaryBase == 10_000)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    var options = ModelPretrain.Options()
    options.sequenceLength = 16
    #expect { try options.shape(continuing: model(.bert), try tokenizer(30_523, padding: 2)) } throws: {
      "\($0)".contains("has 30523 tokens, the model has rows for 30522")
    }
    #expect { try options.shape(continuing: model(.bert), try tokenizer(100, padding: 0)) } throws: {
      "\($0)".contains("has [PAD] as id 0, the model pads with 2")
    }
    options.sequenceLength = 64
    #expect { try options.shape(continuing: model(.bert), try tokenizer(100, padding: 2)) } throws: {
      "\($0)".contains("64 tokens exceed the 40 positions")
    }
  }

  @Test func aNewModelPadsWithItsTokenizersToken() {
    let shape = ModelPretrain.Options().shape(vocabulary: 30_522, padding: 3)
    #expect(shape.vocabularySize == 30_528 && shape.padding == 3 && shape.kind == .mosaicBERT)
  }
}

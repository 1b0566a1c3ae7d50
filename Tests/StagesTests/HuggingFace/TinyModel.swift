import PipelineKit
import ShardKit
import Stages
import TestKit
import TextKit
import TrainerCore

/// A checkpoint of random weights and a tokenizer of single characters, in a temporary folder.
final class TinyModel {
  let folder = temporaryDirectory()
  let shape: ModelShape
  let tokenizer: WordPieceTokenizer

  /// A shape that a test runs in no time; 12 heads, since ALiBi's slopes are odd beyond powers of two.
  static func shape(_ kind: ModelShape.Kind) -> ModelShape {
    var shape = ModelShape(kind)
    shape.vocabularySize = 64
    shape.hiddenSize = 48
    shape.layers = 2
    shape.heads = kind == .mosaicBERT ? 12 : 4
    shape.intermediateSize = 80
    shape.maximumLength = 40
    if kind == .modernBERT { (shape.layers, shape.modern.localAttention) = (4, 6) }
    return shape
  }

  /// - Parameter seed: models of different seeds have different weights.
  init(
    _ kind: ModelShape.Kind, pooler: Bool = false, seed: UInt64 = 0, change: (inout ModelShape) -> Void = { _ in }
  ) throws {
    var shape = Self.shape(kind)
    change(&shape)
    self.shape = shape
    let letters = "東京大阪名古屋横浜札幌ひらがなカタカナ。、".map { Array("\($0)".utf8) }
    let inner = letters.map { Array("##".utf8) + $0 }
    tokenizer = try WordPieceTokenizer(
      tokens: WordPieceTrainer.bertTokens.map { Array($0.utf8) } + letters.distinct + inner.distinct,
      specialTokens: WordPieceTrainer.bertTokens)
    try FileSystem.write(Array(shape.json.prettyText().utf8), to: folder + "/model.json")
    try Self.write(
      shape.parameters + (pooler && kind != .modernBERT ? shape.poolerParameters : []), seed: seed,
      to: folder + "/weights.safetensors")
    for (name, bytes) in HuggingFaceTokenizerFiles(tokenizer).contents {
      try FileSystem.write(bytes, to: "\(folder)/\(name)")
    }
  }

  private static func write(_ parameters: [ParameterShape], seed: UInt64, to path: String) throws {
    var generator = Noise(seed: seed)
    let tensors = parameters.map { parameter in
      let isScale = parameter.name.hasSuffix("orm.weight")
      return TensorSource(
        parameter.name, shape: parameter.shape,
        floats: (0..<parameter.count).map { _ in generator.next() * 0.4 + (isScale ? 1 : 0) })
    }
    try Safetensors.write(tensors, to: path)
  }

  deinit { try? FileSystem.removeTree(folder) }

  /// A fine-tuned checkpoint of the shape: random weights with the head of a task.
  func tuned(_ task: TunedTask, seed: UInt64) throws -> [ArtifactFile] {
    let tuned = folder + "/" + task.name + String(seed)
    try FileSystem.makeDirectory(tuned)
    try Self.write(
      shape.encoderParameters + task.head.parameters(shape), seed: seed, to: tuned + "/weights.safetensors")
    try FileSystem.write(Array(JSONValue.object(task.members).text().utf8), to: tuned + "/task.json")
    try FileSystem.write(Array(shape.json.prettyText().utf8), to: tuned + "/model.json")
    return try Self.artifacts(["model.json", "weights.safetensors", "task.json"], in: tuned)
  }

  var checkpoint: [ArtifactFile] { get throws { try artifacts(["model.json", "weights.safetensors"]) } }
  var tokenizerFiles: [ArtifactFile] {
    get throws { try artifacts(["tokenizer.json", "vocab.txt", "tokenizer_config.json"]) }
  }

  private func artifacts(_ names: [String]) throws -> [ArtifactFile] { try Self.artifacts(names, in: folder) }

  private static func artifacts(_ names: [String], in folder: String) throws -> [ArtifactFile] {
    try names.map { name in
      let path = "\(folder)/\(name)"
      return ArtifactFile(
        path: path, name: name, bytes: FileSystem.status(path)!.bytes, digest: try Digester.digest(file: path))
    }
  }

  /// A batch for reference_model.py: three rows of unequal length, a third of their tokens asked for.
  func batch() throws -> String {
    var generator = Noise()
    let ids = (0..<60).map { _ in Int64(5 + Int(abs(generator.next()) * 60) % 50) }
    let labels = ids.indices.map { i in i % 20 < [20, 7, 13][i / 20] && i % 3 == 1 ? ids[i] : 0 }
    let path = folder + "/batch.safetensors"
    try Safetensors.write(
      [
        TensorSource("ids", .int64, shape: [3, 20], bytes: Self.bytes(ids)),
        TensorSource("labels", .int64, shape: [3, 20], bytes: Self.bytes(labels)),
        TensorSource("lengths", .int64, shape: [3], bytes: Self.bytes([20, 7, 13])),
      ], to: path)
    return path
  }

  private static func bytes(_ numbers: [Int64]) -> [UInt8] { numbers.withUnsafeBytes { Array($0) } }
}

/// Numbers between -0.5 and 0.5 that are the same at every run.
private struct Noise {
  private var state: UInt64 = 88_172_645_463_325_252

  init(seed: UInt64 = 0) { state ^= seed << 20 }

  mutating func next() -> Float {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Float(state >> 40) / Float(1 << 24) - 0.5
  }
}

extension [[UInt8]] {
  fileprivate var distinct: Self { reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
}

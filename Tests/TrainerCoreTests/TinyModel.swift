import Glibc
import ShardKit
import TestKit
import TrainerCore

/// Small models and batches that parity tests share, and the engine, where it is built.
enum TinyModel {
  /// The engine that `Scripts/engine` built; nil where there is none.
  static let engine: Engine? = {
    let own = packagePath(".build/engine/\(Engine.fileName)")
    guard let path = Engine.locate() ?? (FileSystem.exists(own) ? own : nil) else { return nil }
    let engine = try? Engine(path: path)
    try? engine?.setThreads(1)
    return engine
  }()
  static var hasEngine: Bool { engine != nil }

  static func shape(_ kind: ModelShape.Kind) -> ModelShape {
    var shape = ModelShape(kind)
    shape.vocabularySize = 128
    shape.hiddenSize = 48
    shape.layers = 3
    shape.heads = 6
    shape.intermediateSize = 64
    shape.maximumLength = 32
    shape.dropout = 0
    shape.attentionDropout = 0
    // Local layers see five tokens.
    if kind == .modernBERT { shape.modern.localAttention = 5 }
    return shape
  }

  struct Batch {
    var ids: [Int32]
    var lengths: [Int32]
    var length: Int
    var types: [Int32]
    var positions: [Int64]
    var labels: [Int64]

    func input(_ engine: Engine) throws -> EncoderInput {
      try EncoderInput(ids: ids, lengths: lengths, length: length, types: types, engine: engine, device: .cpu)
    }

    func write(to path: String, prefix: String = "") throws { try Safetensors.write(sources(prefix: prefix), to: path) }

    func sources(prefix: String = "") -> [TensorSource] {
      func source<E>(_ name: String, _ type: Safetensors.ElementType, _ shape: [Int], _ values: [E]) -> TensorSource {
        TensorSource(prefix + name, type, shape: shape, bytes: values.withUnsafeBytes { Array($0) })
      }
      return [
        source("ids", .int32, [lengths.count, length], ids), source("lengths", .int32, [lengths.count], lengths),
        source("token_types", .int32, [lengths.count, length], types),
        source("positions", .int64, [positions.count], positions),
        source("labels", .int64, [labels.count], labels),
      ]
    }
  }

  /// A batch drawn from a seed. Ragged sequences show padding; full ones the path without it.
  static func batch(_ shape: ModelShape, sequences: Int = 4, length: Int = 16, ragged: Bool, seed: UInt64) -> Batch {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    func next(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
    var batch = Batch(ids: [], lengths: [], length: length, types: [], positions: [], labels: [])
    for row in 0..<sequences {
      let count = ragged ? 5 + next(length - 5) : length
      batch.lengths.append(Int32(count))
      for position in 0..<length {
        let isToken = position < count
        batch.ids.append(isToken ? Int32(5 + next(shape.vocabularySize - 5)) : 0)
        batch.types.append(isToken && position > count / 2 ? 1 : 0)
        if isToken, next(3) == 0 || position == 1 {
          batch.positions.append(Int64(row * length + position))
          batch.labels.append(Int64(5 + next(shape.vocabularySize - 5)))
        }
      }
    }
    return batch
  }

  /// A model folder with weights at random, biases and norms too, made by the reference.
  static func folder(_ shape: ModelShape) throws -> String {
    let folder = temporaryDirectory()
    try FileSystem.write(Array(shape.json.prettyText().utf8), to: folder + "/model.json")
    _ = PeerScript("reference_model.py").run("random", "--model", folder)
    return folder
  }

  static func load(_ folder: String, _ shape: ModelShape, _ engine: Engine) throws -> Parameters {
    let file = try SafetensorsFile(folder + "/weights.safetensors")
    let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu)
    try parameters.load { shape throws(TorchError) in
      do { return try file.floats(of: shape.name) } catch { throw TorchError(.file, shape.name, "\(error)") }
    }
    return parameters
  }

  /// ‖a − b‖ / ‖b‖.
  static func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    var difference = 0.0, size = 0.0
    for (x, y) in zip(a, b) {
      difference += Double(x - y) * Double(x - y)
      size += Double(y) * Double(y)
    }
    return a.count == b.count ? difference.squareRoot() / max(size.squareRoot(), 1e-30) : .infinity
  }
}

import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  @Suite(.needs(TinyModel.hasEngine, "needs Scripts/engine")) struct AttentionBiasTests {
    /// A sum that is made of some sequences at a time gives the bits of one that is made at once.
    @Test(arguments: [ModelShape.Kind.mosaicBERT, .modernBERT]) func someSequencesAtATimeGiveTheSameBits(
      _ kind: ModelShape.Kind
    ) throws {
      let engine = try #require(TinyModel.engine), shape = TinyModel.shape(kind), length = 16
      let input = try EncoderInput(
        ids: [Int32](repeating: 7, count: 5 * length), lengths: [16, 3, 9, 1, 12], length: length, engine: engine,
        device: .cpu)
      let distance =
        kind == .modernBERT
        ? try ModernBERT.window(length, reach: 2, engine) : try MosaicBERT.alibi(shape.heads, length, engine)
      try engine.seed(3)
      let qkv = try engine.normal(deviation: 1, shape: [5 * length, 3 * shape.hiddenSize])
      func attended(sequencesAtOnce: Int, training: Bool = false) throws -> [Float] {
        let bias = try AttentionBias(
          distance: distance, sequences: input.padding, of: input, training: training,
          limit: sequencesAtOnce * distance.count)
        return try engine.withoutGradient { () throws(TorchError) in
          try bias.attention(qkv, shape, .cpu, samples: nil, training: training).floats()
        }
      }
      let whole = try attended(sequencesAtOnce: 5)
      for count in [0, 1, 2, 4] { #expect(try attended(sequencesAtOnce: count) == whole, "\(count)") }
      #expect(try attended(sequencesAtOnce: 1, training: true) == whole)
      #expect(whole.count == 5 * length * shape.hiddenSize && Set(whole).count > 1000)
    }
  }
}

@Suite struct FilledBatchTests {
  @Test func aBatchFillsPlaces() {
    let batch = FilledBatch(isGPU: false)
    #expect(batch.count([Int](repeating: 5, count: 1000)) == 512 && batch.count([5, 5]) == 2)
    #expect(batch.count([4096, 4096]) == 1 && batch.count([8192, 8192]) == 1 && batch.count([]) == 0)
    #expect(batch.count([2041, 2048, 2048]) == 2, "each is padded to the longest, which is padded to eights")
    #expect(batch.count([2048, 2049]) == 1)
    #expect(batch.count([Int](repeating: 64, count: 100), sequences: 5) == 12)
    #expect(FilledBatch(isGPU: true).count([Int](repeating: 8192, count: 9)) == 4)
  }

  /// Memory of what goes through the model at once does not grow with the texts' length, up to one text.
  @Test func memoryIsOfThePlaces() {
    var shape = ModelShape(.bert)
    shape.maximumLength = 8192
    func bytes(_ length: Int) -> Int { HostMemory(encoding: shape, length: length).encoding }
    #expect(bytes(512) == bytes(128) && bytes(4096) == bytes(512) && bytes(8192) == 2 * bytes(4096))
    // A local layer's window, and a bias for each head.
    let window = HostMemory(encoding: ModelShape(.modernBERT), length: 8192).encoding
    let biases = HostMemory(encoding: ModelShape(.mosaicBERT), length: 8192).encoding
    #expect(biases - window >= 11 * 4 << 26)
  }

  @Test func trainingKeepsEveryLayer() {
    func memory(_ change: (inout ModelShape) -> Void = { _ in }) -> HostMemory {
      var shape = ModelShape(.bert)
      change(&shape)
      return HostMemory(shape, sequences: 16, length: 512)
    }
    let all = memory().training()
    #expect(all > 10 * memory { $0.layers = 1 }.training() / 2 && all > 5 * memory().training(recomputes: true))
    // What attention drops, and its weights.
    #expect(all - memory { $0.attentionDropout = 0 }.training() >= 2 * 4 * 12 * 16 * 12 * 512 * 512)
  }
}

import ShardKit
import TestKit
import Testing

@testable import TrainerCore

private let reference = PeerScript("reference_model.py")
private let hasTransformers5 = PeerScript("huggingface_models.py").run("--transformers5") != nil

extension EngineTests {
  /// ModernBERT in all forms that its configuration has, beside transformers' own.
  @Suite(.needs(TinyModel.hasEngine && reference.isUsable, "needs Scripts/engine and PyTorch")) struct ModernBERTTests {
    private let engine = TinyModel.engine

    enum Form: String, CaseIterable {
      /// As published; inputs are longer than the window.
      case plain
      case withAllBiases
      case withoutDecoderBias
      case untied
      case allGlobal
      /// Two layers between global ones, and then one more.
      case fiveLayers
      case wideWindow
      /// A window of one token, and heads of another size.
      case narrowWindow

      var shape: ModelShape {
        var shape = TinyModel.shape(.modernBERT)
        switch self {
        case .plain: break
        case .withAllBiases:
          (shape.modern.normBias, shape.modern.attentionBias, shape.modern.mlpBias) = (true, true, true)
          shape.modern.classifierBias = true
        case .withoutDecoderBias: shape.modern.decoderBias = false
        case .untied: shape.tiesDecoder = false
        case .allGlobal: shape.modern.globalAttentionEvery = 1
        case .fiveLayers: (shape.layers, shape.modern.globalAttentionEvery) = (5, 3)
        case .wideWindow: shape.modern.localAttention = 128
        case .narrowWindow: (shape.modern.localAttention, shape.heads) = (1, 4)
        }
        return shape
      }
    }

    private func check(_ form: Form, _ flags: [String]) throws {
      let engine = try #require(engine), shape = form.shape
      let folder = try TinyModel.folder(shape)
      defer { try? FileSystem.removeTree(folder) }
      let batch = TinyModel.batch(shape, length: 24, ragged: true, seed: 9)
      try batch.write(to: folder + "/batch.safetensors")
      _ = try #require(
        reference.run(
          flags + [
            "forward", "--model", folder, "--batch", folder + "/batch.safetensors", "--out",
            folder + "/out.safetensors",
          ]))
      let expected = try SafetensorsFile(folder + "/out.safetensors")
      let parameters = try TinyModel.load(folder, shape, engine)
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      let logits = try model.logits(try batch.input(engine), at: batch.positions, training: true)
      #expect(TinyModel.relativeError(try logits.floats(), try expected.floats(of: "logits")) < 1e-5)
      try model.loss(try batch.input(engine), at: batch.positions, labels: batch.labels, training: true).backward()
      for (parameter, tensor) in zip(parameters.shapes, parameters.working.tensors) {
        let gradient = try #require(try tensor.gradient(), "\(parameter.name) has no gradient")
        let wanted = try expected.floats(of: "gradient/" + parameter.name)
        #expect(TinyModel.relativeError(try gradient.floats(), wanted) < 1e-5, "\(parameter.name)")
      }
    }

    @Test(arguments: Form.allCases) func everyFormIsTransformers4s(_ form: Form) throws { try check(form, []) }

    @Test(.needs(hasTransformers5, "needs transformers 5"), arguments: Form.allCases)
    func everyFormIsTransformers5s(_ form: Form) throws { try check(form, ["--transformers5"]) }

    /// Logits of every token of a batch, with what it is padded to.
    private func logits(_ model: MaskedLanguageModel, _ rows: [[Int32]], padding: Int32 = 0) throws -> [Float] {
      let length = rows.map(\.count).max()!
      let input = try EncoderInput(
        ids: rows.flatMap { $0 + [Int32](repeating: padding, count: length - $0.count) },
        lengths: rows.map { Int32($0.count) }, length: length, engine: try #require(engine), device: .cpu)
      let places = rows.enumerated().flatMap { row, ids in ids.indices.map { Int64(row * length + $0) } }
      return try model.logits(input, at: places, training: false).floats()
    }

    @Test func paddingIsAsAlone() throws {
      let shape = TinyModel.shape(.modernBERT)
      let parameters = try Parameters(
        shape.parameters, engine: try #require(engine), device: .cpu, seed: 3, deviation: { _ in 0.2 })
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      let rows = [3, 17, 30, 1].map { count in (0..<count).map { Int32(5 + (count + $0 * 7) % 100) } }
      let together = try logits(model, rows), alone = try rows.flatMap { try logits(model, [$0]) }
      #expect(
        zip(together, alone).allSatisfy { abs($0 - $1) < 1e-5 * max(1, abs($1)) } && together.count == alone.count)
    }

    /// A token beyond the window changes a local layer's result through a global one alone.
    @Test func localLayersSeeTheWindowAlone() throws {
      let engine = try #require(engine)
      var shape = TinyModel.shape(.modernBERT)
      shape.layers = 2
      let rows = (0..<20).map { Int32(5 + $0) }
      var changed = rows
      changed[19] = 99
      func last(_ ids: [Int32], _ parameters: Parameters) throws -> [Float] {
        let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
        return try logits(model, [ids])
      }
      let count = shape.vocabularySize
      // Without the global layer's attention, 2 tokens farther are seen by each token.
      let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, seed: 3, deviation: { _ in 0.2 })
      try parameters.load { parameter throws(TorchError) in
        parameter.name == "bert.encoder.layer.0.attention.output.dense.weight"
          ? [Float](repeating: 0, count: parameter.count) : nil
      }
      let first = try last(rows, parameters), second = try last(changed, parameters)
      let differs = (0..<20).map { first[$0 * count..<($0 + 1) * count] != second[$0 * count..<($0 + 1) * count] }
      #expect(differs == (0..<20).map { $0 >= 17 })
    }

    @Test func boundsEndWhereTheWindowDoes() throws {
      func bounds(_ lengths: [Int32], _ segments: [Int32], _ reach: Int) throws -> [Int32] {
        try EncoderInput(
          ids: [Int32](repeating: 7, count: lengths.count * 6), lengths: lengths, length: 6, segments: segments,
          engine: try #require(engine), device: .cpu
        ).segmentBounds(reach: reach)
      }
      #expect(try bounds([6, 2], [], 1) == [0, 0, 1, 2, 3, 4, 6, 6] + [2, 3, 4, 5, 6, 6, 8, 8])
      #expect(try bounds([6], [0, 0, 1, 1, 1, 1], 2) == [0, 0, 2, 2, 2, 3] + [2, 2, 5, 6, 6, 6])
      #expect(try bounds([6], [], 9) == [0, 0, 0, 0, 0, 0] + [6, 6, 6, 6, 6, 6])
      let plain = try EncoderInput(
        ids: [5, 6, 7, 8], lengths: [4], length: 4, engine: try #require(engine), device: .cpu)
      #expect(try plain.bounds(reach: 3) == nil && plain.bounds(reach: 2)?.shape == [2, 4])
    }
  }
}

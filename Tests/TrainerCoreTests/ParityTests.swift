import ShardKit
import TestKit
import Testing

@testable import TrainerCore

private let reference = PeerScript("reference_model.py")

extension EngineTests {
  /// The engine's models against an independent PyTorch implementation: every number that training rests on.
  @Suite(.needs(TinyModel.hasEngine && reference.isUsable, "needs Scripts/engine and PyTorch"))
  struct ParityTests {
    /// A wrong slope, a swapped half of the gate, a norm in the wrong place or padding that leaks all show here.
    @Test(arguments: ModelShape.Kind.allCases, [true, false])
    func logitsLossAndEveryGradient(_ kind: ModelShape.Kind, _ ragged: Bool) throws {
      let engine = TinyModel.engine!
      let shape = TinyModel.shape(kind)
      let folder = try TinyModel.folder(shape)
      let batch = TinyModel.batch(shape, ragged: ragged, seed: 7)
      try batch.write(to: folder + "/batch.safetensors")
      _ = try #require(
        reference.run(
          "forward", "--model", folder, "--batch", folder + "/batch.safetensors", "--out", folder + "/out.safetensors"))
      let expected = try SafetensorsFile(folder + "/out.safetensors")

      let parameters = try TinyModel.load(folder, shape, engine)
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      let logits = try model.logits(try batch.input(engine), at: batch.positions, training: true)
      #expect(TinyModel.relativeError(try logits.floats(), try expected.floats(of: "logits")) < 1e-5)
      let loss = try model.loss(
        try batch.input(engine), at: batch.positions, labels: batch.labels, training: true)
      #expect(abs(try loss.item() - Double(try expected.floats(of: "loss")[0])) < 1e-5)
      try loss.backward()
      for (parameter, tensor) in zip(parameters.shapes, parameters.working.tensors) {
        let gradient = try #require(try tensor.gradient(), "\(parameter.name) has no gradient")
        let error = TinyModel.relativeError(
          try gradient.floats(), try expected.floats(of: "gradient/" + parameter.name))
        #expect(error < 1e-5, "\(parameter.name)")
      }
    }

    @Test(arguments: ModelShape.Kind.allCases)
    func fiftyStepsOfTheOptimizer(_ kind: ModelShape.Kind) throws {
      try fiftySteps(kind, [], AdamW(weightDecay: 0.01))
    }

    /// Norms and biases without decay; with a decay that shows.
    @Test(arguments: ModelShape.Kind.allCases)
    func fiftyStepsWithoutDecayOfNormsAndBiases(_ kind: ModelShape.Kind) throws {
      try fiftySteps(
        kind, ["--still-norms", "--decay", "10"], AdamW(weightDecay: 10, decaysNormsAndBiases: false))
    }

    /// torch's own Muon, whose iterations in bf16 round each other way here and there; and the same in fp32.
    @Test(arguments: ModelShape.Kind.allCases, [true, false])
    func fiftyStepsOfMuon(_ kind: ModelShape.Kind, _ inBFloat16: Bool) throws {
      try fiftySteps(
        kind, ["--muon", inBFloat16 ? "bfloat16" : "float32"], AdamW(weightDecay: 0.01, muon: Muon()),
        muonInBFloat16: inBFloat16, tolerance: inBFloat16 ? 20 : 1)
    }

    private func fiftySteps(
      _ kind: ModelShape.Kind, _ arguments: [String], _ options: AdamW, muonInBFloat16: Bool = false,
      tolerance: Double = 1
    ) throws {
      let engine = TinyModel.engine!
      let shape = TinyModel.shape(kind)
      let folder = try TinyModel.folder(shape)
      let batches = (0..<4).map { TinyModel.batch(shape, ragged: true, seed: UInt64(20 + $0)) }
      let file = folder + "/batches.safetensors"
      try Safetensors.write(batches.enumerated().flatMap { $0.element.sources(prefix: "\($0.offset)/") }, to: file)
      _ = try #require(
        reference.run(
          ["train", "--model", folder, "--batch", file, "--out", folder + "/out.safetensors"] + arguments))
      let expected = try SafetensorsFile(folder + "/out.safetensors")

      let parameters = try TinyModel.load(folder, shape, engine)
      let model = MaskedLanguageModel(shape.encoder(parameters), parameters)
      let optimizer = try Optimizer(parameters, options)
      optimizer.muonInBFloat16 = muonInBFloat16
      let schedule = LearningRateSchedule(
        learningRate: 5e-4, schedule: .linear, warmupSteps: 5, steps: 50, finalRateFraction: 0.02)
      var losses: [Float] = [], norms: [Float] = []
      for step in 0..<50 {
        let batch = batches[step % 4]
        let loss = try model.loss(
          try batch.input(engine), at: batch.positions, labels: batch.labels, training: true)
        try loss.backward()
        try optimizer.accumulate()
        let learningRate = schedule.learningRate(after: step)
        norms.append(Float(try optimizer.step(learningRate: learningRate, maximumGradientNorm: 1).item()))
        losses.append(Float(try loss.item()))
      }
      #expect(losses[49] < losses[0] - 0.5, "it learns")
      #expect(TinyModel.relativeError(losses, try expected.floats(of: "losses")) < 1e-5 * tolerance)
      #expect(TinyModel.relativeError(norms, try expected.floats(of: "norms")) < 1e-4 * tolerance)
      for (parameter, tensor) in zip(parameters.shapes, parameters.masterWeights.tensors) {
        let error = TinyModel.relativeError(try tensor.floats(), try expected.floats(of: "weight/" + parameter.name))
        #expect(error < 1e-3 * tolerance, "\(parameter.name): \(error)")
      }
    }

    @Test func slopesForTwelveHeadsInterleave() {
      let slopes = MosaicBERT.slopes(12)
      #expect(slopes[0] == 0.5 && slopes[7] == 1 / 256.0)
      #expect(abs(slopes[8] - 0.7071067811865476) < 1e-12)
      #expect(abs(slopes[11] - 0.08838834764831845) < 1e-12)
    }

    /// Recomputing must give the same gradients, dropout included: the random numbers are replayed.
    @Test func recomputedActivationsGiveTheSameGradients() throws {
      let engine = TinyModel.engine!
      var shape = TinyModel.shape(.mosaicBERT)
      shape.dropout = 0.1
      let batch = TinyModel.batch(shape, ragged: true, seed: 3)
      var gradients: [[Float]] = []
      for recomputes in [false, true] {
        let parameters = try Parameters(shape.parameters, engine: engine, device: .cpu, seed: 5)
        let encoder = shape.encoder(parameters, recomputeActivations: recomputes)
        let model = MaskedLanguageModel(encoder, parameters)
        try engine.seed(11)
        try model.loss(try batch.input(engine), at: batch.positions, labels: batch.labels, training: true).backward()
        gradients.append(try parameters.working.tensors.flatMap { try #require(try $0.gradient()).floats() })
      }
      #expect(gradients[0] == gradients[1])
    }

    @Test func anErrorOfTheEnginesIsASentence() throws {
      let engine = TinyModel.engine!
      let a = try engine.full(1, shape: [2, 3]), b = try engine.full(1, shape: [3, 2])
      let error = #expect(throws: TorchError.self) { try a.plus(b) }
      #expect(error?.description.contains("add: ") == true)
      #expect(error?.description.contains("\n") == false)
    }
  }
}

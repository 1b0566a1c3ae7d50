import ShardKit
import TestKit
import Testing

@testable import TrainerCore

extension EngineTests {
  /// What AdamW and Muon do to which parameters, in both precisions.
  @Suite(.serialized, .needs(TinyModel.hasEngine, "needs Scripts/engine")) struct OptimizerTests {
    private let engine = TinyModel.engine
    private static let variants = [
      AdamW(weightDecay: 0.5), AdamW(weightDecay: 0.5, decaysNormsAndBiases: false),
      AdamW(weightDecay: 0.5, muon: Muon()),
      AdamW(weightDecay: 0.5, decaysNormsAndBiases: false, muon: Muon()),
    ]

    private func parameters(
      _ kind: ModelShape.Kind, _ precision: Parameters.Precision
    ) throws -> Parameters {
      var shape = TinyModel.shape(kind)
      // More than a block of the flat memory, and less.
      (shape.hiddenSize, shape.vocabularySize) = (96, 200)
      let parameters = try Parameters(
        shape.parameters, engine: try #require(engine), device: .cpu, precision: precision, seed: 3)
      // Norms and biases of 0 would show no decay.
      try parameters.load { shape throws(TorchError) in (0..<shape.count).map { Float(1 + $0 % 7) } }
      return parameters
    }

    /// Every matrix once, and no process with much more work than others.
    @Test func processesShareMuonsMatrices() {
      let shapes = ModelShape().parameters, options = AdamW(muon: Muon())
      let members = shapes.indices.filter { options.kind(of: shapes[$0]) == .muon }
      for processes in [1, 2, 3, 8] {
        let shares = MuonShares.shares(members, shapes, of: processes)
        #expect(shares.count == processes && shares.flatMap { $0 }.sorted() == members)
        let sizes = shares.map { $0.reduce(0) { $0 + shapes[$1].count } }
        #expect(Double(sizes.max()!) < 1.3 * Double(sizes.min()!), "\(sizes)")
      }
      #expect(MuonShares.shares(Array(members.prefix(2)), shapes, of: 8).filter(\.isEmpty).count == 6)
    }

    @Test func parametersAreToldApartByName() {
      let kinds = ModelShape.Kind.allCases.flatMap { kind in
        TinyModel.shape(kind).parameters.map { ($0, Self.variants[3].kind(of: $0)) }
      }
      for (shape, kind) in kinds {
        let isMatrix = shape.shape.count == 2 && shape.name.contains(".layer.")
        #expect(kind == (isMatrix ? .muon : shape.shape.count == 1 ? .keepsSize : .decays), "\(shape.name)")
        #expect(Self.variants[0].kind(of: shape) == .decays)
      }
      #expect(Set(kinds.map(\.1)) == [.decays, .keepsSize, .muon])
      #expect(Set(kinds.map(\.0.matrices)) == [1, 2, 3])
    }

    /// Without a gradient nothing but the decay moves a weight.
    @Test(arguments: [ModelShape.Kind.mosaicBERT, .bert], Parameters.Precision.allCases)
    func onlyWhatDecaysBecomesSmaller(_ kind: ModelShape.Kind, _ precision: Parameters.Precision) throws {
      for options in Self.variants {
        let parameters = try parameters(kind, precision)
        let optimizer = try Optimizer(parameters, options)
        let before = try parameters.masterWeights.tensors.map { try $0.floats() }
        _ = try optimizer.step(learningRate: 0.01, maximumGradientNorm: 1)
        for (place, shape) in parameters.shapes.enumerated() {
          let after = try parameters.masterWeights.tensors[place].floats()
          if optimizer.kinds[place] == .keepsSize {
            #expect(after == before[place], "\(shape.name)")
          } else {
            #expect(TinyModel.relativeError(after, before[place].map { $0 * (1 - 0.005) }) < 1e-6, "\(shape.name)")
          }
          let copy = try parameters.working.tensors[place].floats()
          #expect(TinyModel.relativeError(copy, after) < (precision == .float32 ? 1e-9 : 5e-3), "\(shape.name)")
        }
      }
    }

    /// The one-piece optimizer takes the same steps as the lists of tensors, whatever happens to a parameter.
    @Test(arguments: variants.indices) func bothPathsTakeTheSameSteps(_ variant: Int) throws {
      let engine = try #require(engine)
      var ends: [[Float]] = []
      for precision in Parameters.Precision.allCases {
        let parameters = try parameters(.mosaicBERT, precision)
        let optimizer = try Optimizer(parameters, Self.variants[variant])
        optimizer.muonInBFloat16 = false
        for step in 0..<5 {
          // A loss whose gradient is the same in both precisions: powers of two.
          var loss: Tensor?
          for (place, tensor) in parameters.working.tensors.enumerated() {
            let shape = parameters.shapes[place]
            let values = (0..<shape.count).map { Float((($0 * 37 + step * 11 + place) % 9) - 4) / 16 }
            let weights = try engine.tensor(values, shape: shape.shape).to(precision == .float32 ? .float32 : .bfloat16)
            let part = try tensor.times(weights).to(.float32).sum()
            loss = if let sum = loss { try sum.plus(part) } else { part }
          }
          try loss!.backward()
          try optimizer.accumulate()
          let divisor = try engine.full(3, shape: [1])
          _ = try optimizer.step(learningRate: 0.01, maximumGradientNorm: 0.5, dividedBy: divisor)
        }
        ends.append(
          try (parameters.masterWeights.tensors + optimizer.first.tensors + optimizer.second.tensors).flatMap {
            try $0.floats()
          })
      }
      #expect(TinyModel.relativeError(ends[1], ends[0]) < 1e-5)
    }

    private func train(_ job: TrainingJob, _ shouldStop: @escaping () -> Bool = { false }) throws {
      let run = try TrainingRun(job, engine: try #require(engine), shouldStop: shouldStop)
      _ = try run.run()
    }

    private func end(_ job: TrainingJob) throws -> TrainingCheckpoint {
      try #require(try TrainingCheckpoint.latest(in: "\(job.state)/checkpoints").found)
    }

    /// Momentum is part of a checkpoint, of which Muon's matrices have one kind; threads decide no bit.
    @Test(arguments: Parameters.Precision.allCases)
    func aStoppedTrainingWithMuonComesToTheSameBits(_ precision: Parameters.Precision) throws {
      var whole = TrainingJobs.tiny(data: try SampleData.tokens(samples: 100, perShard: 30))
      whole.precision = precision
      whole.optimizer = AdamW(weightDecay: 0.1, decaysNormsAndBiases: false, muon: Muon())
      whole.learningRateSchedule.learningRate = 3e-3
      whole.shape.dropout = 0.1
      var parts = whole
      (whole.state, parts.state) = (temporaryDirectory(), temporaryDirectory())
      try train(whole)
      var asked = 0
      try train(parts) {
        asked += 1
        return asked > 6
      }
      #expect(try end(parts).state.step < 12)
      parts.threads = 3
      defer { try? engine?.setThreads(1) }
      try train(parts)
      for name in ["weights.safetensors", "optimizer.safetensors"] {
        #expect(
          try FileSystem.read("\(end(parts).folder)/\(name)") == FileSystem.read("\(end(whole).folder)/\(name)"),
          "\(name)")
      }
      let state = try end(whole).optimizer
      let matrix = "bert.encoder.layer.0.mlp.wo.weight"
      #expect(state["first/\(matrix)"] != nil && state["second/\(matrix)"] == nil && state["second/\(matrix)s"] == nil)
      #expect(state["second/bert.embeddings.word_embeddings.weight"] != nil)

      // Another optimizer is another training; from Muon's checkpoint AdamW cannot go on, the other way round it can.
      var other = whole
      other.optimizer.muon = nil
      #expect(other.fingerprint != whole.fingerprint)
      other.state = temporaryDirectory()
      other.resume = try end(whole).folder
      other.steps = 14
      let error = #expect(throws: TorchError.self) { try train(other) }
      #expect(
        error?.message.contains("has no averages of") == true && error?.hint?.contains("muon") == true, "\(error!)")
      other.resume = nil
      other.steps = 4
      try train(other)
      whole.resume = try end(other).folder
      whole.state = temporaryDirectory()
      try train(whole)
      #expect(try end(whole).state.step == 12)
    }

    @Test func aStepOfMuonThatIsNoNumberIsNotTaken() throws {
      let engine = try #require(engine)
      for precision in Parameters.Precision.allCases {
        let parameters = try parameters(.mosaicBERT, precision)
        let optimizer = try Optimizer(parameters, AdamW(muon: Muon()))
        let all = parameters.masterWeights.tensors + optimizer.first.tensors
        let before = try all.map { try $0.floats() }
        let figure = try engine.full(.nan, .float64, shape: [1])
        _ = try optimizer.step(learningRate: 0.01, maximumGradientNorm: 1, loss: figure)
        #expect(try all.map { try $0.floats() } == before)
      }
    }
  }
}

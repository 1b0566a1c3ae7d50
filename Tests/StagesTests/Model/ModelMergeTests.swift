import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

private let peer = PeerScript("average_weights.py")

/// Models of a shape, wired to model.merge.
private struct Soup {
  let models: [TinyModel]

  init(_ count: Int, _ kind: ModelShape.Kind = .mosaicBERT, change: (Int, inout ModelShape) -> Void = { _, _ in })
    throws
  {
    models = try (0..<count).map { number in try TinyModel(kind, seed: UInt64(number)) { change(number, &$0) } }
  }

  /// Wired as `m0`, `m1`, …
  func harness(_ options: JSONValue = [:]) throws -> StageHarness {
    let harness = try StageHarness(ModelMerge.self, options: options)
    for (number, model) in models.enumerated() {
      harness.add(files: try model.checkpoint, to: "models", from: "m\(number)")
    }
    return harness
  }

  /// The weights of the models as the kept checkpoints of a training, of the steps 5, 10, …
  /// - Parameter every: the training's `keepEverySteps`; nil as former releases.
  func kept(_ options: JSONValue = [:], steps: [Int]? = nil, best step: Int = 15, every: Int? = nil) throws
    -> StageHarness
  {
    var files = [try models[0].checkpoint[0]]
    for (number, model) in models.enumerated() {
      var weights = try model.checkpoint[1]
      weights.name = "step-\(padded(steps?[number] ?? (number + 1) * 5, 8))/weights.safetensors"
      files.append(weights)
    }
    let best = temporaryDirectory() + "/best.json"
    let text = #"{"step":\#(step),"loss":2.5\#(every.map { #","keepEverySteps":\#($0)"# } ?? "")}"#
    try FileSystem.write(Array(text.utf8), to: best)
    files.append(
      ArtifactFile(
        path: best, name: "best.json", bytes: Int64(text.utf8.count), digest: try Digester.digest(file: best)))
    let harness = try StageHarness(ModelMerge.self, options: options)
    harness.add(files: files, to: "checkpoints", from: "train")
    return harness
  }

  func report(_ harness: StageHarness) throws -> [JSONValue] {
    let json = try JSONValue.parse(try FileSystem.read(harness.files("report")[0].path)).value
    return json["models"]?.array ?? []
  }

  /// What NumPy makes of the same models and shares.
  func recomputed(_ harness: StageHarness, shares: [Double], of models: [TinyModel]) throws -> JSONValue {
    let merged = try #require(harness.files("checkpoint").first { $0.name == "weights.safetensors" })
    let parts = try zip(shares, models).flatMap { ["\($0)", try $1.checkpoint[1].path] }
    return try JSONValue.parse(try #require(peer.run([merged.path] + parts))).value
  }
}

@Suite(.needs(peer.isUsable, "needs numpy and safetensors")) struct ModelMergeTests {
  @Test(arguments: ModelShape.Kind.allCases)
  func anAverageIsNumPysToTheBit(kind: ModelShape.Kind) throws {
    let soup = try Soup(3, kind)
    let harness = try soup.harness(["weights": ["m1": 2, "m2": .number(0.5)]]).run()
    let shares = [1 / 3.5, 2 / 3.5, 0.5 / 3.5]
    let theirs = try soup.recomputed(harness, shares: shares, of: soup.models)
    #expect(theirs["different"] == .list([]) && theirs["same"] == .bool(true))
    let report = try soup.report(harness)
    #expect(report.map { $0["name"]?.string } == ["m0", "m1", "m2"])
    #expect(report.compactMap { $0["share"]?.double } == shares)
    let distances = theirs["distances"]?.array?.compactMap(\.double) ?? []
    for (mine, his) in zip(report.compactMap { $0["distance"]?.double }, distances) {
      #expect(his > 0.1 && abs(mine - his) < 1e-6 * his)
    }
    let shape = try #require(harness.files("checkpoint").first { $0.name == "model.json" })
    #expect(try ModelShape(path: shape.path) == soup.models[0].shape)
  }

  @Test func theLastCheckpointsOfATraining() throws {
    let soup = try Soup(4)
    let harness = try soup.kept(["last": 3, "weights": ["train@20": 2]]).run()
    #expect(try soup.report(harness).map { $0["name"]?.string } == ["train@10", "train@15", "train@20"])
    let theirs = try soup.recomputed(harness, shares: [0.25, 0.25, 0.5], of: Array(soup.models.dropFirst()))
    #expect(theirs["different"] == .list([]))
    // The best one by its name.
    let best = try soup.kept(["last": 3, "weights": ["train@best": 2]]).run()
    #expect(try soup.report(best).map { $0["share"]?.double } == [0.25, 0.5, 0.25])
    let unknown = #expect(throws: (any Error).self) { try soup.kept(["weights": ["train@bets": 2]]).run() }
    #expect("\(unknown!)".contains("'train@best'"), "\(unknown!)")
  }

  /// A checkpoint between those of keepEverySteps is kept since it is the best, and none of the last.
  @Test func theBestCheckpointIsNoneOfTheLast() throws {
    let soup = try Soup(4)
    func names(_ options: JSONValue, _ steps: [Int], best: Int) throws -> [String] {
      try soup.report(try soup.kept(options, steps: steps, best: best).run()).compactMap { $0["name"]?.string }
    }
    let between = [10, 20, 25, 30]
    #expect(try names(["last": 2], between, best: 25) == ["train@20", "train@30"])
    #expect(try names(["last": 0], between, best: 25).count == 4)
    #expect(
      try names(["last": 2, "weights": ["train@best": 3]], between, best: 25) == ["train@20", "train@25", "train@30"])
    #expect(try names(["last": 1, "weights": ["train@25": 3]], between, best: 25) == ["train@25", "train@30"])
    #expect(try names(["last": 2], between, best: 30) == ["train@25", "train@30"])
    // The last step need not be one of keepEverySteps.
    #expect(try names(["last": 3], [10, 20, 30, 33], best: 30) == ["train@20", "train@30", "train@33"])
  }

  /// What the training says of its checkpoints counts: few of them do not show whether the best one is between the others.
  @Test(arguments: [nil, 0, 500, 1000])
  func theBestOfFewCheckpoints(_ every: Int?) throws {
    func count(_ steps: [Int], best: Int) throws -> Int {
      let soup = try Soup(steps.count)
      return try soup.report(soup.kept(["last": 3], steps: steps, best: best, every: every).run()).count
    }
    let isFirst = every == nil || every == 500
    #expect(try count([500, 1000], best: 500) == (isFirst ? 2 : 1))
    #expect(try count([500, 1000, 1500], best: 500) == (isFirst ? 3 : 2))
    #expect(try count([500, 1000, 1500], best: 1000) == (every == 0 ? 2 : 3))
    #expect(try count([500, 750, 1000], best: 750) == 2)
  }

  @Test func aModelMovesAwayFromAnother() throws {
    let soup = try Soup(2)
    let harness = try soup.harness(["weights": ["m0": .number(-0.5), "m1": .number(1.5)]]).run()
    #expect(try soup.recomputed(harness, shares: [-0.5, 1.5], of: soup.models)["different"] == .list([]))
  }

  @Test func modelsWithATaskKeepIt() throws {
    let soup = try Soup(2)
    let labels = TunedTask.texts(.singleLabel(["good", "bad"]))
    let head = try [1, 2].map { try soup.models[0].tuned(labels, seed: $0) }
    func harness(_ models: [[ArtifactFile]]) throws -> StageHarness {
      let harness = try StageHarness(ModelMerge.self)
      for (number, files) in models.enumerated() { harness.add(files: files, to: "models", from: "m\(number)") }
      return harness
    }
    let merged = try harness(head).run()
    let task = try #require(merged.files("checkpoint").first { $0.name == "task.json" })
    #expect(try TunedTask(tuned: task.path) == labels)
    let weights = try #require(merged.files("checkpoint").first { $0.name == "weights.safetensors" })
    #expect(try SafetensorsFile(weights.path)["classifier.weight"] != nil)
    let other = try soup.models[0].tuned(.benchmark(.jsts), seed: 3)
    let error = #expect(throws: StageError.self) { try harness([head[0], other]).run() }
    #expect(error?.message == "is fine-tuned for another task than 'm0'")
    let plain = #expect(throws: StageError.self) { try harness([head[0], soup.models[1].checkpoint]).run() }
    #expect(plain?.subject == "'m1'" && plain?.message == "is not fine-tuned, 'm0' is")
  }

  /// How vectors of texts are made stays with the average of models that make them alike.
  @Test func modelsOfVectorsStayThose() throws {
    let soup = try Soup(2)
    func merged(_ poolings: [Pooling]) throws -> StageHarness {
      let harness = try StageHarness(ModelMerge.self)
      for (number, (model, pooling)) in zip(soup.models, poolings).enumerated() {
        var settings = EmbeddingSettings()
        (settings.pooling, settings.queryPrefix) = (pooling, "query: ")
        let path = temporaryDirectory() + "/embedding.json", bytes = Array(settings.json.text().utf8)
        try FileSystem.write(bytes, to: path)
        let file = ArtifactFile(
          path: path, name: "embedding.json", bytes: Int64(bytes.count), digest: try Digester.digest(file: path))
        harness.add(files: try model.checkpoint + [file], to: "models", from: "m\(number)")
      }
      return try harness.run()
    }
    let alike = try merged([.cls, .cls])
    let kept = try #require(alike.files("checkpoint").first { $0.name == "embedding.json" })
    #expect(try EmbeddingSettings(path: kept.path).pooling == .cls)
    let different = try merged([.cls, .mean])
    #expect(!different.files("checkpoint").contains { $0.name == "embedding.json" })
    #expect(different.warnings["embeddings-differ"] == 1)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let sizes = try Soup(2) { $1.intermediateSize = $0 == 0 ? 80 : 96 }
    let error = #expect(throws: StageError.self) { try sizes.harness().run() }
    #expect(error?.subject == "'m1'" && error?.message == "has intermediateSize 96, 'm0' has intermediateSize 80")
    let decoders = try Soup(2) { $1.tiesDecoder = $0 == 0 }
    let decoder = #expect(throws: StageError.self) { try decoders.harness().run() }
    #expect(decoder?.message.contains("decoder") == true)
    // What only a training uses may differ.
    let trained = try Soup(2) { $1.dropout = $0 == 0 ? 0.1 : 0.2 }
    try trained.harness().run()
    let soup = try Soup(2)
    let name = #expect(throws: StageError.self) { try soup.harness(["weights": ["m7": 2]]).run() }
    #expect(name?.message.hasPrefix("no model is named 'm7'. Did you mean") == true)
    let zero = #expect(throws: StageError.self) { try soup.harness(["weights": ["m0": -1]]).run() }
    #expect(zero?.message == "sum to 0.0")
    let single = try Soup(1)
    let alone = #expect(throws: StageError.self) { try single.harness().run() }
    #expect(alone?.message == "only one model is wired")
    let none = #expect(throws: StageError.self) { try StageHarness(ModelMerge.self).run() }
    #expect(none?.message == "no model or checkpoint is wired")
    let last = try soup.kept(["last": 1]).run()
    #expect(last.warnings == ["one-checkpoint": 1])
    #expect(try soup.recomputed(last, shares: [1], of: [soup.models[1]])["different"] == .list([]))
  }
}

import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

/// Named sets of tokens, and what a mixture makes of them.
@Suite struct TokenSetsTests {
  private func source(_ name: String, _ samples: Int) -> TokenMixture.Source {
    TokenMixture.Source(name: name, folders: [], shards: 1, samples: samples, digest: name)
  }

  private func phases(_ text: String, steps: Int = 100) throws -> [TokenMixture.Phase] {
    let option = try MixtureOption(json: try JSONValue.parse(Array(text.utf8)).value)
    #expect(try MixtureOption(json: JSONValue.parse(Array(option.json.text().utf8)).value) == option)
    return try MixtureShares(
      sources: [source("ja", 300), source("en", 100)], sizes: StepSizes(batchSize: 8), steps: steps
    ).phases(option)
  }

  @Test func sharesBecomeSamples() throws {
    #expect(try phases("{}") == [.init(until: 100, amounts: [600, 200])], "as many times each")
    #expect(try phases(#"{"weights":{"ja":7,"en":3}}"#) == [.init(until: 100, amounts: [560, 240])])
    #expect(try phases(#"{"weights":{"ja":1},"epochs":{"en":2.5}}"#) == [.init(until: 100, amounts: [550, 250])])
    #expect(try phases(#"{"epochs":{"en":2,"ja":2}}"#) == [.init(until: 100, amounts: [600, 200])])
    // Less than a batch is left over: 601 samples in 75 steps.
    #expect(try phases(#"{"epochs":{"en":3.01,"ja":1}}"#, steps: 75).map(\.amounts) == [[300, 300]])
    let schedule = #"""
      [{"until":40,"weights":{"ja":1,"en":0}},{"until":0.7,"weights":{"ja":0.5,"en":0.5}},
       {"epochs":{"en":2},"weights":{"ja":1}}]
      """#
    #expect(
      try phases(schedule) == [
        .init(until: 40, amounts: [320, 0]), .init(until: 70, amounts: [120, 120]),
        .init(until: 100, amounts: [40, 200]),
      ])
  }

  /// Numbers that no Int holds are refused like others.
  @Test func hugeAmountsAreRefused() throws {
    let huge = [source("ja", 1 << 50), source("en", 1 << 50)]
    for (text, message) in [
      (#"{"epochs":{"ja":1e9,"en":1e9}}"#, "the epochs are 2.251799813685248e+24 samples"),
      (#"{"epochs":{"ja":1e9},"weights":{"en":1}}"#, "the epochs ask for 1.125899906842624e+24 samples, of 800"),
    ] {
      let option = try MixtureOption(json: try JSONValue.parse(Array(text.utf8)).value)
      let error = #expect(throws: StageError.self) {
        try MixtureShares(sources: huge, sizes: StepSizes(batchSize: 8), steps: 100).phases(option)
      }
      #expect("\(error!)".contains(message), "\(error!)")
    }
  }

  /// Epochs of a phase are never read in part because the training continues another one in the middle of it.
  @Test func aContinuedTrainingReadsWholeEpochs() throws {
    func phases(_ text: String, from step: Int) throws -> [TokenMixture.Phase] {
      let option = try MixtureOption(json: try JSONValue.parse(Array(text.utf8)).value)
      return try MixtureShares(
        sources: [source("ja", 300), source("en", 100)], sizes: StepSizes(batchSize: 8), steps: 100, firstStep: step
      ).phases(option)
    }
    let whole = #"{"epochs":{"en":3},"weights":{"ja":1}}"#
    let error = #expect(throws: StageError.self) { try phases(whole, from: 60) }
    #expect(
      "\(error!)".contains("has epochs for the steps 1 to 100, of which the continued training took those up to 60"))
    #expect("\(error!)".contains(#"Write a phase { "until": 60, "weights": … } before it"#), "\(error!)")
    #expect(try phases(whole, from: 0).map(\.amounts) == [[500, 300]])
    // As the error says, all of them are read in the 40 steps that are left.
    let split = #"[{"until":60,"weights":{"ja":1,"en":1}},\#(whole)]"#
    let mixture = TokenMixture(
      sources: [source("ja", 300), source("en", 100)], phases: try phases(split, from: 60), firstStep: 60)
    #expect(mixture.positions(at: 800, StepSizes(batchSize: 8)) == [20, 300])
    #expect(throws: StageError.self) { try phases(split, from: 61) }
    // Weights are shares of every step: it does not matter where they begin. Epochs that were read do not matter either.
    #expect(try phases(#"{"weights":{"ja":7,"en":3}}"#, from: 60).map(\.amounts) == [[560, 240]])
    _ = try phases(#"[{"until":60,"weights":{"ja":1},"epochs":{"en":1}},{"weights":{"ja":1,"en":1}}]"#, from: 70)
  }

  @Test(arguments: [
    (#"{"weights":{"jp":1,"en":1}}"#, "there is no set of tokens named 'jp'. Did you mean 'ja'?"),
    (#"{"weights":{"ja":1}}"#, "does not say how much of 'en' is read"),
    (#"{"weights":{"ja":1},"epochs":{"ja":1}}"#, "'ja' has both a weight and epochs"),
    (#"{"wieghts":{"ja":1}}"#, "unknown key 'wieghts'. Did you mean 'weights'?"),
    (#"{"weights":{"ja":-1}}"#, "-1.0 of 'ja' is not between 0 and"),
    (#"{"weights":{"ja":"a"}}"#, "'weights' 'ja': should be a number"),
    (#"{"weights":{"ja":0,"en":0}}"#, "no set has a weight or epochs above 0"),
    (#"{"weights":{"ja":1,"en":1},"until":3}"#, "the last phase ends with the training"),
    (#"[{"weights":{"ja":1,"en":1}},{"weights":{"ja":1,"en":1}}]"#, "phase 1: 'until' is missing"),
    (#"[{"until":2.5,"weights":{"ja":1,"en":1}},{"weights":{"ja":1,"en":1}}]"#, "'until' should be a step, or a"),
    (
      #"[{"until":100,"weights":{"ja":1,"en":1}},{"weights":{"ja":1,"en":1}}]"#,
      "phase 1: ends at step 100, which is not"
    ),
    (#"{"weights":{"ja":1},"epochs":{"en":9}}"#, "the epochs ask for 900 samples, of 800 in 100 steps"),
    (
      #"{"epochs":{"ja":2,"en":3}}"#,
      "the epochs are 900 samples, which fill 112 steps of 8, not 100. Set \"steps\" to 112, or give"
    ),
    (
      #"[{"until":30,"epochs":{"ja":1,"en":1}},{"weights":{"ja":1,"en":1}}]"#,
      "phase 1: the epochs are 400 samples, which fill 50 steps of 8, not 30. Set \"until\" to 50, or give"
    ),
    (
      #"[{"until":30,"weights":{"ja":1,"en":1}},{"epochs":{"ja":1,"en":1}}]"#,
      "phase 2: the epochs are 400 samples, which fill 50 steps of 8, not 70. Set \"steps\" to 80, or give"
    ),
    (
      #"{"epochs":{"ja":0.01,"en":0.02}}"#,
      "the epochs are 5 samples, which fill 0 steps of 8, not 100. Raise the epochs"
    ),
    (#"{"epochs":{"ja":1e9,"en":1e9}}"#, "the epochs are 400000000000 samples, which fill 50000000000 steps of 8"),
    ("3", "should be an object with weights and epochs, or a list of such phases"),
  ])
  func whatNoTrainingCanReadIsRefused(_ text: String, _ message: String) {
    let error = #expect(throws: (any Error).self) { try phases(text) }
    #expect("\(error!)".contains(message), "\(error!)")
  }

  /// The training's task, planned with tokens that have real indices.
  private func task(
    _ sets: [(name: String?, samples: Int)], _ options: JSONValue, continuing state: CheckpointState? = nil,
    heldOut: [(name: String?, samples: Int)] = [], hasOptimizer: Bool = true
  ) throws -> TaskPlan {
    let folder = temporaryDirectory()
    func file(_ path: String, _ name: String, _ text: String) throws -> ArtifactFile {
      try FileSystem.makeDirectory(ArchivePath.folder(of: path))
      try FileSystem.write(Array(text.utf8), to: path)
      return ArtifactFile(path: path, name: name, bytes: 1, digest: Digester.digest(Array(text.utf8)))
    }
    func tokens(_ set: (name: String?, samples: Int), _ number: Int) throws -> WiredArtifact {
      let path = "\(folder)/\(number)/index.json"
      let text = """
        {"shards":[{"column_encodings":["int"],"column_names":["n"],"column_sizes":[8],"compression":null,"format":"mds",
        "hashes":[],"raw_data":{"basename":"s\(number)","bytes":9,"hashes":{}},"samples":\(set.samples),"size_limit":9,
        "version":2,"zip_data":null}],"version":2}
        """
      return WiredArtifact(
        stage: "encode-\(number)", port: "tokens", files: [try file(path, "index.json", text)], name: set.name)
    }
    let learned = try sets.enumerated().map { try tokens($1, $0) }
    let tokenizer = WiredArtifact(
      stage: "tokenizer", port: "tokenizer", files: [try file("\(folder)/t/tokenizer.json", "tokenizer.json", "{}")])
    var inputs = ["tokens": learned, "tokenizer": [tokenizer]]
    if !heldOut.isEmpty { inputs["validation"] = try heldOut.enumerated().map { try tokens($1, 100 + $0) } }
    if var state {
      state.data = learned[0].files[0].digest.hex
      let none = CheckpointManifest.File(bytes: 0, digest: Digester.digest([]))
      let manifest = CheckpointManifest(state: state, weights: none, optimizer: none)
      let path = "step-\(padded(state.step, 8))/state.json"
      inputs["resume"] = [
        WiredArtifact(
          stage: "earlier", port: "checkpoints",
          files: [try file("\(folder)/c/\(path)", path, manifest.json.text())]
            + (hasOptimizer
              ? [try file("\(folder)/o", "\(ArchivePath.folder(of: path))/optimizer.safetensors", "")] : []))
      ]
    }
    let context = NodeContext(inputs: inputs, base: "/")
    let all: JSONValue = .object([JSONMember("device", "cpu"), JSONMember("batchSize", 10)] + (options.members ?? []))
    let stage = try StageDescription(ModelPretrain.self).configured(all)
    return try stage.stage(of: "train").tasks(ofPhase: "train", in: context)[0]
  }

  @Test func setsAreNamedByTheInputOrTheirStage() throws {
    let two = try task([("ja", 50), ("en", 50)], ["steps": 20])
    #expect(two.payload["names"]?.array?.map(\.string) == ["ja", "en"])
    #expect(two.inputs["tokens.en"].count == 1 && two.inputs["tokens"].isEmpty)
    #expect(
      try task([(nil, 50), (nil, 50)], ["steps": 20]).payload["names"]?.array?.map(\.string) == [
        "encode-0", "encode-1",
      ])
    let grouped = try task(
      [("ja", 50), ("code", 50), ("code", 30)],
      ["steps": 20, "mixture": ["epochs": ["code": 1], "weights": ["ja": 1]]])
    #expect(grouped.inputs["tokens.code"].count == 2)
    // One set without a name is what it always was.
    let one = try task([(nil, 50)], ["steps": 20])
    #expect(one.payload == .null && one.inputs["tokens"].count == 1)
    #expect(try task([("en", 50), ("ja", 50)], ["steps": 20]).stateKey != two.stateKey)
  }

  /// Held-out tokens decide no step: an unfinished training goes on with others.
  @Test func heldOutSetsAreNoPartOfTheTraining() throws {
    let plain = try task([(nil, 50)], ["steps": 20])
    let measured = try task([(nil, 50)], ["steps": 20, "validationSteps": 5], heldOut: [(nil, 9)])
    #expect(measured.stateKey == plain.stateKey && measured.payload["heldOut"]?.array?.map(\.string) == ["eval"])
    #expect(measured.inputs["validation.eval"].count == 1 && measured.payload["names"] == nil)
    let both = try task([("ja", 50), ("en", 50)], ["steps": 20, "bestBy": "en"], heldOut: [("en", 9), ("ja", 9)])
    #expect(both.payload["heldOut"]?.array?.map(\.string) == ["en", "ja"])
    #expect(both.payload["names"]?.array?.map(\.string) == ["ja", "en"])
    func message(_ options: JSONValue, _ heldOut: [(name: String?, samples: Int)]) -> String {
      let error = #expect(throws: StageError.self) { try task([(nil, 50)], options, heldOut: heldOut) }
      return error.map { "\($0)" } ?? ""
    }
    let misnamed = message(["steps": 20, "bestBy": "book"], [("books", 9)])
    #expect(misnamed.hasPrefix("bestBy: there is no validation set named 'book'") && misnamed.contains("'books'"))
    #expect(message(["steps": 20], [("books", 0)]).contains("inputs.validation: the set 'books' has no samples"))
    for (name, value) in [("validationSteps", 5), ("validationSamples", 5), ("bestBy", "a")] as [(String, JSONValue)] {
      let none = message(.object([JSONMember("steps", 20), JSONMember(name, value)]), [])
      #expect(none.hasPrefix("\(name): there are no tokens to validate on. Wire"), "\(none)")
    }
  }

  @Test func aCheckpointIsContinuedByName() throws {
    let state = CheckpointState(step: 7)
    func message(_ options: JSONValue, hasOptimizer: Bool = true) -> String {
      let error = #expect(throws: StageError.self) {
        try task([(nil, 50)], options, continuing: state, hasOptimizer: hasOptimizer)
      }
      return error.map { "\($0)" } ?? ""
    }
    _ = try task([(nil, 50)], ["steps": 20], continuing: state)
    #expect(
      message(["steps": 20, "resumeFrom": "best"]).hasPrefix(
        "resumeFrom: the training in 'resume' has no best checkpoint"))
    _ = try task([(nil, 50)], ["steps": 20, "resumeFrom": "best", "resumeStep": 7], continuing: state)
    #expect(
      message(["steps": 20], hasOptimizer: false).hasPrefix(
        "inputs.resume: the checkpoint of step 7 has no optimizer state to continue with"))
  }

  @Test func tooManyEpochsAreRefusedBeforeTraining() throws {
    func message(_ sets: [(name: String?, samples: Int)], _ options: JSONValue) -> String {
      let error = #expect(throws: StageError.self) { try task(sets, options) }
      return error.map { "\($0)" } ?? ""
    }
    _ = try task([("ja", 50), ("en", 50)], ["steps": 20, "maximumEpochs": 2])
    let twice = message([("ja", 50), ("en", 50)], ["steps": 20, "maximumEpochs": .number(1.9)])
    #expect(
      twice.hasPrefix("maximumEpochs: the training would read 'ja' 2.0 times; maximumEpochs allows 1.9. Take fewer"),
      "\(twice)")
    _ = try task([(nil, 50)], ["steps": 20, "maximumEpochs": 4])
    #expect(message([(nil, 50)], ["steps": 20, "maximumEpochs": 3]).contains("would read its tokens 4.0 times"))
    #expect(
      message([(nil, 50)], ["steps": 20, "mixture": ["weights": ["ja": 1]]]).contains(
        "one set of tokens, without a name"))
    #expect(message([("ja", 50), ("en", 0)], ["steps": 20]).contains("the set 'en' has no samples"))
    // What the continued training has read counts: 1.5 epochs, and 20 steps more are 4.
    let state = CheckpointState(step: 7, epoch: 1, sampleInEpoch: 25, order: "py1e, seed 17, batches of 10")
    _ = try task([(nil, 50)], ["steps": 27, "maximumEpochs": .number(5.5)], continuing: state)
    let error = #expect(throws: StageError.self) {
      try task([(nil, 50)], ["steps": 27, "maximumEpochs": .number(5.4)], continuing: state)
    }
    #expect("\(error!)".contains("would read its tokens 5.5 times; maximumEpochs allows 5.4"), "\(error!)")
    // What is shown is never what is allowed.
    #expect(
      message([(nil, 499)], ["steps": 100, "maximumEpochs": 2]).contains(
        "read its tokens 2.01 times; maximumEpochs allows 2.0"))
    // Known when the pipeline is loaded.
    func loading(_ options: JSONValue) -> String {
      let error = #expect(throws: (any Error).self) {
        try StageDescription(ModelPretrain.self).configured(options).stage.validate()
      }
      return error.map { "\($0)" } ?? ""
    }
    #expect(
      loading(["steps": 20, "mixture": .list([["until": 20, "weights": ["ja": 1]], ["weights": ["ja": 1]]])]).contains(
        "phase 1: ends at step 20, which is not between 1 and 19"))
    #expect(
      loading(["remote": "s3://bucket/p", "mixture": ["weights": ["ja": 1]]]).contains(
        "tokens at \"remote\" are one set, without a name"))
    #expect(message([("ja", 50)], ["shuffle": "window"]).contains("says how many samples"))
    #expect(message([("ja", 50)], ["shuffle": "none", "shuffleWindow": 7]).contains("has no windows"))
  }

  /// Stages that were finished before there were mixtures stay finished.
  @Test func youngerOptionsAreInFingerprintsOnlyIfSet() throws {
    func names(_ options: JSONValue) throws -> [String] {
      try StageDescription(ModelPretrain.self).configured(options).options.filter(\.affectsOutput).map(\.name)
    }
    #expect(try Set(names([:])).isDisjoint(with: ["mixture", "shuffleWindow", "maximumEpochs"]))
    #expect(
      try Set(names(["mixture": ["weights": ["a": 1]], "shuffle": "window", "shuffleWindow": 9])).isSuperset(of: [
        "mixture", "shuffleWindow",
      ]))
  }
}

import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

/// Named sets of tokens, and what a mixture makes of them.
@Suite struct TokenSetsTests {
  private func source(_ name: String, _ samples: Int) -> TokenMixture.Source {
    TokenMixture.Source(name: name, folders: [], shards: 1, samples: samples, digest: name)
  }

  private func phases(_ text: String, steps: Int = 100) throws -> [TokenMixture.Phase] {
    let option = try MixtureOption(json: try JSONValue.parse(Array(text.utf8)).value)
    #expect(try MixtureOption(json: JSONValue.parse(Array(option.json.text().utf8)).value) == option)
    return try MixtureShares(sources: [source("ja", 300), source("en", 100)], batchSize: 8, steps: steps).phases(option)
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
    (#"{"epochs":{"ja":2,"en":3}}"#, "the epochs are 900 samples, which fill 112 steps of 8, not 100"),
    ("3", "should be an object with weights and epochs, or a list of such phases"),
  ])
  func whatNoTrainingCanReadIsRefused(_ text: String, _ message: String) {
    let error = #expect(throws: (any Error).self) { try phases(text) }
    #expect("\(error!)".contains(message), "\(error!)")
  }

  /// The training's task, planned with tokens that have real indices.
  private func task(_ sets: [(name: String?, samples: Int)], _ options: JSONValue) throws -> TaskPlan {
    let folder = temporaryDirectory()
    func file(_ path: String, _ name: String, _ text: String) throws -> ArtifactFile {
      try FileSystem.makeDirectory(ArchivePath.folder(of: path))
      try FileSystem.write(Array(text.utf8), to: path)
      return ArtifactFile(path: path, name: name, bytes: 1, digest: Digester.digest(Array(text.utf8)))
    }
    let tokens = try sets.enumerated().map { number, set in
      let path = "\(folder)/\(number)/index.json"
      let text = """
        {"shards":[{"column_encodings":["int"],"column_names":["n"],"column_sizes":[8],"compression":null,"format":"mds",
        "hashes":[],"raw_data":{"basename":"s\(number)","bytes":9,"hashes":{}},"samples":\(set.samples),"size_limit":9,
        "version":2,"zip_data":null}],"version":2}
        """
      return WiredArtifact(
        stage: "encode-\(number)", port: "tokens", files: [try file(path, "index.json", text)], name: set.name)
    }
    let tokenizer = WiredArtifact(
      stage: "tokenizer", port: "tokenizer", files: [try file("\(folder)/t/tokenizer.json", "tokenizer.json", "{}")])
    let context = NodeContext(inputs: ["tokens": tokens, "tokenizer": [tokenizer]], base: "/")
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

  @Test func tooManyEpochsAreRefusedBeforeTraining() throws {
    func message(_ sets: [(name: String?, samples: Int)], _ options: JSONValue) -> String {
      let error = #expect(throws: StageError.self) { try task(sets, options) }
      return error.map { "\($0)" } ?? ""
    }
    _ = try task([("ja", 50), ("en", 50)], ["steps": 20, "maximumEpochs": 2])
    let twice = message([("ja", 50), ("en", 50)], ["steps": 20, "maximumEpochs": .number(1.9)])
    #expect(
      twice.hasPrefix("maximumEpochs: the training would read 'ja' 2.0 times, and may 1.9 times. Take fewer"),
      "\(twice)")
    _ = try task([(nil, 50)], ["steps": 20, "maximumEpochs": 4])
    #expect(message([(nil, 50)], ["steps": 20, "maximumEpochs": 3]).contains("would read its tokens 4.0 times"))
    #expect(
      message([(nil, 50)], ["steps": 20, "mixture": ["weights": ["ja": 1]]]).contains(
        "one set of tokens, without a name"))
    #expect(message([("ja", 50), ("en", 0)], ["steps": 20]).contains("the set 'en' has no samples"))
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

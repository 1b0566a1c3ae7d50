import ShardKit
import TestKit
import Testing

/// A pipeline whose training reads a mixture: killed and gone on with, counted, and traced to the sets' documents.
@Suite(.serialized, .needs(Workbench.hasEngine, "needs Scripts/engine")) struct MixtureTests {
  private static func bench(_ mixture: String) throws -> Workbench {
    let bench = try Workbench(
      """
      { "format": 1, "name": "corpus", "stages": {
        "read": { "foreach": ["rivers", "books"], "use": "documents.read", "options": { "files": "${item}.jsonl" } },
        "rivers": { "use": "mix.order", "inputs": { "documents": "read-rivers" },
          "options": { "by": "bytes", "buckets": 0, "fileBytes": "1KiB" } },
        "books": { "use": "text.clean", "inputs": { "documents": "read-books" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "read" },
          "options": { "vocabularySize": 120 } },
        "encode": { "foreach": ["rivers", "books"], "use": "tokenizer.encode",
          "inputs": { "documents": "${item}.documents", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 24, "shardBytes": "1KiB" } },
        "train": { "use": "model.pretrain",
          "inputs": { "tokens": { "water": "encode-rivers", "paper": "encode-books" }, "tokenizer": "tokenizer" },
          "options": { "hiddenSize": 16, "layers": 1, "heads": 2, "intermediateSize": 16, "batchSize": 6,
            "microbatchSize": 4, "sequenceLength": 24, "threads": 1, "device": "cpu", "steps": 12, "checkpointSteps": 3,
            "logSteps": 1, "shuffle": "none", "mixture": \(mixture) } }
      } }
      """, texts: [])
    for (name, word, count) in [("rivers", "川の水車小屋", 40), ("books", "駅の図書室", 15)] {
      var lines: [UInt8] = []
      for number in 0..<count {
        Document(
          id: "\(name)/\(number)", text: (0...number % 5).map { "\(word)で\(number + $0)番目の朝を迎えた。" }.joined(),
          source: name
        ).append(to: &lines)
      }
      try bench.write("\(name).jsonl", String(decoding: lines, as: UTF8.self))
    }
    return bench
  }

  private func json(_ bench: Workbench, _ artifact: String, _ name: String, _ store: [String] = []) throws -> JSONValue
  {
    let folder = String(try bench.run(["artifact", "corpus.json", artifact] + store).out.dropLast())
    return try JSONValue.parse(try FileSystem.read("\(folder)/\(name)")).value
  }

  @Test func aMixtureIsCountedResumedAndTraced() throws {
    let bench = try Self.bench(
      #"[{ "until": 0.5, "weights": { "water": 5, "paper": 1 } }, { "weights": { "water": 1, "paper": 1 } }]"#)
    let environment = ["OMP_WAIT_POLICY": "passive"]
    let killed = try bench.run(
      "run", "corpus.json", environment: environment.merging(["PIPELINE_FAULT": "training.step:8"]) { $1 })
    #expect(killed.status != 0)
    let resumed = try bench.run("run", "corpus.json", environment: environment)
    #expect(resumed.status == 0, "\(resumed.err)")
    // The checkpoint of step 6 may have been on its way.
    let resumedAt = try json(bench, "train.report", "machine.json")["resumedAt"]?.integer
    #expect([3, 6].contains(resumedAt))
    let other = ["--store", bench.folder + "/whole"]
    #expect(try bench.run(["run", "corpus.json"] + other, environment: environment).status == 0)
    let counts = try json(bench, "train.metrics", "training.json")
    #expect(try json(bench, "train.metrics", "training.json", other) == counts)
    func weights(_ store: [String]) throws -> [UInt8] {
      let folder = String(try bench.run(["artifact", "corpus.json", "train.checkpoint"] + store).out.dropLast())
      return try FileSystem.read(folder + "/weights.safetensors")
    }
    #expect(try weights([]) == weights(other))

    // 6 steps of 5 and 1, 6 of 3 and 3.
    #expect(counts["sources"]?["water"]?["samples"]?.integer == 48)
    #expect(counts["sources"]?["paper"]?["samples"]?.integer == 24)
    let tokens = ["water", "paper"].compactMap { counts["sources"]?[$0]?["tokens"]?.integer }
    #expect(tokens.reduce(0, +) == counts["tokens"]?.integer)
    var seen: [String: Int] = [:]
    var lengths: [Int] = []
    for step in [1, 6, 7, 12] {
      let traced = try JSONValue.parse(try bench.run("trace", "train", "--step", "\(step)", "--json").out).value
      let samples = try #require(traced["samples"]?.array)
      #expect(samples.count == 6)
      for sample in samples {
        let set = try #require(sample["set"]?.string)
        seen["\(set) \(step > 6)", default: 0] += 1
        #expect(sample["data"]?.string == (set == "water" ? "encode-rivers" : "encode-books"))
        for document in try #require(sample["documents"]?.array) {
          #expect(document["id"]?.string?.hasPrefix(set == "water" ? "rivers/" : "books/") == true)
          #expect(document["source"]?.string == (set == "water" ? "rivers" : "books"))
          if set == "water", step < 12 { lengths.append(try #require(document["textBytes"]?.integer)) }
        }
      }
    }
    // Short ones first: the order of the documents has come to the steps.
    #expect(lengths.count >= 13 && lengths == lengths.sorted() && Set(lengths).count > 2)
    #expect(seen == ["water false": 10, "paper false": 2, "water true": 6, "paper true": 6])
    let text = try bench.run("trace", "train", "--step", "3", "--samples", "2").out
    #expect(text.contains("\nwater, epoch 0: encode-rivers shard.0") && text.contains("(of 12): 6 samples"), "\(text)")
    // Every name is checked before anything trains.
    let wrong = try bench.run(
      "run", "corpus.json", "--set", #"stages.train.options.mixture={"weights":{"water":1,"papre":1}}"#)
    #expect(
      wrong.status != 0 && wrong.err.contains("no set of tokens named 'papre'. Did you mean 'paper'?"), "\(wrong.err)")
  }
}

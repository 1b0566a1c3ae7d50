import ShardKit
import TestKit
import Testing

/// `pipeline estimate`, and what `pipeline plan` says of it.
@Suite struct EstimateTests {
  private static let training = """
    ,
    "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "clean" }, "options": { "vocabularySize": 32768 } },
    "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "clean", "tokenizer": "tokenizer" } },
    "pretrain": {
      "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
      "options": { "device": "cuda", "steps": 70000, "batchSize": 4096, "microbatchSize": 1024, "keepEverySteps": 20000 }
    },
    "longer": {
      "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer", "resume": "pretrain" },
      "options": { "device": "cuda", "steps": 80000, "sequenceLength": 512, "batchSize": 512 }
    }
    """

  private func estimate(_ bench: Workbench, _ arguments: String...) throws -> [String: JSONValue] {
    let outcome = try bench.run(["estimate", "corpus.json", "--json"] + arguments)
    #expect(outcome.status == 0, "\(outcome.err)")
    let stages = try JSONValue.parse(outcome.out).value.array ?? []
    return Dictionary(uniqueKeysWithValues: stages.compactMap { stage in stage["stage"]?.string.map { ($0, stage) } })
  }

  @Test func aTrainingHasItsFiguresByKindOfDevice() throws {
    let bench = try Workbench(Workbench.document(extra: Self.training))
    let stages = try estimate(bench, "--gpus", "8", "--device", "h200", "--device", "a100", "--price", "h200=3.50")
    let first = try #require(stages["pretrain"]?["training"])
    #expect(first["parameters"]?.integer == 139_122_944)
    #expect(first["tokens"]?.double == 36_700_160_000.0)
    let devices = try #require(first["devices"]?.array)
    #expect(devices.map { $0["device"]?.string } == ["h200", "a100"])
    #expect(devices.map { $0["basis"]?.string } == ["measured", "assumed"])
    let hours = try #require(devices[0]["deviceHours"]?.double)
    // 740 MFLOPs × 36.7 G tokens at 41 % of 989 TFLOP/s.
    #expect(abs(hours - 18.5) < 1.5)
    #expect(abs(try #require(devices[0]["cost"]?.double) - 3.5 * hours) < 1e-6)
    #expect(devices[1]["cost"] == .null)
    #expect(devices[0]["fits"] == true)
    // 4,096 samples on 8 devices: 512 at once.
    #expect(abs(try #require(devices[0]["memory"]?["total"]?.double) - 31e9) < 2e9)
    // The continued training has the first one's shape, and the steps that are left.
    let second = try #require(stages["longer"]?["training"])
    #expect(second["steps"]?.integer == 10_000 && second["parameters"]?.integer == 139_122_944)
  }

  @Test func dataGoByStatedRatesAndThenByTheStoresOwn() throws {
    let bench = try Workbench()
    let before = try estimate(bench)
    #expect(before["clean"]?["data"]?["basis"] == "stated")
    #expect(before["read"]?["data"]?["inputBytes"]?.integer ?? 0 > 100)
    try bench.run("run", "corpus.json")
    let fresh = try estimate(bench)
    #expect(fresh["clean"]?["data"]?["basis"] == "finished" && fresh["clean"]?["data"]?["seconds"]?.double == 0)
    // More texts: all stages run again, at the rates of the first run.
    try bench.write(file: 2, Array(repeating: Workbench.texts[0][0], count: 40))
    let after = try estimate(bench)
    for stage in ["read", "clean", "shards"] {
      let data = try #require(after[stage]?["data"])
      #expect(data["basis"] == "history", "\(stage): \(data)")
      #expect(data["taskSeconds"]?.double ?? 0 > 0)
      let stored = fresh[stage]?["data"]?["storedBytes"]?.integer ?? 0
      #expect(data["storedBytes"]?.integer ?? 0 > 3 * stored, "\(stage): \(data), \(stored)")
    }
  }

  @Test func whatIsUnknownIsSaid() throws {
    let bench = try Workbench(Workbench.document(files: "absent"))
    let text = try bench.run("estimate")
    #expect(text.status == 0)
    #expect(text.out.contains("unknown: absent: there is no such file or folder"))
    #expect(text.out.contains("unknown: the size of what 'read' writes is unknown"))
  }

  /// Options at the ends of their ranges are odd, but no reason to crash.
  @Test func sizesBeyondAllMeasureAreEstimatedToo() throws {
    let bench = try Workbench(
      Workbench.document(
        extra: """
          ,
          "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "clean" }, "options": { "vocabularySize": 1048576 } },
          "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "clean", "tokenizer": "tokenizer" } },
          "huge": {
            "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
            "options": {
              "device": "cuda", "hiddenSize": 32768, "layers": 1024, "heads": 1024, "intermediateSize": 131072,
              "sequenceLength": 1048576, "batchSize": 16777216, "microbatchSize": 1048576, "steps": 1099511627776,
              "keepEverySteps": 1
            }
          },
          "tiny": {
            "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
            "options": {
              "device": "cuda", "hiddenSize": 8, "layers": 1, "heads": 1, "intermediateSize": 8, "sequenceLength": 8,
              "batchSize": 1, "microbatchSize": 1, "steps": 1
            }
          }
          """))
    let stages = try estimate(bench, "--gpus", "1048576", "--price", "1000000")
    let huge = try #require(stages["huge"]?["training"]?["devices"]?.array?.first)
    #expect(huge["fits"] == false && huge["seconds"]?.double ?? 0 > 1e15)
    let tiny = try #require(stages["tiny"]?["training"]?["devices"]?.array?.first)
    #expect(tiny["fits"] == true && tiny["seconds"]?.double ?? 0 > 0)
    #expect(try bench.run("estimate").status == 0)
    #expect(try bench.run("plan").out.contains("huge: about "))
  }

  @Test func planNamesTheStagesThatRunLong() throws {
    let bench = try Workbench(Workbench.document(extra: Self.training))
    let plan = try bench.run("plan")
    let lines = plan.out.split(separator: "\n").filter { $0.hasSuffix("see `pipeline estimate`") }
    #expect(lines.count == 2, "\(plan.out)")
    #expect(lines.first?.hasPrefix("pretrain: about ") == true && lines[0].contains("on 1 × NVIDIA H200 SXM"))
    #expect(
      try bench.run("estimate").out.contains("pretrain (model.pretrain)\n  model        139,122,944 parameters, 7.4e8"))
    // Short ones are not worth a line.
    #expect(try Workbench().run("plan").out.contains("estimate") == false)
  }

  @Test(arguments: [
    (["--device", "tpu"], "no kind of device is named 'tpu'. Use one of: h200, h100"),
    (["--gpus", "0"], "--gpus must be 1 or more, not 0."),
    (["--price", "cheap"], "--price must be US dollars per GPU-hour, such as 3.50 or h200=3.50, not 'cheap'."),
    (["--price", "tpu=1"], "no kind of device is named 'tpu'"),
    (["--price=-1"], "--price must be US dollars per GPU-hour"),
  ]) func whatIsNoDeviceOrPriceIsRefused(_ arguments: [String], _ message: String) throws {
    let outcome = try Workbench().run(["estimate", "corpus.json"] + arguments)
    #expect(outcome.status == 2 && outcome.err.contains(message), "\(outcome.err)")
  }
}

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
    #expect(first["places"]?.double == 36_700_160_000.0)
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

  private static func trained(_ options: String) -> String {
    """
      ,
      "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "clean" } },
      "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "clean", "tokenizer": "tokenizer" } },
      "pretrain": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer" },
        "options": { "device": "cuda", "steps": 70000, \(options) } }
    """
  }

  /// What the options demand counts, and is said where it is not what was asked for.
  @Test(
    arguments: [
      (#""nodes": 4, "batchSize": 4096"#, nil, 32, "8 GPUs on each of 4 nodes; --gpus says another number of all"),
      (#""nodes": 4, "batchSize": 4096"#, 16, 16, nil),
      (
        #""nodes": 2, "processes": 8, "batchSize": 4096"#, 64, 16,
        #"16 GPUs, not 64: the options "processes" and "nodes" say so"#
      ),
      (#""batchSize": 4096"#, nil, 1, nil),
    ] as [(String, Int?, Int, String?)])
  func nodesCount(_ options: String, _ gpus: Int?, _ devices: Int, _ remark: String?) throws {
    let bench = try Workbench(Workbench.document(extra: Self.trained(options)))
    let arguments = ["estimate", "corpus.json", "--json"] + (gpus.map { ["--gpus", "\($0)"] } ?? [])
    let stages = try JSONValue.parse(try bench.run(arguments).out).value.array ?? []
    let training = try #require(stages.first { $0["stage"] == "pretrain" }?["training"])
    #expect(training["devices"]?.array?.first?["devices"]?.integer == devices)
    #expect(training["remarks"]?.array?.compactMap(\.string) == (remark.map { [$0] } ?? []))
    if gpus == nil {
      let lines = try bench.run("plan").out.split(separator: "\n")
      #expect(lines.contains { $0.contains("on \(devices) × NVIDIA H200 SXM") }, "\(lines)")
    }
  }

  /// The sentences that decide whether a figure can be relied on stand beside it.
  @Test func doubtsAreSaid() throws {
    let bench = try Workbench(Workbench.document(extra: Self.trained(#""batchSize": 2048"#)))
    let text = try bench.run("estimate", "corpus.json", "--gpus", "16", "--price", "4", "--device", "h100").out
    #expect(text.contains("h100*"))
    #expect(text.contains("* 60 GB/s between machines are assumed; `check.nccl` measures yours"))
    #expect(text.contains("* slower than this: 16,384 places per device and step, measured from 32,768 on"))
    #expect(text.contains("places (tokens, if samples are full)") && !text.contains("tokens/s"))
    #expect(text.contains("of computing alone"))
    let usual = try bench.run("estimate", "corpus.json", "--device", "h100").out
    #expect(!usual.contains("*") && !usual.contains("of computing alone"))
    let cpu = try bench.run("estimate", "corpus.json", "--device", "cpu").out
    #expect(cpu.contains(#"assumed: the CPU, though the option "device" is cuda"#))
  }

  /// Steps of a growing batch count with their sizes, and measurements on held-out tokens with a forward pass each.
  @Test func theRampAndTheValidationCount() throws {
    func training(_ more: String, _ inputs: String = "") throws -> JSONValue {
      let extra = """
          ,
          "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "clean" } },
          "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "clean", "tokenizer": "tokenizer" } },
          "pretrain": { "use": "model.pretrain", "inputs": { "tokens": "tokens", "tokenizer": "tokenizer"\(inputs) },
            "options": { "device": "cuda", "steps": 1000, "batchSize": 2048\(more) } }
        """
      let stages = try estimate(try Workbench(Workbench.document(extra: extra)), "--device", "h200")
      return try #require(stages["pretrain"]?["training"])
    }
    func seconds(_ training: JSONValue) throws -> Double {
      try #require(training["devices"]?.array?.first?["seconds"]?.double)
    }
    let plain = try training(""), ramp = try training(#", "batchRampSteps": 100, "firstBatchSize": 1024"#)
    // The first 100 steps have 1024 samples each: twice that is full.
    #expect(plain["places"]?.double == 262_144_000.0)
    #expect(ramp["places"]?.double == 249_036_800.0)
    #expect(abs(try seconds(ramp) / seconds(plain) - 0.95) < 1e-9)
    let held = #", "validation": "tokens""#
    let unknown = try training("", held)
    #expect(unknown["validations"]?.integer == 0)
    #expect(
      unknown["remarks"]?.array?.first?.string?.hasPrefix("no time for validation: the tokens of 'tokens'") == true)
    let measured = try training(#", "validationSteps": 300, "validationSamples": 2048"#, held)
    #expect(measured["validations"]?.integer == 4 && measured["validationSamples"]?.integer == 2048)
    // Four passes over a step's samples, at less than a third of its time: fewer tokens are masked.
    let share = try (seconds(measured) - seconds(plain)) / (seconds(plain) / 1000) / 4
    #expect(share > 0.25 && share < 1.0 / 3, "\(share)")
  }

  /// Samples that exist say how full they are: what a run then counts as tokens.
  @Test func existingSamplesSayHowFullTheyAre() throws {
    let bench = try Workbench(Workbench.training(sequenceLength: 128, #""device": "cuda""#))
    #expect(try estimate(bench)["train"]?["training"]?["fill"] == .null)
    #expect(try bench.run("run", "corpus.json", "--until", "tokens").status == 0)
    let fill = try #require(try estimate(bench)["train"]?["training"]?["fill"]?.double)
    #expect(fill > 0.05 && fill < 1, "documents are shorter than samples")
    let text = try bench.run("estimate", "corpus.json").out
    #expect(text.contains("% full)") && !text.contains("if samples are full"), "\(text)")
  }

  @Test func severalTrainingsHaveASum() throws {
    let bench = try Workbench(Workbench.document(extra: Self.training))
    let text = try bench.run("estimate", "corpus.json", "--device", "h200", "--price", "3").out
    let sum = try #require(text.split(separator: "\n").first { $0.hasPrefix("Trainings together: h200 ") })
    #expect(sum.contains(" device-hours, $"))
  }

  @Test func nothingKnownIsNoTimeOfZero() throws {
    let bench = try Workbench(Workbench.document(files: "absent"))
    let text = try bench.run("estimate", "corpus.json").out
    #expect(text.contains("Data stages: nothing is known yet (3 unknown)."), "\(text)")
    let network = #", "network": { "use": "check.nccl", "options": { "device": "cpu" } }"#
    let some = try Workbench(Workbench.document(extra: network)).run("estimate", "corpus.json").out
    #expect(some.contains("Data stages together: at least ") && some.contains("; 1 of 4 unknown."), "\(some)")
    let finished = try Workbench()
    #expect(try finished.run("run", "corpus.json").status == 0)
    #expect(try finished.run("estimate", "corpus.json").out.contains("Data stages: all are finished."))
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
    (["--price", "b200=3"], "--price is for b200, which is not shown. Add --device b200."),
    (["--device", "cpu", "--gpus", "4"], "--gpus and --price are of GPUs, but --device names none."),
    (["--device", "cpu", "--price", "3"], "--gpus and --price are of GPUs, but --device names none."),
  ]) func whatIsNoDeviceOrPriceIsRefused(_ arguments: [String], _ message: String) throws {
    let outcome = try Workbench().run(["estimate", "corpus.json"] + arguments)
    #expect(outcome.status == 2 && outcome.err.contains(message), "\(outcome.err)")
  }
}

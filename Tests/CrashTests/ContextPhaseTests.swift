import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

extension TrainingCrashTests {
  /// Texts longer than 8,192 tokens, made of the lines of Fixtures.
  private func longTexts() throws -> String {
    let text = String(decoding: try FileSystem.read(packagePath("Fixtures/cc100/ja.txt")), as: UTF8.self)
    let lines = text.split(separator: "\n")
    var random = SplitMix(seed: 5)
    let documents = (0..<8).map { number -> JSONValue in
      var long = ""
      while long.utf8.count < 40_000 { long += lines[Int(random.next() % UInt64(lines.count))] + "\n" }
      return ["id": .string("long-\(number)"), "text": .string(long)]
    }
    let path = folder + "/long.jsonl"
    try FileSystem.write(Array(documents.map { $0.text() + "\n" }.joined().utf8), to: path)
    return path
  }

  /// A tiny ModernBERT goes on at inputs of 8,192 tokens with another rotary base; killed in the middle, it comes to the
  /// weights of a run that nobody disturbed. Then it decays, and transformers' form of it has the length and the base.
  @Test func aContextPhaseOfLongInputsSurvivesAKill() throws {
    let rest = #""dropout": 0, "threads": 1, "device": "cpu", "logSteps": 1"#
    let text = """
      { "format": 1, "name": "context", "stages": {
        "text": { "use": "documents.read", "options": { "files": "\(try longTexts())", "source": "long" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "text" }, "options": { "vocabularySize": 600 } },
        "short": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 512 } },
        "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "text", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 8192 } },
        "first": { "use": "model.pretrain", "inputs": { "tokens": "short", "tokenizer": "tokenizer" },
          "options": { "model": "modernbert", "hiddenSize": 16, "layers": 3, "heads": 2, "intermediateSize": 24,
            "localAttention": 64, "rotaryBase": 10000, "sequenceLength": 512, "batchSize": 2, "microbatchSize": 2, "steps": 4,
            "learningRate": 0.003, "schedule": "constant", \(rest) } },
        "train": { "use": "model.pretrain", "retries": 0,
          "inputs": { "tokens": "tokens", "tokenizer": "tokenizer", "resume": "first.checkpoints" },
          "options": { "rotaryBase": 160000, "maximumLength": 8192, "sequenceLength": 8192, "batchSize": 1, "microbatchSize": 1,
            "steps": 9, "learningRate": 0.001, "schedule": "constant", "checkpointSteps": 1, \(rest) } },
        "decay": { "use": "model.pretrain",
          "inputs": { "tokens": "tokens", "tokenizer": "tokenizer", "resume": "train.checkpoints" },
          "options": { "sequenceLength": 8192, "batchSize": 1, "microbatchSize": 1, "steps": 11, "learningRate": 0.001,
            "schedule": "sqrt", "decaySteps": 2, \(rest) } },
        "converted": { "use": "huggingface.convert", "inputs": { "checkpoint": "decay", "tokenizer": "tokenizer" } }
      } }
      """
    try FileSystem.write(Array(text.utf8), to: document)
    let whole = try run("whole").wait()
    try #require(whole.status == 0, "\(whole.output.suffix(800))")
    let expected = try results("whole")
    // The fifth step of a training: the first phase has four.
    let broken = try run("broken", environment: ["PIPELINE_FAULT": "training.step:5"]).wait()
    #expect(broken.status == 1, "the step was not reached")
    let resumed = try run("broken").wait()
    #expect(resumed.status == 0, "\(resumed.errors)")
    #expect(try results("broken") == expected && resumedAt("broken") > 4)

    let model = try JSONValue.parse(try FileSystem.read(artifact("whole", "checkpoint") + "/model.json")).value
    #expect(model["rotaryBase"] == .number(160_000) && model["maximumLength"] == 8192)
    #expect(model["modern"]?["localAttention"] == 64)
    let found = try ChildProcess.run("artifact", document, "converted", "--store", "\(folder)/whole")
    let place = String(found.output.split(separator: "\n").first ?? "")
    let configuration = try JSONValue.parse(try FileSystem.read(place + "/config.json")).value
    #expect(configuration["max_position_embeddings"] == 8192)
    #expect(configuration["global_rope_theta"] == .number(160_000))
  }
}

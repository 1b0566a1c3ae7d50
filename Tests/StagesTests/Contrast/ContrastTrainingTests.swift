import Glibc
import PipelineKit
import ShardKit
import Synchronization
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct ContrastTrainingTests {
  private func weights(_ job: ContrastJob) throws -> [Float] {
    let file = try SafetensorsFile(job.output + "/weights.safetensors")
    let shape = try ModelShape(path: job.checkpoint + "/model.json")
    return try shape.encoderParameters.flatMap { try file.floats(of: $0.name) }
  }

  private func job(_ model: TinyModel, negatives: Int? = nil) throws -> ContrastJob {
    var job = try Contrasts.job(model, examples: 30, negatives: negatives)
    (job.batchSize, job.epochs, job.learningRate, job.dropout) = (10, 3, 1e-3, 0.1)
    (job.output, job.state) = (temporaryDirectory() + "/out", "")
    return job
  }

  /// Dropout is by text: parts of a step drop the same values again, and the same as the whole step.
  @Test(arguments: [ModelShape.Kind.mosaicBERT, .bert], [1, 3, 10])
  func theMicrobatchIsAMatterOfMemory(_ kind: ModelShape.Kind, _ size: Int) throws {
    let model = try TinyModel(kind)
    var losses: [[Float]] = []
    for part in [0, size] {
      var job = try job(model)
      job.microbatchSize = part
      let training = try ContrastTraining(job, engine: testEngine!)
      _ = try training.run()
      losses.append(training.losses)
    }
    #expect(losses[0].count == 9)
    #expect(Contrasts.relativeError(losses[1], losses[0]) < 1e-4)
    if size == 10 { #expect(losses[0] == losses[1]) }
  }

  /// A text that is its own positive is encoded twice, each time with other values dropped.
  @Test func theTwoVectorsOfATextDiffer() throws {
    let model = try TinyModel(.mosaicBERT)
    let objective = try ContrastTraining(job(model), engine: testEngine!).objective
    let batch = try objective.batch(after: 0)
    let all = ContrastObjective.Microbatch(
      texts: Array(batch.texts.indices), cached: nil, tokens: 0, dropoutSeed: 1)
    let vectors = try objective.vectors(all, of: batch).floats(), size = model.shape.hiddenSize
    #expect(batch.texts.count == 20)
    for text in 0..<10 {
      #expect(batch.texts[text] == batch.texts[10 + text])
      let first = Array(vectors[(text * size)..<((text + 1) * size)])
      let second = Array(vectors[((10 + text) * size)..<((11 + text) * size)])
      #expect(Contrasts.relativeError(second, first) > 1e-3)
    }
  }

  /// As on a GPU: losses are those of float32, about, however the step is divided.
  @Test(arguments: [0, 3]) func bfloat16LearnsToo(_ part: Int) throws {
    let model = try TinyModel(.mosaicBERT)
    var losses: [[Float]] = []
    for precision in [Parameters.Precision.float32, .bfloat16] {
      var job = try job(model, negatives: 1)
      (job.precision, job.microbatchSize, job.dropout) = (precision, part, 0)
      let training = try ContrastTraining(job, engine: testEngine!)
      _ = try training.run()
      losses.append(training.losses)
    }
    #expect(Contrasts.relativeError(losses[1], losses[0]) < 0.05)
    #expect(losses[1].last! < losses[1][0])
  }

  /// Stopped and killed trainings end with the bytes of one that never stopped.
  @Test(arguments: [3, 4]) func aResumedTrainingHasTheSameBytes(_ stop: Int) throws {
    let model = try TinyModel(.mosaicBERT)
    var job = try job(model, negatives: 1)
    job.checkpointSteps = 2
    job.state = temporaryDirectory()
    let whole = try ContrastTraining(job, engine: testEngine!)
    _ = try whole.run()
    let expected = try FileSystem.read(job.output + "/weights.safetensors")
    job.state = temporaryDirectory()
    job.output = temporaryDirectory() + "/out"
    var asked = 0
    let first = try ContrastTraining(job, engine: testEngine!).run(shouldStop: {
      asked += 1
      return asked == stop
    })
    #expect(!first.isDone && first.steps < 9 && !FileSystem.exists(job.output))
    let second = try ContrastTraining(job, engine: testEngine!)
    #expect(try second.run().isDone)
    #expect(second.losses == whole.losses)
    #expect(try FileSystem.read(job.output + "/weights.safetensors") == expected)
    // Other options are another training.
    job.temperature = 0.1
    #expect(throws: TorchError.self) { try ContrastTraining(job, engine: testEngine!).run() }
  }

  /// Processes share the texts of a step; negatives are those of all of them. Ranks are threads here, which share one
  /// generator, so nothing is dropped; ModelContrastTests has processes.
  @Test(arguments: [2, 3], [0, 2]) func processesEqualOne(_ processes: Int, _ part: Int) throws {
    let model = try TinyModel(.mosaicBERT)
    var job = try job(model, negatives: 2)
    (job.microbatchSize, job.dropout) = (part, 0)
    let alone = try ContrastTraining(job, engine: testEngine!)
    _ = try alone.run()
    let expected = try weights(job)
    job.output = temporaryDirectory() + "/out"
    let port = try freePort()
    let outcomes = Mutex<[Int: Result<[Float], TorchError>]>([:])
    let threads = (0..<processes).map { rank in
      var place = ProcessRank()
      (place.rank, place.localRank, place.size, place.port) = (rank, rank, processes, port)
      let job = job, here = place
      return BackgroundThread {
        let outcome: Result<[Float], TorchError>
        do {
          let training = try ContrastTraining(job, engine: testEngine!, place: here)
          _ = try training.run()
          outcome = .success(training.losses)
        } catch { outcome = .failure(error as? TorchError ?? TorchError(.file, "", "\(error)")) }
        outcomes.withLock { $0[rank] = outcome }
      }
    }
    for thread in threads { thread?.join() }
    for rank in 0..<processes {
      let losses = try #require(outcomes.withLock { $0[rank] }).get()
      #expect(Contrasts.relativeError(losses, alone.losses) < 1e-4, "\(losses)")
    }
    #expect(Contrasts.relativeError(try weights(job), expected) < 1e-3)
  }

  /// Each text is a token of its own, behind a token of its prefix.
  private func batch(
    _ examples: [ContrastExample], of all: [ContrastExample]? = nil, prefixes: Bool = false
  ) -> ContrastBatch {
    var ids: [String: Int32] = [:]
    return ContrastBatch(examples, ContrastPositives(all ?? examples)) { text, isQuery in
      let id = ids[text] ?? Int32(ids.count)
      ids[text] = id
      return TokenSequence(ids: prefixes ? [isQuery ? -1 : -2, id] : [id], types: prefixes ? [0, 0] : [0])
    }
  }

  /// Equal texts of a step are no negatives of one another.
  @Test func repeatedDocumentsDoNotCount() throws {
    let batch = batch(["東", "京", "東"].map { ContrastExample(anchor: $0, positive: nil) })
    #expect(batch.ignored.map { [$0.anchor, $0.document] } == [[0, 2], [2, 0]])
    let vectors = try testEngine!.tensor([1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0] as [Float], shape: [6, 2])
    let loss = try ContrastLoss(temperature: 1)(vectors, batch, on: .cpu).item()
    let one = log(1 + exp(-1.0)), two = log(1 + 2 * exp(-1.0))
    #expect(abs(loss - (2 * one + two) / 3) < 1e-5)
  }

  /// Nor are the other positives of an anchor, also those that are in other steps.
  @Test func allPositivesOfAnAnchorBelongToIt() {
    let all = [("東", "京"), ("東", "都"), ("西", "阪"), ("東", "市")].map {
      ContrastExample(anchor: $0, positive: $1, negatives: ["市"])
    }
    // Documents: 京, 都, 阪, and 市 three times.
    let batch = batch(Array(all.prefix(3)), of: all)
    #expect(
      batch.ignored.map { [$0.anchor, $0.document] } == [
        [0, 1], [0, 3], [0, 4], [0, 5], [1, 0], [1, 3], [1, 4], [1, 5],
      ])
  }

  /// A document with the anchor's own text is none either, whatever the prefixes are.
  @Test func theAnchorsTextIsNoNegative() {
    let examples = [
      ContrastExample(anchor: "東", positive: "京"), ContrastExample(anchor: "西", positive: "東", negatives: ["西"]),
    ]
    for prefixes in [false, true] {
      let batch = batch(examples, prefixes: prefixes)
      #expect(batch.ignored.map { [$0.anchor, $0.document] } == [[0, 1], [1, 2]])
    }
  }

  @Test func tooFewExamplesAndEqualVectorsAreNamed() throws {
    let model = try TinyModel(.mosaicBERT)
    var job = try job(model)
    job.dropout = 0
    #expect { try ContrastTraining(job, engine: testEngine!) } throws: {
      "\($0)".contains("examples.jsonl") && "\($0)".contains("equal without dropout")
    }
    try FileSystem.write(
      Array(#"{"sentence1": "a", "sentence2": "b", "label": 3.5}"#.utf8), to: job.examples[0])
    #expect { try ContrastTraining(job, engine: testEngine!) } throws: {
      "\($0)".contains("examples.jsonl") && "\($0)".contains("1 pairs are left out")
        && "\($0)".contains("minimumScore (4.0)")
    }
  }
}

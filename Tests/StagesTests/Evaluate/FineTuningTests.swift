import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages
@testable import TrainerCore

/// The engine that `Scripts/engine` built; nil where there is none.
let testEngine: Engine? = {
  let own = packagePath(".build/engine/\(Engine.fileName)")
  guard let path = Engine.locate() ?? (FileSystem.exists(own) ? own : nil) else { return nil }
  return try? Engine(path: path)
}()

/// Small tasks that can be learned by heart: each form of JGLUE, answered by a character of the text.
enum TinyTask {
  private static let places = ["東", "京", "大", "阪", "名"]

  static func lines(_ task: JGLUEBenchmark, _ count: Int) -> String {
    if task == .jsquad { return squad(count) }
    return (0..<count).map { i in
      let a = places[i % 5], b = places[(i * 3 + i / 5) % 5]
      switch task {
      case .jsts: return #"{"sentence1": "\#(a)屋", "sentence2": "\#(b)屋", "label": \#(Double(i % 5))}"#
      case .jnli:
        let label = ["東": "entailment", "京": "contradiction"][a] ?? "neutral"
        return #"{"sentence1": "\#(a)屋", "sentence2": "\#(b)", "label": "\#(label)"}"#
      default:
        let choices = (0..<5).map { #""choice\#($0)": "\#(places[($0 + i) % 5])""# }.joined(separator: ", ")
        return #"{"question": "屋", \#(choices), "label": \#((7 - i % 5) % 5)}"#
      }
    }.joined(separator: "\n")
  }

  private static func squad(_ count: Int) -> String {
    let questions = (0..<count).map { i in
      let before = String(repeating: "屋", count: i % 7)
      return #"{"context": "\#(before)東京大阪", "qas": [{"id": "\#(i)", "question": "名", "answers": "#
        + #"[{"text": "京", "answer_start": \#(i % 7 + 1)}]}]}"#
    }
    return #"{"data": [{"paragraphs": [\#(questions.joined(separator: ", "))]}]}"#
  }
}

@Suite(.serialized, .takesTheEngine, .needs(testEngine != nil, "needs Scripts/engine"))
struct FineTuningTests {
  private func job(_ model: TinyModel, _ task: JGLUEBenchmark) throws -> FineTuningJob {
    var job = FineTuningJob()
    job.task = .benchmark(task)
    job.checkpoint = model.folder
    job.tokenizer = model.folder + "/tokenizer.json"
    job.train = [model.folder + "/train.json"]
    job.test = [model.folder + "/test.json"]
    try FileSystem.write(Array(TinyTask.lines(task, 60).utf8), to: job.train[0])
    try FileSystem.write(Array(TinyTask.lines(task, 20).utf8), to: job.test[0])
    job.learningRate = 3e-3
    job.epochs = 12
    job.batchSize = 10
    job.maximumLength = 32
    return job
  }

  /// A head whose gradient does not reach the encoder, or scores of the wrong rows, would learn none of these.
  @Test(arguments: JGLUEBenchmark.allCases) func eachTaskIsLearnt(_ task: JGLUEBenchmark) throws {
    let model = try TinyModel(.mosaicBERT)
    var steps: [FineTuningStep] = []
    let scores = try FineTuning(try job(model, task), engine: testEngine!).run(listen: { steps.append($0) })
    #expect(try #require(scores[task.metrics[0]]) > 0.8, "\(scores)")
    #expect(steps.last?.step == 72 && steps.last?.steps == 72)
    for metric in task.metrics { #expect(scores[metric] != nil) }
  }

  @Test(arguments: [ModelShape.Kind.ropeBERT, .bert, .modernBERT]) func otherKindsLearnToo(_ kind: ModelShape.Kind)
    throws
  {
    let model = try TinyModel(kind)
    let scores = try FineTuning(try job(model, .jnli), engine: testEngine!).run()
    #expect(scores["accuracy"]! > 0.8)
  }

  @Test func oneSeedGivesOneModel() throws {
    let model = try TinyModel(.mosaicBERT)
    var job = try job(model, .jnli)
    job.epochs = 1
    var weights: [[UInt8]] = []
    for seed in [1, 1, 2] {
      job.seed = seed
      job.output = "\(model.folder)/out"
      _ = try FineTuning(job, engine: testEngine!).run()
      weights.append(try FileSystem.read("\(model.folder)/out/weights.safetensors"))
    }
    #expect(weights[0] == weights[1] && weights[0] != weights[2])
  }

  /// Losses of microbatches count by their examples; with a last step of an epoch that has fewer.
  @Test(arguments: [JGLUEBenchmark.jnli, .jsquad]) func theMicrobatchIsAMatterOfMemory(_ task: JGLUEBenchmark) throws {
    let model = try TinyModel(.mosaicBERT)
    var job = try job(model, task)
    (job.epochs, job.batchSize, job.dropout) = (2, 9, 0)
    func losses(_ microbatchSize: Int) throws -> [Double] {
      job.microbatchSize = microbatchSize
      let tuning = try FineTuning(job, engine: testEngine!)
      _ = try tuning.run()
      return tuning.losses
    }
    let whole = try losses(0)
    #expect(try losses(100) == whole)
    for size in [1, 4] {
      let cut = try losses(size)
      #expect(cut.count == whole.count && zip(cut, whole).allSatisfy { abs($0 - $1) < 1e-3 * max(1, $1) }, "\(size)")
    }
  }

  /// Texts alone and in pairs, with a label or a number. (Several labels: TextTaskStagesTests, EnglishBERTTests.)
  @Test(arguments: [(TextTask.singleLabel(["の", "大"]), "matthews"), (.regression, "pearson")])
  func textTasksAreLearnt(_ task: TextTask, _ metric: String) throws {
    let model = try TinyModel(.bert)
    for isPair in [false, true] {
      var job = try job(model, .jsts)
      (job.task, job.epochs, job.dropout) = (.texts(task), 30, 0)
      let places = ["東", "京", "名", "横"]
      let lines = (0..<80).map { i -> String in
        let first = places[i % 4] + (i % 3 == 0 ? "大" : "の"), second = i % 2 == 0 ? "屋" : "札"
        let label: JSONValue =
          switch task {
          case .singleLabel: .string(i % 3 == 0 ? "大" : "の")
          case .multiLabel: .strings((i % 2 == 0 ? ["屋"] : []) + (i % 4 == 0 ? ["東"] : []))
          case .regression: .number(Double(i % 2) + (i % 3 == 0 ? 1 : -1))
          }
        let texts =
          isPair
          ? [JSONMember("text", .string(first)), JSONMember("textPair", .string(second))]
          : [JSONMember("text", .string(first + second))]
        return JSONValue.object([JSONMember("label", label)] + texts).text()
      }
      try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: job.train[0])
      job.test = job.train
      let scores = try FineTuning(job, engine: testEngine!).run()
      #expect(try #require(scores[metric]) > 0.9, "\(scores)")
    }
  }

  /// The optimizer leaves the weights as they are then: the rest of the training would be as silent.
  @Test func aGradientThatIsNoNumberIsSaid() throws {
    let model = try TinyModel(.mosaicBERT)
    var job = try job(model, .jsts)
    let head = JGLUEBenchmark.jsts.head.parameters(model.shape)
    let answer = JGLUEBenchmark.jsts.head.answerParameters(model.shape)[0]
    let trained = try SafetensorsFile(model.folder + "/weights.safetensors")
    var tensors = try trained.entries.map {
      TensorSource($0.name, shape: $0.shape, floats: try trained.floats(of: $0.name))
    }
    // A score of about 1e14, whose square is a number; the gradient behind it is about its square, and that one's is none.
    for parameter in head {
      let value: Float = parameter == answer ? 1e14 : 0.01
      tensors.append(
        TensorSource(
          parameter.name, shape: parameter.shape, floats: [Float](repeating: value, count: parameter.count)))
    }
    let folder = temporaryDirectory()
    try Safetensors.write(tensors, to: folder + "/weights.safetensors")
    try FileSystem.write(Array(model.shape.json.text().utf8), to: folder + "/model.json")
    try FileSystem.write(Array(#"{"task": "jsts"}"#.utf8), to: folder + "/task.json")
    job.checkpoint = folder
    let error = #expect(throws: TorchError.self) { try FineTuning(job, engine: testEngine!).run() }
    #expect(
      error?.subject == "jsts" && error?.message.hasPrefix("the gradient norm is infinite (the loss is ") == true
        && error?.message.hasSuffix(" at step 1") == true, "\(error as Any)")
  }

  @Test func theJobSurvivesItsFile() throws {
    let model = try TinyModel(.bert)
    var job = try job(model, .jsquad)
    job.dictionary = "/dictionary"
    job.precision = .bfloat16
    job.maximumExamples = 7
    let path = model.folder + "/job.json"
    try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
    #expect(try FineTuningJob(path: path) == job)
    for task in [TextTask.singleLabel(["bad", "good"]), .multiLabel(["a"]), .regression] {
      job.task = .texts(task)
      try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
      #expect(try FineTuningJob(path: path) == job)
    }
    // A job of another version is not run with this one's defaults.
    try FileSystem.write(Array(#"{"task":"jsts","learningRate":1e-5}"#.utf8), to: path)
    let error = #expect(throws: ShardError.self) { try FineTuningJob(path: path) }
    #expect(error?.message == "the member 'checkpoint' is missing")
  }

  @Test func jobsHaveTheseBytes() {
    let tuning =
      #"{"task":"jsts","checkpoint":"","tokenizer":"","dictionary":null,"train":[],"test":[],"learningRate":5e-05,"epochs":4,"#
      + #""batchSize":32,"microbatchSize":0,"maximumLength":128,"warmupFraction":0.1,"weightDecay":0.0,"beta2":0.999,"epsilon":1e-08,"maximumGradientNorm":1.0,"dropout":0.1,"seed":1,"maximumExamples":0,"#
      + #""device":"cpu","precision":"float32","threads":1,"result":"","outputs":"","output":""}"#
    #expect(FineTuningJob().json.text() == tuning)
    let embedding =
      #"{"checkpoint":"","tokenizer":"","dictionary":null,"texts":"","pair":"","prefix":"","pooling":"mean","maximumLength":512,"#
      + #""normalizes":false,"scores":false,"queries":"","measures":[],"top":100,"device":"cpu","precision":"float32","threads":1,"result":""}"#
    #expect(EmbeddingJob().json.text() == embedding)
  }

  @Test func aWishToStopIsHeard() throws {
    let model = try TinyModel(.bert)
    let tuning = try FineTuning(try job(model, .jsts), engine: testEngine!)
    #expect { try tuning.run(shouldStop: { true }) } throws: { ($0 as? TorchError)?.code == .stopped }
  }
}

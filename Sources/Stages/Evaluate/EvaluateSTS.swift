public import PipelineKit
public import ShardKit
import TrainerCore

/// How well distances between sentence vectors match human judgments, by JMTEB's protocol: the similarity with the
/// highest Spearman correlation on the validation set is scored on the test set.
///
/// JMTEB's fourth similarity, `euclidean_distance`, sums the roots of the squared differences, which is the Manhattan
/// distance. The true Euclidean distance is reported along with the others, but never chosen.
public struct EvaluateSTS: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("JSON lines with sentence1, sentence2 and label, to choose the similarity.", required: true)
    public var validation = InputFiles()
    @Option("JSON lines of the same form, to score.", required: true) public var test = InputFiles()
    @OptionGroup public var encoder: EncoderOptions
    @Option("Before each sentence, such as \"query: \". null: the model's own of queries, if any.")
    public var queryPrefix: String? = nil
    @OptionGroup public var compute: ComputeOptions
    @OptionGroup public var baselines: BaselineOptions

    public init() {}
  }

  public static let name = "evaluate.sts"
  // 3: scores on a GPU differ in their last digits, since padding costs attention nothing. 4: the model's prefix of queries
  // is before the sentences, as in evaluate.jmteb. 5: texts count as far as the model says; last digits differ, since texts go
  // through the model by their tokens.
  public static let revision = 5
  public static let summary = "Scores an encoder's sentence vectors on semantic similarity, as JMTEB does."
  static let metrics = Output<Metrics>("metrics", "sts.json: the correlations of each similarity, and the chosen one.")
  static let report = Output<Report>("report", "sts.md: the chosen correlations next to those of others.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port, BaselineOptions.port.port]
  public static let outputs = [metrics.port, report.port]

  private static let validationSet: TaskInputs.Role = "validation"
  private static let testSet: TaskInputs.Role = "test"
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws { try options.encoder.validate() }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let sets: TaskInputs = [
      Self.validationSet: try context.files(options.validation), Self.testSet: try context.files(options.test),
    ]
    let added = try options.baselines.inputs(context)
    let encoding = try options.compute.bytes(ofEncoding: options.encoder, context)
    return try options.compute.modelTasks(
      [("sts", sets)], context, weightCopies: 2, besides: 1 << 30 + encoding
    ).map {
      $0.with(inputs: added)
    }
  }

  public func run(_ workspace: Workspace) throws {
    let engine = try TrainingEngine.require()
    let validation = try similarities(Self.validationSet, engine, workspace)
    let test = try similarities(Self.testSet, engine, workspace)
    let chosen = Similarity.best(validation)
    let final = test.correlations(chosen)
    let own = ModelScores(
      options.baselines.model, ["STS Spearman": final.spearman, "STS Pearson": final.pearson])
    let table = try options.baselines.table(["STS Spearman", "STS Pearson"], own, workspace)
    let json: JSONValue = [
      "model": .string(own.model), "similarity": .string(chosen.rawValue),
      "pooling": .string(try options.encoder.resolved(workspace).rawValue),
      "pearson": .number(final.pearson), "spearman": .number(final.spearman),
      "validation": validation.json, "test": test.json,
    ]
    try workspace.write(
      Self.metrics, name: "sts.json",
      Array(JSONValue.object((json.members ?? []) + table.members).prettyText().utf8))
    let page = ["# Semantic similarity, by \(chosen.rawValue)", ""] + table.lines + [""] + table.remarks
    try workspace.write(Self.report, name: "sts.md", Array((page.dropLast().joined(separator: "\n") + "\n").utf8))
    workspace.metric("spearman", final.spearman)
  }

  private func similarities(
    _ set: TaskInputs.Role, _ engine: TrainingEngine, _ workspace: Workspace
  ) throws -> SentencePairs {
    let folder = try workspace.temporaryDirectory(), name = set.name
    var lines: [UInt8] = []
    var gold: [Double] = []
    for file in workspace.files(set) {
      for case .pair(let a, let b, let score) in try BenchmarkExamples.read(.jsts, path: file.path) {
        for text in [a, b] {
          let record: JSONValue = ["text": .string(text)]
          lines += Array(record.text().utf8) + [0x0A]
        }
        gold.append(score)
      }
    }
    try FileSystem.write(lines, to: "\(folder)/\(name).jsonl")
    var job = try EmbeddingJob(workspace, options.compute, engine)
    job.texts = "\(folder)/\(name).jsonl"
    job.prefix = try options.queryPrefix ?? CheckpointInput.embedding(workspace)?.queryPrefix ?? ""
    try job.set(options.encoder, workspace)
    job.result = "\(folder)/\(name).safetensors"
    try EvaluationWorker(command: "embed", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(workspace)
    let vectors = try SafetensorsFile(job.result)
    return SentencePairs(
      vectors: try vectors.floats(of: "vectors"), size: try vectors.entry("vectors").shape[1], gold: gold)
  }
}

extension EmbeddingJob {
  /// With the task's model and tokenizer, on the device that the options choose.
  init(_ workspace: Workspace, _ compute: ComputeOptions, _ engine: TrainingEngine) throws {
    self.init()
    checkpoint = try CheckpointInput.folder(workspace)
    tokenizer = try TokenizerInput.path(workspace)
    (device, precision) = compute.resolved(engine)
    threads = compute.threads
    dictionary = compute.mecabDictionary
  }
}

/// A measure of similarity of two vectors; higher means more similar.
enum Similarity: String, CaseIterable, Sendable {
  case cosine, manhattan, dot, euclidean

  /// Those that JMTEB chooses from, in its order.
  static let choices: [Similarity] = [.cosine, .manhattan, .dot]

  /// The choice with the highest Spearman correlation with the judgments; of equal ones, the first.
  static func best(_ pairs: SentencePairs) -> Similarity {
    var best = choices[0], highest = -Double.infinity
    for similarity in choices {
      let value = pairs.correlations(similarity).spearman
      if value > highest { (best, highest) = (similarity, value) }
    }
    return best
  }

  func callAsFunction(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
    var dot = 0.0, sizeA = 0.0, sizeB = 0.0, far = 0.0, square = 0.0
    for (x, y) in zip(a, b) {
      let x = Double(x), y = Double(y)
      dot += x * y
      sizeA += x * x
      sizeB += y * y
      far += abs(x - y)
      square += (x - y) * (x - y)
    }
    switch self {
    case .cosine: return dot / max((sizeA * sizeB).squareRoot(), 1e-12)
    case .dot: return dot
    case .manhattan: return -far
    case .euclidean: return -square.squareRoot()
    }
  }
}

/// Vectors of sentence pairs, with human judgments of their similarity.
struct SentencePairs {
  var vectors: [Float]
  var size: Int
  var gold: [Double]

  struct Correlations: Equatable {
    var pearson: Double
    var spearman: Double
    var json: JSONValue { ["pearson": .number(pearson), "spearman": .number(spearman)] }
  }

  var json: JSONValue { .object(Similarity.allCases.map { JSONMember($0.rawValue, correlations($0).json) }) }

  func correlations(_ similarity: Similarity) -> Correlations {
    let said = gold.indices.map { i in
      similarity(vectors[(2 * i * size)..<((2 * i + 1) * size)], vectors[((2 * i + 1) * size)..<((2 * i + 2) * size)])
    }
    return Correlations(
      pearson: Correlation.pearson(said, gold), spearman: Correlation.spearman(said, gold))
  }
}

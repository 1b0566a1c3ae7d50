public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Evaluates an encoder's vectors on sets in JMTEB's form: similarity of sentences, classification, clustering, retrieval,
/// reranking and classification of pairs, as JMTEB does.
///
/// Every set is a task of its own: sets go in parallel and resume independently. JMTEB tries several algorithms of
/// clustering, some of them without a fixed seed; here they are k-means, bisecting k-means and Ward's method.
public struct EvaluateJMTEB: Stage {
  public struct Options: StageOptions {
    @Option(
      "A folder per set, each with train, validation (or val), test and corpus files of JSON lines, as JMTEB has them.",
      required: true)
    public var folder = InputFiles()
    @Option("The sets to evaluate. Empty: all in the folder.") public var sets: [String] = []
    @Option(
      "The kind of sets whose records do not show it, by name: sts, classification, clustering, retrieval, reranking or "
        + "pair-classification.")
    public var kinds: [String: String] = [:]
    @OptionGroup public var encoder: EncoderOptions
    @Option("Before each query, and each text of sets without documents. null: the model's own, if any.")
    public var queryPrefix: String? = nil
    @Option("Before each document that is searched. null: the model's own, if any.")
    public var documentPrefix: String? = nil
    @Option("Seed of the clusters.", in: 0...1 << 31) public var seed = 42
    @Option("The model's name in the table and the chart.") public var model = "This model"
    @OptionGroup public var compute: ComputeOptions

    public init() {}
  }

  public static let name = "evaluate.jmteb"
  // 2: a document counts once. 3: texts count as far as the model says; last digits differ, since texts go through the model
  // by their tokens.
  public static let revision = 3
  public static let summary = "Scores an encoder's vectors on JMTEB's kinds of sets, as JMTEB does."
  static let scores = Output<Metrics>("scores", "The scores of each set.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "jmteb.json: scores by set and means by kind.")
  static let report = Output<Report>("report", "jmteb.md and jmteb.svg: the scores as a table and a picture.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [scores.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case score, report }

  public static func options(of phase: Phase) -> Set<String>? {
    phase == .report ? ["model"] : Set(Options.fields.filter(\.affectsOutput).map(\.name)).subtracting(["model"])
  }

  /// JMTEB's, of the places that count.
  private static let top = 10
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws {
    try options.encoder.validate()
    for (name, kind) in options.kinds where JMTEBKind(rawValue: kind) == nil {
      throw StageError(
        .options, "kinds", "'\(kind)' of '\(name)' is no kind of set",
        hint: "Kinds are " + JMTEBKind.allCases.map(\.rawValue).joined(separator: ", ") + ".")
    }
  }

  // MARK: Tasks

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .score: try setTasks(context)
    case .report: [TaskPlan(key: "report", inputs: [.main: context.files(Self.scores)])]
    }
  }

  private func setTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let all = try JMTEBFiles(try context.files(options.folder)).sets
    for (option, names) in [("sets", options.sets), ("kinds", options.kinds.keys.sorted())] {
      guard let missing = names.first(where: { name in !all.contains { $0.name.isExactly(name) } }) else { continue }
      throw StageError(
        .options, option, "the folder has no set '\(missing)'",
        hint: "It has " + all.map(\.name).joined(separator: ", ") + ".")
    }
    let wanted = all.filter { set in options.sets.isEmpty || options.sets.contains { $0.isExactly(set.name) } }
    let encoding = try options.compute.bytes(ofEncoding: options.encoder, context)
    return try wanted.flatMap { set in
      try options.compute.modelTasks(
        [(key: set.name, inputs: [.main: set.files] as TaskInputs)], context, weightCopies: 2,
        besides: 2 << 30 + encoding + 4 * set.files.reduce(0) { $0 + Int($1.contentBytes) })
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .score: try score(workspace)
    case .report: try report(workspace)
    }
  }

  // MARK: A set

  private func score(_ workspace: Workspace) throws {
    let name = workspace.task.key
    let kind = options.kinds[name].flatMap(JMTEBKind.init(rawValue:))
    let set = try JMTEBSet(name, workspace.files(.main), kind: kind)
    let evaluation = JMTEBEvaluation(
      embed: { try TextVectors(embed($0, isDocument: $1, workspace)) },
      search: { try search($0, set, workspace) }, seed: options.seed, check: { try workspace.control.check() })
    let score = try evaluation.score(set)
    guard score.score.isFinite else {
      throw StageError(.input, name, "its score is not a number", hint: "Check its records.")
    }
    try workspace.write(Self.scores, name: name + ".json", Array(score.json.prettyText().utf8))
  }

  private func job(_ workspace: Workspace, isDocument: Bool) throws -> (job: EmbeddingJob, usesGPU: Bool) {
    let engine = try TrainingEngine.require()
    var job = try EmbeddingJob(workspace, options.compute, engine)
    let own = try CheckpointInput.embedding(workspace) ?? EmbeddingSettings()
    job.prefix =
      isDocument ? options.documentPrefix ?? own.documentPrefix : options.queryPrefix ?? own.queryPrefix
    try job.set(options.encoder, workspace)
    return (job, job.device == "cuda")
  }

  private static func line(_ text: String) -> [UInt8] {
    let json: JSONValue = ["text": .string(text)]
    return Array(json.text().utf8) + [0x0A]
  }

  private func run(_ job: EmbeddingJob, usesGPU: Bool, _ workspace: Workspace) throws {
    try EvaluationWorker(command: "embed", job: job.json, engine: TrainingEngine.require(), usesGPU: usesGPU)
      .run(workspace)
  }

  /// - Returns: the path of the texts' vectors.
  private func embed(_ texts: [String], isDocument: Bool, _ workspace: Workspace) throws -> String {
    var (job, usesGPU) = try job(workspace, isDocument: isDocument)
    let folder = try workspace.temporaryDirectory()
    (job.texts, job.result) = ("\(folder)/texts.jsonl", "\(folder)/vectors.safetensors")
    try FileSystem.write(texts.flatMap(Self.line), to: job.texts)
    try run(job, usesGPU: usesGPU, workspace)
    return job.result
  }

  private func search(_ queries: [String], _ set: JMTEBSet, _ workspace: Workspace) throws -> JMTEBSearch {
    var (job, usesGPU) = try job(workspace, isDocument: true)
    let folder = try workspace.temporaryDirectory()
    (job.texts, job.result) = ("\(folder)/corpus.jsonl", "\(folder)/found.safetensors")
    var ids: [ExactText] = []
    let sink = try FileSink(job.texts)
    try set.forEachDocument { id, text in
      ids.append(id)
      try sink.write(Self.line(try text()))
    }
    try sink.commit()
    job.queries = try embed(queries, isDocument: false, workspace)
    (job.measures, job.top) = (SearchMeasure.allCases, Self.top)
    try run(job, usesGPU: usesGPU, workspace)
    let found = try SafetensorsFile(job.result)
    var places: [SearchMeasure: [[Int]]] = [:]
    for measure in SearchMeasure.allCases {
      let all = try found.withBytes(of: "\(measure.rawValue)/texts") { (_, bytes) in
        (0..<(bytes.count / 8)).map { Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self)) }
      }
      places[measure] = queries.indices.map { query in
        all[(query * Self.top)..<((query + 1) * Self.top)].filter { $0 >= 0 }
      }
    }
    return JMTEBSearch(ids: ids, places: places)
  }

  // MARK: The report

  private func report(_ workspace: Workspace) throws {
    let scores = try workspace.files(.main).map { file in
      try JMTEBScore(json: try JSONValue.parse(try FileSystem.read(file.path)).value)
    }
    let table = JMTEBTable(model: options.model, scores)
    try workspace.write(Self.metrics, name: "jmteb.json", Array(table.json.prettyText().utf8))
    try workspace.write(Self.report, name: "jmteb.md", Array(table.markdown.utf8))
    try workspace.write(Self.report, name: "jmteb.svg", Array(table.picture.markup.utf8))
    for (name, value) in table.figures { workspace.metric(name, value) }
  }
}

extension SearchMeasure {
  var similarity: Similarity {
    switch self {
    case .cosine: .cosine
    case .dot: .dot
    case .euclidean: .euclidean
    }
  }
}

public import PipelineKit
public import ShardKit
import TextKit
import TrainerCore

/// Evaluates how well an encoder's vectors retrieve the relevant documents of a query: nDCG@10 and others, by cosine.
///
/// Scores are means over the queries that have a relevant document (as in trec_eval; JMTEB divides by all queries). Of
/// documents with equal scores, the first in the corpus is ranked first.
public struct EvaluateRetrieval: Stage {
  public struct Options: StageOptions {
    @Option("JSON lines with id and text, or a table (.tsv) of ids and texts, as MIRACL's topics.", required: true)
    public var queries = InputFiles()
    @Option("JSON lines with id, text and optionally title; one task per file.", required: true) public var corpus =
      InputFiles()
    @Option("TREC's columns (query 0 document relevance), or JSON lines.", required: true, formerly: "judgements")
    public var judgments = InputFiles()
    @OptionGroup public var encoder: EncoderOptions
    @Option("Prefix of each query, such as \"query: \". null: the model's own, if any.")
    public var queryPrefix: String? = nil
    @Option("Prefix of each document. null: the model's own, if any.") public var documentPrefix: String? = nil
    @OptionGroup public var compute: ComputeOptions
    @OptionGroup public var baselines: BaselineOptions

    public init() {}
  }

  public static let name = "evaluate.retrieval"
  // 3: scores on a GPU differ in their last digits, since padding costs attention nothing. 4: texts count as far as the
  // model says; last digits differ, since texts go through the model by their tokens.
  public static let revision = 4
  public static let summary =
    "Scores an encoder's vectors by retrieval: nDCG@10, recall@100 and others."
  static let vectors = Output<Intermediate>("vectors", "The queries' vectors.", hidden: true)
  static let found = Output<Intermediate>("found", "The best documents of each file of the corpus.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "retrieval.json: nDCG@10, MRR@10, MAP@100, recall and accuracy.")
  static let report = Output<Report>("report", "retrieval.md: the scores next to those of others.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port, BaselineOptions.port.port]
  public static let outputs = [vectors.port, found.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case queries, search, score }

  // So that another name or table does not repeat the search.
  public static func options(of phase: Phase) -> Set<String>? {
    let all = Set(Options.fields.filter(\.affectsOutput).map(\.name))
    switch phase {
    case .queries: return all.subtracting(BaselineOptions.names).subtracting(["judgments", "documentPrefix"])
    case .search: return all.subtracting(BaselineOptions.names).subtracting(["judgments", "queryPrefix"])
    case .score: return BaselineOptions.names.union(["queries", "judgments", "pooling"])
    }
  }

  private static let queriesRole: TaskInputs.Role = "queries"
  private static let corpusRole: TaskInputs.Role = "corpus"
  private static let vectorsRole: TaskInputs.Role = "vectors"
  private static let judgmentsRole: TaskInputs.Role = "judgments"
  /// The task that only reads the ids; another one computes the queries' vectors.
  private static let idsKey = "ids"
  private static let top = 100
  private let options: Options

  public init(options: Options) { self.options = options }

  /// The bytes depend on what 'auto' resolves to on this machine.
  public var namedFiles: [String: InputFiles] { dictionaryFiles(options.compute.mecabDictionary) }
  public var settled: [String: JSONValue] { ComputeSettings.settled(options.compute.device, options.compute.precision) }

  public func validate() throws { try options.encoder.validate() }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let queries = try context.files(options.queries)
    guard queries.count == 1 else { throw StageError(.options, "queries", "names \(queries.count) files, not one") }
    func embedding(_ tasks: [(key: String, inputs: TaskInputs)]) throws -> [TaskPlan] {
      let encoding = try options.compute.bytes(ofEncoding: options.encoder, context)
      return try options.compute.modelTasks(tasks, context, weightCopies: 2, besides: 2 << 30 + encoding)
    }
    switch phase {
    case .queries:
      let corpus = try context.files(options.corpus)
      let ids = TaskPlan(
        key: Self.idsKey, inputs: [Self.queriesRole: queries, Self.corpusRole: corpus],
        memoryBytes: 64 << 20 + Int(corpus.reduce(0) { $0 + $1.contentBytes } / 4))
      return try [ids] + embedding([("queries", [.main: queries])])
    case .search:
      let vectors = context.files(Self.vectors)
      let parts = try context.files(options.corpus).enumerated().map { place, file in
        (key: TaskPlan.padded(place), inputs: [Self.vectorsRole: vectors, .main: [file]] as TaskInputs)
      }
      return try embedding(parts)
    case .score:
      let inputs: TaskInputs = [
        Self.queriesRole: queries, Self.judgmentsRole: try context.files(options.judgments),
        .main: context.files(Self.found),
        // How the model makes vectors is among the figures.
        CheckpointInput.role: try CheckpointInput.files(context).filter { $0.name == EmbeddingSettings.fileName },
      ]
      return [TaskPlan(key: "score", inputs: inputs).with(inputs: try options.baselines.inputs(context))]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .queries:
      if workspace.task.key == Self.idsKey { try checkIDs(workspace) } else { try embedQueries(workspace) }
    case .search: try search(workspace)
    case .score: try score(workspace)
    }
  }

  private func checkIDs(_ workspace: Workspace) throws {
    try DistinctRecords.check(workspace.files(Self.queriesRole), "queries")
    try DistinctRecords.check(workspace.files(Self.corpusRole), "corpus")
  }

  private func embedQueries(_ workspace: Workspace) throws {
    let result = try embed(
      workspace, try workspace.file(), prefix: options.queryPrefix ?? settings(workspace).queryPrefix
    ) { _ in }
    try workspace.write(Self.vectors, name: "queries.safetensors", try FileSystem.read(result))
  }

  private func settings(_ workspace: Workspace) throws -> EmbeddingSettings {
    try CheckpointInput.embedding(workspace) ?? EmbeddingSettings()
  }

  private func embed(
    _ workspace: Workspace, _ texts: ArtifactFile, prefix: String, _ change: (inout EmbeddingJob) -> Void
  ) throws -> String {
    let engine = try TrainingEngine.require()
    var job = try EmbeddingJob(workspace, options.compute, engine)
    job.texts = texts.path
    job.prefix = prefix
    try job.set(options.encoder, workspace)
    job.normalizes = true
    job.top = Self.top
    job.result = "\(try workspace.temporaryDirectory())/result.safetensors"
    change(&job)
    try EvaluationWorker(command: "embed", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(workspace)
    return job.result
  }

  /// The best documents of one file of the corpus: one line per query, with [id, score] pairs.
  private func search(_ workspace: Workspace) throws {
    let corpus = try workspace.file(), vectors = try workspace.file(Self.vectorsRole)
    let result = try embed(workspace, corpus, prefix: options.documentPrefix ?? settings(workspace).documentPrefix) {
      $0.queries = vectors.path
    }
    var ids: [String] = []
    try TextRecord.forEach(corpus.path) { ids.append($0.id) }
    let file = try SafetensorsFile(result)
    let places = try file.withBytes(of: "texts") { (_, bytes) in
      (0..<(bytes.count / 8)).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self) }
    }
    let scores = try file.floats(of: "scores")
    var lines: [UInt8] = []
    for start in stride(from: 0, to: places.count, by: Self.top) {
      let list = (start..<(start + Self.top)).filter { places[$0] >= 0 }.map { i -> JSONValue in
        .list([.string(ids[Int(places[i])]), .number(Double(scores[i]))])
      }
      lines += Array(JSONValue.list(list).text().utf8) + [0x0A]
    }
    try workspace.write(Self.found, name: "\(workspace.task.key).jsonl", lines)
  }

  private func score(_ workspace: Workspace) throws {
    var queries: [ExactText] = []
    try TextRecord.forEach(try workspace.file(Self.queriesRole).path) { queries.append(ExactText($0.id)) }
    let judgments = try Judgments.read(workspace.files(Self.judgmentsRole).map(\.path))
    workspace.warn(
      "judged-again", times: judgments.repeated, "pairs with repeated, equal judgments count once")
    let ranked = try ranked(workspace.files(.main), queries: queries.count)
    var scores: [Ranking] = []
    for (query, list) in zip(queries, ranked) {
      guard let relevance = judgments.relevance[query], relevance.values.contains(where: { $0 > 0 }) else { continue }
      scores.append(Ranking(list, relevance))
    }
    guard !scores.isEmpty else {
      throw StageError(.input, "judgments", "contain no judgment of the queries", hint: "Check that the ids match.")
    }
    try publish(scores, workspace)
  }

  /// Each query's documents over all files of the corpus, the best first; of equal ones, the first in the corpus.
  private func ranked(_ parts: [ArtifactFile], queries: Int) throws -> [[ExactText]] {
    var found = [[(id: ExactText, score: Double)]](repeating: [], count: queries)
    for part in parts {
      let lines = LineReader(try openSource(part.path))
      while let line = try lines.next() {
        let list = try JSONValue.parse(Array(line)).value.array ?? []
        found[lines.number - 1] += list.compactMap { pair in
          guard let pair = pair.array, pair.count == 2 else { return nil }
          return (ExactText(pair[0].string ?? ""), pair[1].double ?? 0)
        }
      }
    }
    return found.map { list in
      list.enumerated().sorted { (-$0.element.score, $0.offset) < (-$1.element.score, $1.offset) }.map(\.element.id)
    }
  }

  private func publish(_ scores: [Ranking], _ workspace: Workspace) throws {
    func mean(_ name: String, _ metric: (Ranking) -> Double) -> JSONMember {
      JSONMember(name, .number(Correlation.mean(scores.map(metric))))
    }
    let means = [
      mean("nDCG@10") { $0.nDCG(10) }, mean("MRR@10") { $0.reciprocalRank(10) },
      mean("MAP@100") { $0.averagePrecision(100) }, mean("recall@10") { $0.recall(10) },
      mean("recall@100") { $0.recall(100) }, mean("accuracy@1") { $0.accuracy(1) },
      mean("accuracy@3") { $0.accuracy(3) }, mean("accuracy@5") { $0.accuracy(5) },
      mean("accuracy@10") { $0.accuracy(10) },
    ]
    let numbers = means.compactMap { mean in mean.value.double.map { (mean.key, $0) } }
    let table = try options.baselines.table(
      means.map(\.key), ModelScores(options.baselines.model, Dictionary(uniqueKeysWithValues: numbers)), workspace)
    let rest = [
      JSONMember("model", .string(table.own.model)), JSONMember("queries", .integer(scores.count)),
      JSONMember("pooling", .string(try options.encoder.resolved(workspace).rawValue)),
    ]
    let json = JSONValue.object(means + rest + table.members)
    try workspace.write(Self.metrics, name: "retrieval.json", Array(json.prettyText().utf8))
    let page = ["# Retrieval", ""] + table.lines + [""] + table.remarks
    try workspace.write(
      Self.report, name: "retrieval.md", Array((page.dropLast().joined(separator: "\n") + "\n").utf8))
    workspace.metric("nDCG@10", means[0].value.double ?? 0)
  }
}

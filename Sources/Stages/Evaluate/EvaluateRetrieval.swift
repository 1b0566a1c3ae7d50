import PipelineKit
import ShardKit
import TextKit
import TrainerCore

/// How well an encoder's vectors find the documents that answer a query: nDCG@10 over cosines.
public struct EvaluateRetrieval: Stage {
  public struct Options: ComputeOptions {
    public var queries = InputFiles()
    public var corpus = InputFiles()
    public var judgements = InputFiles()
    public var pooling = Pooling.mean
    public var queryPrefix = ""
    public var documentPrefix = ""
    public var maximumLength = 512
    public var mecabDictionary: String?
    public var device = Pretrain.Device.auto
    public var precision = Pretrain.Precision.auto
    public var threads = 1
    public init() {}

    public static let fields =
      [
        OptionField("queries", \Self.queries, "JSON lines with id and text.", required: true),
        OptionField("corpus", \Self.corpus, "JSON lines with id, text and maybe title; a task a file.", required: true),
        OptionField(
          "judgements", \Self.judgements, "TREC's columns (query 0 document relevance), or JSON lines.", required: true),
        OptionField("pooling", \Self.pooling, "A text's vector: 'mean' of its tokens', or 'cls', its first token's."),
        OptionField("queryPrefix", \Self.queryPrefix, "Before each query, such as \"query: \"."),
        OptionField("documentPrefix", \Self.documentPrefix, "Before each document."),
        OptionField("maximumLength", \Self.maximumLength, "Tokens of a text at most.", in: 8...1 << 20),
      ] + computeFields
  }

  public static let name = "evaluate.retrieval"
  public static let revision = 1
  public static let summary = "Scores an encoder by the documents that its vectors find: nDCG@10 and recall@100."
  static let vectors = Output<Counts>("vectors", "The queries' vectors.", hidden: true)
  static let found = Output<Counts>("found", "The best documents of each part of the corpus.", hidden: true)
  static let metrics = Output<Metrics>("metrics", "retrieval.json: nDCG@10, recall@100.")
  public static let inputs = [CheckpointInput.port.port, TokenizerInput.port.port]
  public static let outputs = [vectors.port, found.port, metrics.port]
  public static let phases = ["queries", "search", "score"]

  private static let top = 100
  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(phase: String, in context: PlanningContext) throws -> [TaskPlan] {
    let model = try TokenizerInput.files(context) + CheckpointInput.files(context)
    let weights = model.first { $0.name == ModelShape.weightsName }?.bytes ?? 0
    let memory = Int(weights) * 2 + 2 << 30
    let queries = try context.files(options.queries)
    guard queries.count == 1 else { throw StageError(.options, "queries", "names \(queries.count) files, not one") }
    switch phase {
    case "queries": return [TaskPlan(key: "queries", files: model + queries, memoryBytes: memory)]
    case "search":
      return try context.files(options.corpus).enumerated().map { place, file in
        TaskPlan(
          key: TaskPlan.padded(place), files: model + context.files(Self.vectors) + [file], memoryBytes: memory)
      }
    default:
      let judgements = try context.files(options.judgements)
      return [
        TaskPlan(
          key: "score", files: queries + judgements + context.files(Self.found), note: "\(judgements.count)")
      ]
    }
  }

  public func run(_ workspace: Workspace) throws {
    switch workspace.phase {
    case "queries":
      let result = try embed(workspace, workspace.task.files.last!, prefix: options.queryPrefix) { _ in }
      try workspace.write(Self.vectors, name: "queries.safetensors", try FileSystem.read(result))
    case "search": try search(workspace)
    default: try score(workspace)
    }
  }

  private func embed(
    _ workspace: Workspace, _ texts: ArtifactFile, prefix: String, _ change: (inout EmbeddingJob) -> Void
  ) throws -> String {
    let engine = try TrainingEngine.require()
    var job = EmbeddingJob()
    (job.device, job.precision) = options.resolved(engine)
    job.threads = options.threads
    job.use(workspace.task.files)
    job.dictionary = options.mecabDictionary
    job.texts = texts.path
    job.prefix = prefix
    job.pooling = options.pooling
    job.maximumLength = options.maximumLength
    job.normalizes = true
    job.top = Self.top
    job.result = "\(try workspace.temporaryDirectory())/result.safetensors"
    change(&job)
    try EvaluationWorker(command: "embed", job: job.json, engine: engine, usesGPU: job.device == "cuda").run(workspace)
    return job.result
  }

  /// The best documents of one file of the corpus: a line a query, of [id, score] pairs.
  private func search(_ workspace: Workspace) throws {
    let corpus = workspace.task.files.last!
    let vectors = workspace.files(Self.vectors)[0]
    let result = try embed(workspace, corpus, prefix: options.documentPrefix) { $0.queries = vectors.path }
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
    let files = workspace.task.files
    let judgements = Int(workspace.task.note) ?? 0
    var queries: [String] = []
    try TextRecord.forEach(files[0].path) { queries.append($0.id) }
    var judged: [String: [String: Double]] = [:]
    for file in files[1...judgements] {
      judged.merge(try Judgements.read(file.path)) { $0.merging($1) { $1 } }
    }
    var ranked = [[(id: String, score: Double)]](repeating: [], count: queries.count)
    for file in files.dropFirst(1 + judgements) {
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() {
        let list = try JSONValue.parse(Array(line)).value.array ?? []
        ranked[lines.number - 1] += list.compactMap { pair in
          guard let pair = pair.array, pair.count == 2 else { return nil }
          return (pair[0].string ?? "", pair[1].double ?? 0)
        }
      }
    }
    var gains: [Double] = [], recalls: [Double] = []
    for (query, list) in zip(queries, ranked) {
      guard let relevance = judged[query], relevance.values.contains(where: { $0 > 0 }) else { continue }
      let order = list.sorted { (-$0.score, $0.id) < (-$1.score, $1.id) }.map(\.id)
      gains.append(Ranking.nDCG(order, relevance, cutoff: 10))
      recalls.append(Ranking.recall(order, relevance, cutoff: Self.top))
    }
    guard !gains.isEmpty else {
      throw StageError(.input, "judgements", "judge none of the queries", hint: "Do the ids match?")
    }
    let json: JSONValue = [
      "nDCG@10": .number(Correlation.mean(gains)), "recall@100": .number(Correlation.mean(recalls)),
      "queries": .integer(gains.count), "pooling": .string(options.pooling.rawValue),
    ]
    try workspace.write(Self.metrics, name: "retrieval.json", Array(json.prettyText().utf8))
    workspace.metric("nDCG@10", Correlation.mean(gains))
  }
}

public import PipelineKit
import ShardKit
import TextKit

/// Removes near-duplicates: documents whose sets of character shingles are alike.
///
/// Five phases. *signatures* signatures each part's documents; *bands* finds pairs that share a band and compares their
/// signatures; *texts* reads again the documents of pairs that the signatures leave open; *clusters* decides; *filter*
/// writes what stays. Every phase spills to disk beyond the option `memory`. The result depends on the set of
/// documents alone: not on their order, on the number of input files or on the number of workers.
public struct DedupeMinHash: Stage {
  public struct Options: StageOptions {
    @Option(
      "Pairs of at least this Jaccard similarity (of sets of shingles) are duplicates, of those that the bands find. The "
        + "default bands find \(SignatureShape().recallText(from: 0.65)); 'recall' asks for more.", in: 0.3...1)
    public var threshold = 0.7
    @Option("Characters in a shingle. Shorter texts are one shingle.", in: 1...64) public var shingleWidth = 5
    @Option(
      "Bands of a signature; documents that agree in a whole band are compared. A pair of similarity s is found with a "
        + "probability of 1 - (1 - s^rows)^bands.", in: 1...1024)
    public var bands = 20
    @Option("Lanes in a band. More rows compare fewer documents that are not alike.", in: 2...64) public var rows = 10
    @Option(
      "The share of the pairs of similarity 'recallAt' that is to be found, such as 0.95: chooses bands and rows in place "
        + "of those options. null: as these say.")
    public var recall: Double? = nil
    @Option("The similarity that 'recall' is for, at most the threshold.", in: 0.3...1) public var recallAt = 0.7
    @Option(
      "Compares old kanji and historical kana as modern ones (國 as 国, けふ as きょう): finds editions of a work in "
        + "different orthographies.")
    public var foldOldForms = false
    @Option("Sources from the one to keep first to the last; sources that are not named come after them.")
    public var sources: [String] = []
    @Option(
      "Memory for a task's sorting; what does not fit is spilled to disk.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.minhash"
  public static let revision = 2
  public static let summary = "Removes near-duplicates, keeping one document of each kind by a stated order."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let kept = Output<Documents>("documents", "The documents that stay.")
  static let index = Output<Signatures>("index", "Ids, lengths and sources.", hidden: true)
  static let signatures = Output<Signatures>("signatures", "Signatures and band keys.", hidden: true)
  static let accepted = Output<Signatures>("accepted", "Pairs that their signatures decide.", hidden: true)
  static let undecided = Output<Signatures>("undecided", "Pairs that their texts must decide.", hidden: true)
  static let shingles = Output<Signatures>("shingles", "Shingle sets of open pairs.", hidden: true)
  static let duplicates = Output<Clusters>("duplicates", "What goes, by input file.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [
    kept.port, index.port, signatures.port, accepted.port, undecided.port, shingles.port, duplicates.port,
  ]
  public enum Phase: String, StagePhase { case signatures, bands, texts, clusters, filter }

  public static func options(of phase: Phase) -> Set<String>? {
    let shape: Set = ["shingleWidth", "bands", "rows", "recall", "recallAt", "foldOldForms"]
    return switch phase {
    case .signatures: shape.union(["sources"])
    case .bands, .clusters: shape.union(["threshold"])
    case .texts: shape
    case .filter: ["threshold"]
    }
  }

  let options: Options
  let shape: SignatureShape
  let bounds: SimilarityBounds

  public init(options: Options) {
    self.options = options
    shape = options.shape ?? SignatureShape()
    bounds = SimilarityBounds(threshold: options.threshold, hashes: shape.hashes)
  }

  public func validate() throws {
    if let recall = options.recall {
      guard recall > 0, recall < 1 else {
        throw StageError(.options, "recall", "is \(recall)", hint: "Give a share between 0 and 1, such as 0.95.")
      }
      guard options.shape != nil else {
        throw StageError(
          .options, "recall",
          "no bands and rows within \(SignatureShape.maximumHashes) hashes find \(recall) of the pairs",
          hint: "Ask for less, or raise \"recallAt\".")
      }
      guard options.recallAt <= options.threshold else {
        throw StageError(
          .options, "recallAt", "is \(options.recallAt), above the threshold of \(options.threshold)",
          hint: "Set it to the threshold, whose pairs are the hardest to find.")
      }
    }
    guard shape.hashes <= SignatureShape.maximumHashes else {
      throw StageError(
        .options, "bands", "\(shape.bands) bands of \(shape.rows) rows are \(shape.hashes) hashes",
        hint: "Choose bands × rows of at most \(SignatureShape.maximumHashes).")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let inputs = context.files(Self.documents)
    switch phase {
    case .signatures: return TaskPlan.perFile(inputs)
    case .bands: return try bandTasks(context)
    case .texts: return try textTasks(inputs, context)
    case .clusters: return [clusterTask(context)]
    case .filter: return DuplicateFilter.tasks(inputs, index: context.files(Self.index), context.files(Self.duplicates))
    }
  }

  /// Few documents make few tasks of several bands, many documents a task a band.
  private func bandTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let files: TaskInputs = ["index": context.files(Self.index), "signatures": context.files(Self.signatures)]
    let documents = context.files(Self.index).reduce(0) { $0 + $1.documents }
    let bandsPerTask = max(1, min(shape.bands / 4, 1_000_000 / max(1, documents)))
    let memoryBytes = min(options.memory.bytes, 96 * documents) + (32 << 20)
    return try stride(from: 0, to: shape.bands, by: bandsPerTask).map { first in
      try TaskPlan(
        key: TaskPlan.padded(first), inputs: files, payload: first..<min(first + bandsPerTask, shape.bands),
        memoryBytes: memoryBytes)
    }
  }

  /// A task needs to know which of the documents' numbers are its own.
  private func textTasks(_ inputs: [ArtifactFile], _ context: PlanningContext) throws -> [TaskPlan] {
    let open = context.files(Self.undecided)
    var first = 0
    return try zip(inputs, context.files(Self.index)).enumerated().map { part, files in
      let (documents, index) = files
      defer { first += index.documents }
      return try TaskPlan(
        key: TaskPlan.padded(part), inputs: [.main: [documents], "undecided": open],
        payload: first..<(first + index.documents))
    }
  }

  private func clusterTask(_ context: PlanningContext) -> TaskPlan {
    let files: TaskInputs = [
      "index": context.files(Self.index), "accepted": context.files(Self.accepted),
      "undecided": context.files(Self.undecided), "shingles": context.files(Self.shingles),
    ]
    let pairBytes = context.files(Self.accepted).reduce(0) { $0 + Int($1.bytes) }
    return TaskPlan(
      key: "all", inputs: files, memoryBytes: min(options.memory.bytes, 16 * pairBytes) + (64 << 20))
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .signatures: try writeSignatures(workspace)
    case .bands: try searchBands(workspace)
    case .texts: try readUndecidedTexts(workspace)
    case .clusters: try chooseRepresentatives(workspace)
    case .filter:
      try DuplicateFilter(reason: "near-duplicate", threshold: options.threshold).run(workspace, to: Self.kept)
    }
  }
}

extension DedupeMinHash {
  /// For `pipeline plan`.
  public var remarks: [String] {
    let percent = Int((shape.recall(at: options.threshold) * 100).rounded())
    return [
      "\(shape.bands) bands of \(shape.rows) rows find \(percent) % of the pairs of similarity \(options.threshold); "
        + shape.recallText(from: options.threshold)
    ]
  }
}

extension DedupeMinHash.Options {
  /// As `recall` asks for, or as `bands` and `rows` say; nil if no shape gives that recall.
  var shape: SignatureShape? {
    guard let recall else { return SignatureShape(shingleWidth: shingleWidth, bands: bands, rows: rows) }
    return SignatureShape.finding(recall, at: recallAt, shingleWidth: shingleWidth)
  }
}

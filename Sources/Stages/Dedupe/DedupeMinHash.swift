public import PipelineKit
public import ShardKit
import TextKit

/// Removes near-duplicates: documents with similar sets of character shingles.
///
/// Seven phases: *signatures* computes the MinHash signatures of each input file's documents; *bands* finds pairs that share
/// a band; *comparisons* compares their signatures; *texts* reads the documents of pairs that the signatures leave
/// undecided; *similarities* compares these; *clusters* decides; *filter* writes the kept documents. Every phase spills to disk beyond the option
/// `memory`. The result depends only on the set of documents, not on their order, the number of input files or the
/// number of workers.
public struct DedupeMinHash: Stage, DerivedOptions {
  public struct Options: StageOptions {
    @Option(
      "Candidate pairs with at least this Jaccard similarity (of their shingle sets) are duplicates. The default bands "
        + "find \(SignatureShape().recallText(from: 0.65)); 'recall' sets a higher target.", in: 0.3...1)
    public var threshold = 0.7
    @Option("Characters per shingle. A shorter text is one shingle.", in: 1...64) public var shingleWidth = 5
    @Option(
      "Bands of a signature. Documents that agree in all rows of a band are compared. A pair of similarity s is found "
        + "with probability 1 - (1 - s^rows)^bands.", in: 1...1024)
    public var bands = 20
    @Option("Hashes per band. More rows mean fewer comparisons of dissimilar documents.", in: 2...64) public var rows =
      10
    @Option(
      "Fraction of pairs with similarity 'recallAt' to find, such as 0.95: chooses bands and rows instead of those "
        + "options. null: bands and rows as given.")
    public var recall: Double? = nil
    @Option("The similarity that 'recall' applies to, at most the threshold.", in: 0.3...1) public var recallAt = 0.7
    @Option(
      "Compares old kanji and historical kana as modern ones (國 as 国, けふ as きょう): finds editions of a work in "
        + "different orthographies.")
    public var foldOldForms = false
    @Option("Sources in order of preference: documents of earlier ones are kept. Unnamed sources come last.")
    public var sources: [String] = []
    @Option(
      "Pairs of candidates that are at least this similar are stored with their similarity: 'pipeline what-if' answers "
        + "for thresholds down to it, and another threshold compares nothing again. At least 0.3, and at most the "
        + "threshold. null: 0.6, or the threshold where that is lower.")
    public var similarityFloor: Double? = nil
    @Option(
      "The highest threshold that the stored similarities serve. Pairs that are surely more similar are duplicates by "
        + "every such threshold, so that their texts need not be compared. At least the threshold, and at most 1. null: "
        + "0.9, or the threshold where that is higher.")
    public var similarityCeiling: Double? = nil
    @Option(
      "Writes to 'metadata.clusterSize' of every kept document how many documents it stands for, itself included.")
    public var clusterSize = false
    @Option(
      "Memory of each task, at least 64MiB; more data is sorted on disk.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.minhash"
  public static let revision = 5
  static let reason = "near-duplicate"
  public static let summary = "Removes near-duplicates, keeping the preferred document of each cluster."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let kept = Output<Documents>("documents", "The kept documents.")
  static let against = Input<Signatures>(
    "against",
    "Indexes of accepted documents, from other stages of this kind: what is similar to one of them is removed.",
    required: false, many: true, holdsRecords: false)
  static let index = Output<Signatures>("index", "Signatures of the kept documents, to compare others against.")
  static let rows = Output<Signatures>("rows", "Ids, lengths and sources.", hidden: true)
  static let signatures = Output<Signatures>("signatures", "Signatures and band keys.", hidden: true)
  static let candidates = Output<Signatures>("candidates", "Pairs that share a band.", hidden: true)
  static let accepted = Output<Signatures>("accepted", "Pairs decided by signatures.", hidden: true)
  static let undecided = Output<Signatures>("undecided", "Pairs to be decided by texts.", hidden: true)
  static let wanted = Output<Signatures>("wanted", "Documents of undecided pairs.", hidden: true)
  static let shingles = Output<Signatures>("shingles", "Shingle sets of undecided pairs.", hidden: true)
  static let measures = Output<Signatures>("measures", "Lengths, sources and domains.", hidden: true)
  static let similarities = Output<Signatures>("similarities", "Pairs with their similarity.", hidden: true)
  static let duplicates = Output<Clusters>("duplicates", "The removed documents, by input file.", hidden: true)
  static let sizes = Output<Clusters>("sizes", "Documents that others stand for, by input file.", hidden: true)
  public static let inputs = [documents.port, against.port]
  public static let outputs = [
    kept.port, index.port, rows.port, signatures.port, candidates.port, accepted.port, undecided.port, wanted.port,
    shingles.port, measures.port, similarities.port, duplicates.port, sizes.port,
  ]
  public enum Phase: String, StagePhase { case signatures, bands, comparisons, texts, similarities, clusters, filter }

  public static func options(of phase: Phase) -> Set<String>? {
    let shape: Set = ["shingleWidth", "bands", "rows", "recall", "recallAt", "foldOldForms"]
    return switch phase {
    case .signatures: shape.union(["sources"])
    case .comparisons: shape.union(["similarityFloor", "similarityCeiling"])
    case .bands, .texts, .similarities: shape
    case .clusters: shape.union(["threshold", "clusterSize"])
    case .filter: ["threshold", "clusterSize"]
    }
  }

  let options: Options
  let shape: SignatureShape
  let bounds: SimilarityBounds

  public init(options: Options) {
    self.options = options
    shape = options.shape ?? SignatureShape()
    // Values that do not fit are refused by `validate`.
    let ceiling = min(max(options.stored.ceiling, 0), 1)
    let floor = min(max(options.stored.floor, 0), ceiling)
    bounds = SimilarityBounds(thresholds: floor...ceiling, hashes: shape.hashes)
  }

  public var derived: [String: JSONValue] {
    var derived: [String: JSONValue] = [:]
    if options.similarityFloor == nil { derived["similarityFloor"] = .number(options.stored.floor) }
    if options.similarityCeiling == nil { derived["similarityCeiling"] = .number(options.stored.ceiling) }
    return derived
  }

  /// Checks that a threshold lies within the similarities that are stored.
  static func check(_ threshold: Double, _ stored: (floor: Double, ceiling: Double)) throws(StageError) {
    guard stored.floor <= threshold else {
      throw StageError(
        .options, "threshold",
        "is \(threshold), below the similarities that are stored, which begin at \(stored.floor)",
        hint: "Set \"similarityFloor\" to \(threshold) or less as well, and run.")
    }
    guard threshold <= stored.ceiling else {
      throw StageError(
        .options, "threshold",
        "is \(threshold), above the similarities that are stored, which end at \(stored.ceiling)",
        hint: "Set \"similarityCeiling\" to \(threshold) or more as well, and run.")
    }
  }

  public func validate() throws {
    let stored = options.stored
    for (name, value) in [("similarityFloor", stored.floor), ("similarityCeiling", stored.ceiling)] {
      guard 0.3...1 ~= value else {
        throw StageError(.options, name, "is \(value)", hint: "Give a similarity between 0.3 and 1.")
      }
    }
    try Self.check(options.threshold, stored)
    if let recall = options.recall {
      guard recall > 0, recall < 1 else {
        throw StageError(.options, "recall", "is \(recall)", hint: "Give a fraction between 0 and 1, such as 0.95.")
      }
      guard options.shape != nil else {
        throw StageError(
          .options, "recall",
          "no bands and rows with at most \(SignatureShape.maximumHashes) hashes find \(recall) of the pairs",
          hint: "Lower \"recall\", or raise \"recallAt\".")
      }
      guard options.recallAt <= options.threshold else {
        throw StageError(
          .options, "recallAt", "is \(options.recallAt), above the threshold of \(options.threshold)",
          hint: "Set it to the threshold or lower.")
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
    case .signatures:
      // An index that does not fit is said before anything runs.
      _ = try AcceptedIndex(context.files(Self.against), shape, options)
      return TaskPlan.perFile(inputs)
    case .bands: return try bandTasks(context)
    case .comparisons: return try comparisonTasks(context)
    case .texts: return try textTasks(inputs, context)
    case .similarities: return similarityTasks(context)
    case .clusters: return [try clusterTask(context)]
    case .filter:
      let plans = DuplicateFilter.tasks(inputs, index: context.files(Self.rows), context.files(Self.duplicates))
      guard options.clusterSize else { return plans }
      return zip(plans, context.files(Self.sizes)).map { $0.with(inputs: ["sizes": [$1]]) }
    }
  }

  /// Few documents: few tasks with several bands each; many documents: one task per band.
  private func bandTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let accepted = try AcceptedIndex(context.files(Self.against), shape, options)
    let files: TaskInputs = [
      "index": context.files(Self.rows), "signatures": context.files(Self.signatures),
      AcceptedIndex.role: accepted.files,
    ]
    let documents = context.files(Self.rows).reduce(accepted.documents) { $0 + $1.documents }
    let bandsPerTask = max(1, min(shape.bands / 4, 1_000_000 / max(1, documents)))
    let memoryBytes = SortingMemory.planned(options.memory, sorting: 96 * documents)
    let plan = TaskPlan(key: "", inputs: files, memoryBytes: memoryBytes)
    let bytes = plan.files.reduce(0) { $0 + $1.bytes }
    return try stride(from: 0, to: shape.bands, by: bandsPerTask).map { first in
      let bands = first..<min(first + bandsPerTask, shape.bands)
      var task = try plan.with(payload: bands).reading(bytes: bytes / Int64(shape.bands) * Int64(bands.count))
      task.key = TaskPlan.padded(first)
      return task
    }
  }

  /// One task per range of documents: of the pairs whose lower number is among them.
  private func comparisonTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let accepted = try AcceptedIndex(context.files(Self.against), shape, options)
    let files: TaskInputs = [
      "index": context.files(Self.rows), "signatures": context.files(Self.signatures),
      AcceptedIndex.role: accepted.files, "candidates": context.files(Self.candidates),
    ]
    let documents = context.files(Self.rows).reduce(0) { $0 + $1.documents }
    let count = min(64, max(1, documents / 50_000))
    // Low numbers are the lower ones of a pair more often than high ones.
    let pairs = 2 * context.files(Self.candidates).reduce(0) { $0 + Int($1.bytes) } / 8 / count
    let signatures = min(pairs, documents / count + 1) * SignatureLayout(shape: shape).stride
    let plan = TaskPlan(
      key: "", inputs: files, memoryBytes: SortingMemory.planned(options.memory, sorting: 2 * (32 * pairs + signatures))
    )
    let bytes = plan.files.reduce(0) { $0 + $1.bytes } / Int64(count)
    return try (0..<count).map { part in
      let range = documents * part / count..<documents * (part + 1) / count
      var task = try plan.with(payload: range).reading(bytes: bytes)
      task.key = TaskPlan.padded(part)
      return task
    }
  }

  /// A task needs to know which document numbers are its own.
  private func textTasks(_ inputs: [ArtifactFile], _ context: PlanningContext) throws -> [TaskPlan] {
    let wanted = context.files(Self.wanted)
    var first = 0
    return try zip(inputs, context.files(Self.rows)).enumerated().map { part, files in
      let (documents, index) = files
      defer { first += index.documents }
      return try TaskPlan(
        key: TaskPlan.padded(part), inputs: [.main: [documents], "wanted": wanted],
        payload: first..<(first + index.documents))
    }
  }

  /// One task per task of *comparisons*.
  private func similarityTasks(_ context: PlanningContext) -> [TaskPlan] {
    let (rows, shingles) = (context.files(Self.rows), context.files(Self.shingles))
    let pairs = Array(zip(context.files(Self.accepted), context.files(Self.undecided)))
    let bytes = shingles.reduce(0) { $0 + $1.bytes } / Int64(max(1, pairs.count))
    return pairs.enumerated().map { part, files in
      let (accepted, undecided) = files
      return TaskPlan(
        key: TaskPlan.padded(part),
        inputs: ["accepted": [accepted], "undecided": [undecided], "rows": rows, "shingles": shingles],
        memoryBytes: SortingMemory.otherBytes
      ).reading(bytes: accepted.bytes + undecided.bytes + bytes)
    }
  }

  private func clusterTask(_ context: PlanningContext) throws -> TaskPlan {
    let accepted = try AcceptedIndex(context.files(Self.against), shape, options)
    let pairs = context.files(Self.similarities)
    let files: TaskInputs = [
      "index": context.files(Self.rows), "signatures": context.files(Self.signatures),
      AcceptedIndex.role: accepted.files, "similarities": pairs,
    ]
    let count = pairs.reduce(0) { $0 + Int($1.bytes) } / MemoryLayout<MeasuredPair>.stride
    let documents = context.files(Self.rows).reduce(accepted.documents) { $0 + $1.documents }
    return TaskPlan(
      key: "all", inputs: files,
      memoryBytes: SortingMemory.planned(options.memory, sorting: 192 * count)
        + ClusterRepresentatives.bytesPerDocument * min(documents, 2 * count))
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .signatures: try writeSignatures(workspace)
    case .bands: try searchBands(workspace)
    case .comparisons: try compareSignatures(workspace)
    case .texts: try readUndecidedTexts(workspace)
    case .similarities: try measurePairs(workspace)
    case .clusters: try chooseRepresentatives(workspace)
    case .filter:
      try DuplicateFilter(reason: Self.reason, threshold: options.threshold, writesSizes: options.clusterSize)
        .run(workspace, to: Self.kept)
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
  /// The range of similarities that are stored.
  var stored: (floor: Double, ceiling: Double) {
    (similarityFloor ?? min(0.6, threshold), similarityCeiling ?? max(0.9, threshold))
  }

  /// From `recall`, or from `bands` and `rows`; nil if no shape reaches that recall.
  var shape: SignatureShape? {
    guard let recall else { return SignatureShape(shingleWidth: shingleWidth, bands: bands, rows: rows) }
    return SignatureShape.finding(recall, at: recallAt, shingleWidth: shingleWidth)
  }
}

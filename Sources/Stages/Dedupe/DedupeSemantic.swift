public import PipelineKit
public import ShardKit
import TextKit

/// Removes documents that mean the same as another one: whose vectors, by an encoder, point in nearly the same direction.
///
/// Six phases, after SemDeDup (Abbas et al. 2023): *rows* takes each document's vector to length one, *centers* clusters a
/// sample of them, *members* assigns every document to its nearest clusters, *pairs* compares the documents of a cluster
/// with each other, *clusters* decides, *filter* writes the kept documents. The result depends only on the set of
/// documents and their vectors, not on their order, the number of input files or of workers.
public struct DedupeSemantic: Stage, DerivedOptions {
  public struct Options: StageOptions {
    @Option(
      "Documents whose vectors have at least this cosine similarity are duplicates. What it means depends on the model: "
        + "'pipeline what-if' shows what others would remove.", in: 0.3...1)
    public var threshold = 0.95
    @Option(
      "Pairs of documents at least this similar are stored with their similarity: 'pipeline what-if' answers for "
        + "thresholds down to it, and another threshold compares nothing again. At least 0.3, and at most the threshold. "
        + "null: 0.9, or the threshold where that is lower.")
    public var similarityFloor: Double? = nil
    @Option(
      "Clusters within which documents are compared, at most 65536; fewer find more pairs and cost more comparisons, "
        + "until they are larger than 8192 documents and are divided again. null: one per 2048 documents; of more than "
        + "4 million documents, the root of their number.")
    public var clusters: Int? = nil
    @Option(
      "In how many of the clusters nearest to it a document is compared: two documents of one meaning may be nearest to "
        + "different centers.", in: 1...16)
    public var nearestClusters = 2
    @Option("Sources in order of preference: documents of earlier ones are kept. Unnamed sources come last.")
    public var sources: [String] = []
    @Option(
      "Writes to 'metadata.clusterSize' of every kept document how many documents it stands for, itself included.")
    public var clusterSize = false
    @Option(
      "Memory of each task for sorting, at least 64MiB; more data is sorted on disk. Centers and the vectors that are "
        + "compared are held besides.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.semantic"
  public static let revision = 2
  static let reason = "semantic-duplicate"
  public static let summary = "Removes documents that mean the same as another one, by the vectors of an encoder."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let vectors = Input<Vectors>(
    "vectors", "Their vectors, by a documents.embed that reads the same documents, or those before a filter.")
  static let kept = Output<Documents>("documents", "The kept documents.")
  static let rows = Output<Signatures>("rows", "Ids, lengths and sources.", hidden: true)
  static let measures = Output<Signatures>("measures", "Lengths, sources and domains.", hidden: true)
  static let units = Output<Signatures>("units", "Vectors of length one.", hidden: true)
  static let centers = Output<Signatures>("centers", "The clusters' centers.", hidden: true)
  static let members = Output<Signatures>("members", "Documents by cluster.", hidden: true)
  static let pairs = Output<Signatures>("pairs", "Similar pairs, by clusters.", hidden: true)
  static let similarities = Output<Signatures>("similarities", "Pairs with their similarity.", hidden: true)
  static let duplicates = Output<Clusters>("duplicates", "The removed documents, by input file.", hidden: true)
  static let sizes = Output<Clusters>("sizes", "Documents that others stand for, by input file.", hidden: true)
  public static let inputs = [documents.port, vectors.port]
  public static let outputs = [
    kept.port, rows.port, measures.port, units.port, centers.port, members.port, pairs.port, similarities.port,
    duplicates.port, sizes.port,
  ]
  public enum Phase: String, StagePhase { case rows, centers, members, pairs, clusters, filter }

  static let documentsPerCluster = 2048
  private static let mostTasks = 64
  /// Of a task that finds pairs: the vectors of a block twice, mapped pages, and what every task holds.
  private static let blockBytes = 128 << 20
  /// Of a document of the largest cluster while it is divided.
  private static let bytesPerMember = 48

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .rows: ["sources"]
    case .centers: ["clusters"]
    case .members: ["nearestClusters"]
    case .pairs: ["similarityFloor"]
    case .clusters, .filter: ["threshold", "clusterSize"]
    }
  }

  let options: Options

  public init(options: Options) { self.options = options }

  public var derived: [String: JSONValue] {
    options.similarityFloor == nil ? ["similarityFloor": .number(options.floor)] : [:]
  }

  /// Checks that a threshold lies within the similarities that are stored.
  static func check(_ threshold: Double, floor: Double) throws(StageError) {
    guard floor <= threshold else {
      throw StageError(
        .options, "threshold", "is \(threshold), below the similarities that are stored, which begin at \(floor)",
        hint: "Set \"similarityFloor\" to \(threshold) or less as well, and run.")
    }
  }

  public func validate() throws {
    guard 0.3...1 ~= options.floor else {
      throw StageError(
        .options, "similarityFloor", "is \(options.floor)", hint: "Give a similarity between 0.3 and 1.")
    }
    try Self.check(options.threshold, floor: options.floor)
    guard 1...65_536 ~= options.clusters ?? 1 else {
      throw StageError(.options, "clusters", "is \(options.clusters ?? 0)", hint: "Give a number from 1 to 65536.")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let rows = context.files(Self.rows), units = context.files(Self.units)
    let all: TaskInputs = ["index": rows, "units": units]
    switch phase {
    case .rows: return try rowTasks(context)
    case .centers:
      return [
        try TaskPlan(
          key: "all", inputs: all, payload: count(documents(rows)),
          memoryBytes: SortingMemory.planned(options.memory, sorting: 64 * documents(rows))
            + centerBytes(count(documents(rows)), rows, units))
      ]
    case .members:
      let centers = context.files(Self.centers), clusters = documents(centers)
      return zip(rows, units).enumerated().map { part, files in
        TaskPlan(
          key: TaskPlan.padded(part), inputs: ["index": [files.0], "units": [files.1], "centers": centers],
          memoryBytes: SortingMemory.planned(
            options.memory,
            sorting: 4 * MemoryLayout<ClusterMember>.stride * options.nearestClusters * files.0.documents)
            + centerBytes(clusters, rows, units))
      }
    case .pairs: return try pairTasks(all, context)
    case .clusters: return [clusterTask(all, context)]
    case .filter:
      let plans = DuplicateFilter.tasks(
        context.files(Self.documents), index: rows, context.files(Self.duplicates))
      guard options.clusterSize else { return plans }
      return zip(plans, context.files(Self.sizes)).map { $0.with(inputs: ["sizes": [$1]]) }
    }
  }

  private func rowTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let inputs = context.files(Self.documents), vectors = context.files(Self.vectors)
    guard inputs.count == vectors.count else {
      throw StageError(
        .input, "inputs.vectors", "are those of \(vectors.count) files of documents, but \(inputs.count) are read",
        hint: "Wire the documents.embed to the same stages, in the same order, or to those before a filter.")
    }
    return zip(TaskPlan.perFile(inputs), vectors).map { $0.with(inputs: ["vectors": [$1]]) }
  }

  private func documents(_ rows: [ArtifactFile]) -> Int { rows.reduce(0) { $0 + $1.documents } }

  /// Clusters of all documents. Later phases find their number in the file of centers.
  private func count(_ documents: Int) -> Int {
    let usual = min(documents / Self.documentsPerCluster, Int(Double(documents).squareRoot()))
    return max(1, min(options.clusters ?? usual, documents))
  }

  /// The centers of clusters, and sums of as many numbers.
  private func centerBytes(_ clusters: Int, _ rows: [ArtifactFile], _ units: [ArtifactFile]) -> Int {
    let bytes = units.reduce(0) { $0 + Int($1.bytes) }
    return 4 * clusters * bytes / max(1, documents(rows))
  }

  /// Tasks for some clusters each.
  private func pairTasks(_ all: TaskInputs, _ context: PlanningContext) throws -> [TaskPlan] {
    let clusters = documents(context.files(Self.centers))
    let tasks = max(1, min(Self.mostTasks, clusters))
    let files = context.files(Self.members), members: TaskInputs = ["members": files]
    let lists = try files.map { try MemberList($0.path) }
    let bytes = context.files(Self.units).reduce(0) { $0 + $1.bytes }
    return try (0..<tasks).map { task in
      let own = (task * clusters / tasks)..<((task + 1) * clusters / tasks)
      // The vectors of a block, and the numbers of the documents of a cluster while it is divided.
      let largest = own.reduce(0) { most, cluster in max(most, lists.reduce(0) { $0 + $1.rows(of: cluster).count }) }
      return try TaskPlan(
        key: TaskPlan.padded(task), inputs: all, payload: own,
        memoryBytes: Self.blockBytes + Self.bytesPerMember * largest
      ).with(inputs: members).reading(bytes: bytes / Int64(tasks))
    }
  }

  private func clusterTask(_ all: TaskInputs, _ context: PlanningContext) -> TaskPlan {
    let pairs = context.files(Self.pairs)
    let count = pairs.reduce(0) { $0 + Int($1.bytes) } / MemoryLayout<SimilarPair>.stride
    return TaskPlan(
      key: "all", inputs: all,
      memoryBytes: SortingMemory.planned(options.memory, sorting: 192 * count)
        + ClusterRepresentatives.bytesPerDocument * min(2 * count, documents(context.files(Self.rows)))
    ).with(inputs: ["pairs": pairs])
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .rows: try writeRows(workspace)
    case .centers: try findCenters(workspace)
    case .members: try assign(workspace)
    case .pairs: try findPairs(workspace)
    case .clusters: try chooseRepresentatives(workspace)
    case .filter:
      try DuplicateFilter(reason: Self.reason, threshold: options.threshold, writesSizes: options.clusterSize)
        .run(workspace, to: Self.kept)
    }
  }
}

extension DedupeSemantic.Options {
  /// The least similarity that is stored.
  var floor: Double { similarityFloor ?? min(0.9, threshold) }
}

public import PipelineKit
import ShardKit
import TextKit

/// Removes passages that stand elsewhere in the corpus too, wherever they begin and end, from all documents but one.
///
/// A window is a passage of the minimum length. Of equal windows the first is kept: in the preferred source, then in the
/// first document, then in front. A character goes if it belongs to a window that is not the first, unless it also
/// belongs to a kept one: so every window that is removed anywhere stays somewhere, whole.
///
/// Six phases: *anchors* lets the windows of each input file choose places by their content (`WindowAnchors`), *groups*
/// sorts the places, so that equal spans of windows stand together, *windows* hashes the windows of spans that differ from
/// others at the same place, at the ends of copies, *matches* sorts these, *merge* orders all copies by document, *filter*
/// cuts them out, between characters and words (`TextCut`). Spans and windows are equal if their 128-bit hashes are. The cost grows in proportion to the text; what
/// is sorted is about half as large as the text and lies on disk beyond the option `memory`.
public struct DedupeSubstrings: Stage {
  public struct Options: StageOptions {
    @Option(
      "Shorter passages are never copies: in characters, as they stand. 100 characters of Japanese are about 50 tokens.",
      in: 20...100_000)
    public var minimumCharacters = 100
    @Option("Sources in order of preference: passages of earlier ones are kept. Unnamed sources come last.")
    public var sources: [String] = []
    @Option(
      "Documents that lost passages are dropped if they have fewer characters left; not those that hold a kept copy.",
      in: 0...1_000_000)
    public var minimumRemaining = 1
    @Option(
      "Memory of each task, at least 64MiB; more data is sorted on disk.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.substrings"
  public static let revision = 3
  public static let summary = "Removes passages that stand elsewhere too, wherever they begin and end."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let kept = Output<Documents>("documents", "The documents without copied passages.")
  static let index = Output<Signatures>("index", "Ids, lengths and sources.", hidden: true)
  static let anchors = Output<Signatures>("anchors", "Places chosen by content, and their spans.", hidden: true)
  static let open = Output<Signatures>("open", "Windows to be compared one by one.", hidden: true)
  static let windows = Output<Signatures>("windows", "Hashes of these windows.", hidden: true)
  static let spans = Output<Clusters>("spans", "Copies and kept passages, by share of the hashes.", hidden: true)
  static let passages = Output<Clusters>("passages", "Copies and kept passages, by input file.", hidden: true)
  static let counts = Output<Intermediate>("counts", "Windows compared.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [
    kept.port, index.port, anchors.port, open.port, windows.port, spans.port, passages.port, counts.port,
  ]
  public enum Phase: String, StagePhase { case anchors, groups, windows, matches, merge, filter }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .anchors: ["minimumCharacters", "sources"]
    case .windows, .merge: ["minimumCharacters"]
    case .groups, .matches: []
    case .filter: ["minimumCharacters", "minimumRemaining"]
    }
  }

  let options: Options
  /// What a task sorts of the hashes, about.
  private let shareBytes: Int

  public init(options: Options) { self.init(options: options, shareBytes: 256 << 20) }

  init(options: Options, shareBytes: Int) {
    self.options = options
    self.shareBytes = shareBytes
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let inputs = context.files(Self.documents), index = context.files(Self.index)
    switch phase {
    case .anchors:
      return TaskPlan.perFile(
        inputs, memoryBytes: SortingMemory.planned(options.memory, sorting: options.memory.bytes / 8))
    case .groups: return try sortingTasks(context.files(Self.anchors), index, prefix: "groups-")
    case .windows: return try windowTasks(inputs, index, context.files(Self.open))
    case .matches: return try sortingTasks(context.files(Self.windows), index, prefix: "matches-")
    case .merge:
      return [
        TaskPlan(
          key: "all",
          inputs: ["index": index, "spans": context.files(Self.spans), "counts": context.files(Self.counts)])
      ]
    case .filter:
      let passages = context.files(Self.passages)
      return try numbered(inputs, index).map { plan, _ in plan.with(inputs: ["index": index, "passages": passages]) }
    }
  }

  /// Tasks that merge a share of all hashes each, from every file.
  private func sortingTasks(_ files: [ArtifactFile], _ index: [ArtifactFile], prefix: String) throws -> [TaskPlan] {
    let bytes = files.reduce(0) { $0 + Int($1.bytes) }
    return try PassageShare.all(of: bytes, each: shareBytes).map { share in
      try TaskPlan(
        key: prefix + TaskPlan.padded(share.part), inputs: ["index": index, .main: files], payload: share,
        memoryBytes: SortingMemory.planned(options.memory, sorting: 4 * bytes / share.parts)
      ).reading(bytes: Int64(bytes / share.parts))
    }
  }

  private func windowTasks(
    _ inputs: [ArtifactFile], _ index: [ArtifactFile], _ open: [ArtifactFile]
  ) throws -> [TaskPlan] {
    try numbered(inputs, index).map { plan, index in plan.with(inputs: ["index": [index], "open": open]) }
  }

  /// A task per input file, which knows its place and the numbers of its documents.
  private func numbered(
    _ inputs: [ArtifactFile], _ index: [ArtifactFile]
  ) throws -> [(plan: TaskPlan, index: ArtifactFile)] {
    var first = 0
    return try zip(inputs, index).enumerated().map { part, files in
      defer { first += files.1.documents }
      let place = PassageFile(part: part, documents: first..<(first + files.1.documents))
      return (try TaskPlan(key: TaskPlan.padded(part), inputs: [.main: [files.0]], payload: place), files.1)
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .anchors: try writeAnchors(workspace)
    case .groups: try group(workspace)
    case .windows: try writeWindows(workspace)
    case .matches: try match(workspace)
    case .merge: try merge(workspace)
    case .filter: try PassageFilter(options, workspace).run()
    }
  }
}

/// Which input file a task works on.
struct PassageFile: Codable {
  var part: Int
  /// The numbers of its documents.
  var documents: Range<Int>
}

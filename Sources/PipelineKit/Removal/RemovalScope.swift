import ShardKit

/// The tasks that a removal has done again: those that bring its documents in, and whatever reads what they wrote.
///
/// An upper bound: a task that writes the same bytes as before leaves its readers as they are.
public struct RemovalScope: Sendable {
  public struct Stage: Sendable, Equatable {
    public var stage: String
    /// Tasks that run again, of all.
    public var tasks: Int
    public var all: Int
    /// What these tasks took when they last ran, one after another; tasks that were taken over from an older output
    /// count nothing.
    public var milliseconds: Int
    public var allMilliseconds: Int
  }

  /// In graph order; stages of which nothing runs again are included.
  public private(set) var stages: [Stage] = []
  /// Files of users that hold the documents: they are left as they are.
  public private(set) var externalFiles: [String] = []
  /// Downloads in the store that hold the documents.
  public private(set) var downloads: [String] = []
  public var tasks: Int { stages.reduce(0) { $0 + $1.tasks } }

  /// - Throws: `RunError` or `ShardError` if the database or an output cannot be read.
  public init(_ targets: RemovalTargets, graph: Graph, store: RunStore) throws {
    var touched: Set<ExactText> = []
    var manifests: [Int: NodeManifest] = [:]
    var walks: [(index: Int, walk: StageWalk)] = []
    for index in graph.order {
      let node = graph.nodes[index]
      guard let row = try store.newestSealed(stage: node.name, pipeline: graph.document.name),
        let manifest = row.manifest
      else { continue }
      manifests[index] = manifest
      let rows = try store.tasks(node: row.id)
      var walk = StageWalk(node: node, directory: store.artifacts.directory(of: manifest), rows: rows)
      walk.origins = Set(targets.origins.filter { $0.stage == node.name }.map { [$0.phase, $0.key] })
      walk.touched = touched
      let isWired = node.edges.allSatisfy { manifests[$0.source] != nil }
      if isWired {
        let context = NodeContext(
          inputs: graph.wired(index, manifests, store.artifacts), base: graph.document.folder
        ) { try store.digests($0) }
        try walk.run(context)
      }
      touched = walk.touched
      externalFiles += walk.externalFiles
      downloads += walk.downloads
      walks.append((index, walk))
    }
    // What such a stage reads must be there: nothing is handed on once something was removed.
    for place in walks.indices.reversed() where walks[place].walk.runsAgain {
      let sources = graph.sources(of: walks[place].index)
      for source in walks.indices where sources.contains(walks[source].index) { walks[source].walk.addPassed() }
    }
    stages = walks.map(\.walk.result)
    externalFiles = Set(externalFiles.map { ExactText($0) }).sorted().map(\.text)
    downloads = Set(downloads.map { ExactText($0) }).sorted().map(\.text)
  }
}

/// Plans one stage as it is and finds the tasks that read what changes.
private struct StageWalk {
  let node: Graph.Node
  let directory: String
  let rows: [RunStore.TaskRow]
  /// `[phase, key]`
  var origins: Set<[String]> = []
  /// Files that change.
  var touched: Set<ExactText> = []
  var externalFiles: [String] = []
  var downloads: [String] = []
  private var again: Set<[String]> = []

  init(node: Graph.Node, directory: String, rows: [RunStore.TaskRow]) {
    self.node = node
    self.directory = directory
    self.rows = rows
  }

  var result: RemovalScope.Stage {
    let mine = rows.filter { again.contains([$0.phase, $0.key]) }
    return .init(
      stage: node.name, tasks: again.count, all: rows.count,
      milliseconds: mine.reduce(0) { $0 + $1.milliseconds },
      allMilliseconds: rows.reduce(0) { $0 + $1.milliseconds })
  }

  var runsAgain: Bool { !again.isEmpty }

  /// Adds the tasks whose documents were handed on in memory and not kept.
  mutating func addPassed() {
    for row in rows where row.manifest.files.contains(where: \.isPassed) { touch(row) }
  }

  mutating func run(_ given: NodeContext) throws {
    var context = given
    let reads = given.inputs.values.joined().flatMap(\.files).contains { touched.contains(ExactText($0.path)) }
    guard reads || !origins.isEmpty else { return }
    for phase in node.description.phases {
      // What cannot be planned now, as where a source is missing, is taken to run as a whole.
      guard let tasks = try? node.configured.stage(of: phase).tasks(ofPhase: phase, in: context) else {
        return touchAll()
      }
      let manifests = Dictionary(
        rows.filter { $0.phase == phase }.map { (ExactText($0.key), $0.manifest) }, uniquingKeysWith: { $1 })
      for task in tasks {
        let written = manifests[ExactText(task.key)]?.artifactFiles(in: directory) ?? []
        look(at: task, phase, given, written.map(\.file))
        for (port, file) in written { context.outputs[port, default: []].append(file) }
      }
    }
    if runsAgain { addPassed() }
  }

  private mutating func look(at task: TaskPlan, _ phase: String, _ given: NodeContext, _ written: [ArtifactFile]) {
    let isOrigin = origins.contains([phase, task.key])
    guard isOrigin || task.files.contains(where: { touched.contains(ExactText($0.path)) }) else { return }
    again.insert([phase, task.key])
    for file in written { touched.insert(ExactText(file.path)) }
    guard isOrigin else { return }
    let wired = Set(given.inputs.values.joined().flatMap(\.files).map { ExactText($0.path) })
    for file in task.files {
      if file.seen != nil { externalFiles.append(file.path) }
      if wired.contains(ExactText(file.path)) { downloads.append(file.path) }
    }
  }

  private mutating func touchAll() { for row in rows { touch(row) } }

  private mutating func touch(_ row: RunStore.TaskRow) {
    again.insert([row.phase, row.key])
    for (_, file) in row.manifest.artifactFiles(in: directory) { touched.insert(ExactText(file.path)) }
  }
}

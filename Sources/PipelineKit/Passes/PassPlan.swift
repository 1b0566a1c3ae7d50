import ShardKit

/// The stages that work in the tasks of another one, on documents that are handed on in memory.
struct PassPlan: Sendable {
  /// By the port that hands its documents on.
  var readers: [String: PassReader] = [:]
  /// Who hears of the documents of a port, which are then not written: for a task that is only to tell of them.
  var hearers: [String: @Sendable (Document) -> Void] = [:]

  /// All stages that take part, in the order of the documents' way.
  var all: [PassReader] {
    readers.sorted { $0.key < $1.key }.flatMap { [$0.value] + $0.value.next.all }
  }

  /// What they read beside the documents.
  var files: [ArtifactFile] { all.flatMap { $0.template.files.filter { !$0.path.isEmpty } } }

  /// What they need in addition to the task's own.
  var memoryBytes: Int { all.reduce(0) { $0 + $1.template.memoryBytes } }
}

/// A stage that reads what another stage hands on, and how its tasks are planned.
struct PassReader: Sendable {
  let node: Graph.Node
  /// Its first phase.
  let phase: String
  /// Any of its tasks, with stand-ins for its key and its file.
  let template: TaskPlan
  /// Of the template: what determines the result but for the documents.
  let fingerprint: Digest
  /// Whether what it did before is to be done again.
  let isForced: Bool
  let next: PassPlan
}

extension PassReader {
  /// The task on a file that is handed on, with its name for messages.
  func task(on file: String) -> TaskPlan {
    var task = template
    var files = template.inputs[.main]
    for i in files.indices { files[i].path = file }
    task.inputs.replace(.main, by: files)
    return task
  }
}

/// Finds out which stages can work in the tasks of a node.
struct PassPlanning {
  let graph: Graph
  let selection: Selection
  /// The content digests of files that an option names.
  let digests: ([String]) throws -> [Digest]
  /// Whether the tasks of a node's first phase run on threads of this process.
  let runsHere: (Graph.Node) -> Bool

  /// Stands for the key of a task: a name in which it occurs is changed when the key is known.
  static let key = "PASSED-KEY"
  private static let standIns = ["PASSED-FILE-0", "PASSED-FILE-1"].map {
    ArtifactFile(path: "", name: $0, bytes: 1 << 46, digest: Digester.digest(Array($0.utf8)))
  }

  func plan(after index: Int) -> PassPlan {
    let node = graph.nodes[index]
    var plan = PassPlan()
    guard graph.document.passes, !node.keeps, runsHere(node), canHandOn(node) else { return plan }
    for port in node.description.outputs where port.kind == .documents && !port.isHidden {
      if let reader = reader(of: index, port.name) { plan.readers[port.name] = reader }
    }
    return plan
  }

  /// A time limit is for the work of one stage. Tasks that wait for servers take no processor, so readers must not compute in
  /// them. What a stage writes before its documents is found by their texts when some are to be removed.
  private func canHandOn(_ node: Graph.Node) -> Bool {
    node.timeoutSeconds == nil && node.description.waitingPhases.isEmpty
      && !node.description.outputs.contains { $0.kind == .documents && $0.isHidden }
  }

  /// The only reader of a port, if it can take part.
  private func reader(of index: Int, _ port: String) -> PassReader? {
    let readers = graph.nodes.indices.filter { other in
      graph.nodes[other].edges.contains { $0.source == index && $0.output == port }
    }
    guard readers.count == 1, let reader = readers.first, selection.nodes.contains(reader) else { return nil }
    let node = graph.nodes[reader]
    guard let stage = node.configured.stage as? any PassingStage, node.edges.count == 1, runsHere(node),
      node.timeoutSeconds == nil,
      node.edges[0].input == type(of: stage).passed.port.name, let phase = node.description.phases.first,
      let template = template(of: node, phase: phase, port)
    else { return nil }
    return PassReader(
      node: node, phase: phase, template: template, fingerprint: Self.fingerprint(node, phase, template),
      isForced: selection.forced[reader] != nil, next: plan(after: reader))
  }

  /// The plan of any task of a phase; nil if there is not one like another for each file. What is wrong with the options
  /// is reported when the stage itself is planned.
  private func template(of node: Graph.Node, phase: String, _ port: String) -> TaskPlan? {
    let artifact = WiredArtifact(
      stage: graph.nodes[node.edges[0].source].name, port: port, files: Self.standIns, name: node.edges[0].name)
    let context = NodeContext(
      inputs: [node.edges[0].input: [artifact]], base: graph.document.folder, digests: digests)
    guard let tasks = try? node.configured.stage(of: phase).tasks(ofPhase: phase, in: context), tasks.count == 2 else {
      return nil
    }
    let templates = zip(tasks, Self.standIns).compactMap { Self.template(of: $0, file: $1) }
    guard templates.count == 2, templates[0] == templates[1] else { return nil }
    return templates[0]
  }

  /// A task without its key and its file of documents; nil if it reads another number of such files than one.
  static func template(of task: TaskPlan, file: ArtifactFile) -> TaskPlan? {
    guard task.inputs[.main] == [file] else { return nil }
    var template = task
    template.key = key
    template.inputs.replace(.main, by: [standIns[0]])
    return template
  }

  /// What determines the result of a node's task but for the documents.
  static func fingerprint(_ node: Graph.Node, _ phase: String, _ template: TaskPlan) -> Digest {
    Fingerprint.task(
      stage: node.description.name, revision: node.description.revision,
      options: Fingerprint.canonicalOptions(node.configured, phase: phase), phase: phase, task: template)
  }
}

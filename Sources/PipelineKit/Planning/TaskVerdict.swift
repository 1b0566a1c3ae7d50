public import ShardKit

/// What becomes of one task when its phase is prepared, and why. `pipeline explain STAGE --tasks` shows it.
public enum TaskVerdict: Equatable, Sendable {
  /// An earlier run did it for this very output.
  case kept
  /// Its files and its manifest were on disk, but the database did not know of them.
  case adopted
  /// An older output of the stage has the same work: its files get a second name here.
  case takenOver(from: Digest)
  /// It has to run.
  case run([String])

  public var name: String {
    switch self {
    case .kept: "kept"
    case .adopted: "adopted"
    case .takenOver: "taken over"
    case .run: "run"
    }
  }

  /// One sentence each, without a full stop.
  public var reasons: [String] {
    switch self {
    case .kept: ["an earlier run did it with the same options and inputs"]
    case .adopted: ["its files and manifest were on disk, but not in the database"]
    case .takenOver(let node): ["an older output of the stage, \(node.short), has the same work"]
    case .run(let reasons): reasons
    }
  }
}

/// The parts of a task's fingerprint, each by its digest, so that a later plan can say which of them changed.
struct TaskIdentity: Codable, Equatable, Sendable {
  var options: String
  var payload: String
  /// By role.
  var inputs: [String: String]

  init(options: JSONValue, task: TaskPlan) {
    self.options = Digester.digest(Array(options.text(sortedKeys: true).utf8)).hex
    payload = Digester.digest(Array(task.payload.text(sortedKeys: true).utf8)).hex
    var digesters: [String: Digester] = [:]
    for (role, files) in task.inputs.byRole {
      var digester = digesters[role.name] ?? Digester()
      for file in files {
        digester.update(field: file.name)
        digester.update(field: file.digest.hex)
      }
      digesters[role.name] = digester
    }
    inputs = digesters.mapValues { $0.finish().hex }
  }

  /// What differs, one sentence each; none where a rise of the stage's revision is the difference.
  func differences(from old: TaskIdentity) -> [String] {
    var out: [String] = []
    if options != old.options { out.append("options of its phase changed") }
    if payload != old.payload { out.append("what the plan gives it besides files changed") }
    for role in Set(inputs.keys).union(old.inputs.keys).sorted() where inputs[role] != old.inputs[role] {
      let files = role == TaskInputs.Role.main.name ? "its input files" : "its files '\(role)'"
      out.append("\(files) changed")
    }
    return out
  }
}

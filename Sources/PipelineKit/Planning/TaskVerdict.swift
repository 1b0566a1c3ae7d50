public import ShardKit

/// The decision on one task when its phase is planned, and why. `pipeline explain STAGE --tasks` shows it.
public enum TaskVerdict: Equatable, Sendable {
  /// An earlier run did it for this same output.
  case kept
  /// Its files and manifest were on disk, but not in the database.
  case adopted
  /// An older output of the stage contains the same work: its files are hard-linked here.
  case takenOver(from: Digest)
  /// It was done in a task of the stage before, on documents in memory.
  case passed
  /// It has to run.
  case run([String])

  public var name: String {
    switch self {
    case .kept: "kept"
    case .adopted: "adopted"
    case .takenOver: "taken over"
    case .passed: "passed"
    case .run: "run"
    }
  }

  /// One sentence each, without a period.
  public var reasons: [String] {
    switch self {
    case .kept: ["an earlier run did it with the same options and inputs"]
    case .adopted: ["its files and manifest were on disk, but not in the database"]
    case .takenOver(let node): ["an older output of the stage, \(node.short), contains the same work"]
    case .passed: ["a task of the stage that it reads from did it in the same pass"]
    case .run(let reasons): reasons
    }
  }
}

/// The parts of a task's fingerprint, each as a digest, so that a later plan can tell which of them changed.
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
        digester.update(field: file.digest)
      }
      digesters[role.name] = digester
    }
    inputs = digesters.mapValues { $0.finish().hex }
  }

  /// The differences, one sentence each; none if a higher stage revision is the difference.
  func differences(from old: TaskIdentity) -> [String] {
    var out: [String] = []
    if options != old.options { out.append("options of its phase changed") }
    if payload != old.payload { out.append("its payload changed") }
    for role in Set(inputs.keys).union(old.inputs.keys).sorted() where inputs[role] != old.inputs[role] {
      let files = role == TaskInputs.Role.main.name ? "its input files" : "its '\(role)' files"
      out.append("\(files) changed")
    }
    return out
  }
}

/// What to do with a node, and why.
public enum Verdict: Equatable, Sendable {
  /// Its artifact exists and was made from exactly these options and inputs.
  case fresh
  /// Some of its tasks are done already.
  case resume(done: Int)
  case run([String])
  /// A lock names its output, which is elsewhere.
  case fetch(from: String)
  /// Known only after the named stages have run: if their results are identical, it stays fresh.
  case pending(after: [String])
  /// Not selected by `--from`, `--until` or `--only`.
  case unselected
  case blocked(by: String)
  /// It would fail immediately, for example because an input file is missing.
  case impossible(String)

  public var name: String {
    switch self {
    case .fresh: "fresh"
    case .resume: "resume"
    case .run: "run"
    case .fetch: "fetch"
    case .pending: "pending"
    case .unselected: "unselected"
    case .blocked: "blocked"
    case .impossible: "impossible"
    }
  }

  /// The reasons, one sentence each.
  public var reasons: [String] {
    switch self {
    case .fresh: ["nothing changed"]
    case .resume(let done): ["an earlier run finished \(done) \(done == 1 ? "task" : "tasks"); their results are kept"]
    case .run(let reasons): reasons
    case .fetch(let place): ["the lock file names its output, which is in \(place)"]
    case .pending(let stages): ["depends on what \(stages.joined(separator: ", ")) will write"]
    case .unselected: ["not selected"]
    case .blocked(let stage): ["'\(stage)' did not finish"]
    case .impossible(let message): [message]
    }
  }
}

import Glibc
import ShardKit

/// The end of a job that left tasks behind.
struct JobLoss {
  let end: JobEnd
  let code: Int32?
  /// The worker was killed, and nothing says why.
  let isSuspicion: Bool
  private let place: String
  private let tail: [String]

  private static let linesShown = 20

  init(_ group: LiveGroup, _ batch: LiveBatch, end: JobEnd?, code: Int32?) {
    let lines = FileTail.lines(batch.folder.output(group.number), last: Self.linesShown)
    let said = Self.cause(lines.joined(separator: "\n").lowercased())
    var cause = end ?? .failed
    if [.failed, .forgotten, .completed, .cancelled].contains(cause) {
      cause = said ?? (code == 128 + SIGKILL && cause != .cancelled ? .outOfMemory : cause)
    }
    self.end = cause
    self.code = code
    isSuspicion = cause == .outOfMemory && end != .outOfMemory && said == nil
    let node = group.host.isEmpty ? "" : " on \(group.host)"
    place = "job \(batch.name(group))\(node)" + (code.map { ", exit code \($0)" } ?? "")
    let log = group.current.map { TaskLog(batch.batch, key: $0.record.key, attempt: $0.record.attempt).path }
    let logged = log.map { FileTail.lines($0, last: Self.linesShown) } ?? []
    tail = logged + lines
  }

  /// What Slurm writes into a job's output at its end.
  private static func cause(_ text: String) -> JobEnd? {
    let signs: [(String, JobEnd)] = [
      ("exceeded memory limit", .outOfMemory), ("exceeded job memory", .outOfMemory), ("oom-kill", .outOfMemory),
      ("oom_kill", .outOfMemory), ("due to time limit", .timeLimit), ("due to node failure", .nodeFailure),
      ("due to preemption", .preempted),
    ]
    return signs.first { text.contains($0.0) }?.1
  }

  /// "failed", "killed by signal 11"
  var words: String {
    if code == JobScript.setupCode, let setup = tail.last(where: { $0.hasPrefix(JobScript.setupFailure) }) {
      return "failed in its \(setup.replacing(JobScript.setupFailure, with: "setup: "))"
    }
    guard let code, code > 128, end == .failed else { return end.words }
    return "was killed by signal \(code - 128)"
  }

  func sentence(_ message: String) -> String {
    (["\(message) (\(place))"] + tail.map { "  \($0)" }).joined(separator: "\n")
  }
}

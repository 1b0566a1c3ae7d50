import Glibc
import PipelineKit
import ShardKit

/// Shows the events of a run on standard error: a live region with lines above it on a terminal, plain lines elsewhere.
/// The closing summary goes to standard output.
final class RunReport {
  private let graph: Graph
  private let width: Int
  private let style = Style(STDERR_FILENO)
  private let isLive = Console.isTerminal(STDERR_FILENO)
  private let began = monotonicNanoseconds()
  private var region = LiveRegion()
  private var lastPlainProgress = monotonicNanoseconds()
  private var stages = 0
  private var settled = 0
  private var failedTasks: [String: String] = [:]
  private(set) var summary: RunSummary

  private static let finishing =
    "finishing the running tasks; press Ctrl-C again to stop now (resumable either way)"
  /// Whether tasks run as jobs, which need not be waited for.
  private let leavesTasks: Bool

  init(graph: Graph, leavesTasks: Bool = false) {
    self.graph = graph
    self.leavesTasks = leavesTasks
    width = graph.nodes.map { displayWidth($0.name) }.max() ?? 0
    summary = RunSummary(graph: graph)
  }

  private var milliseconds: Int { (monotonicNanoseconds() - began) / 1_000_000 }

  func handle(_ event: RunEvent) {
    summary.handle(event)
    switch event {
    case .began(_, let stages): self.stages = stages.count
    case .judged(let stage, .fresh): settle(stage)
    case .judged(_, .fetch): break
    case .judged(let stage, let verdict): judged(stage, verdict)
    case .phaseBegan(let stage, let phase, let tasks, let kept): phaseBegan(stage, phase, tasks, kept)
    case .sealed(let stage, let manifest, let milliseconds): sealed(stage, manifest, milliseconds)
    case .taskRetried(let stage, let phase, let key, let attempt, let message, let delay):
      let wait = Quantities.duration(milliseconds: Int(delay * 1000))
      line(stage, style.yellow("task \(phase)/\(key) failed (attempt \(attempt)), retry in \(wait): \(message)"))
    case .taskFailed(let stage, let phase, let key, _): failedTasks[stage] = "task \(phase)/\(key)"
    case .stageFailed(let stage, let message): failed(stage, message)
    case .fetched(let stage, let manifest, let bytes, let place): fetched(stage, manifest, bytes, place)
    case .blocked(let stage, let by): line(stage, style.dim("not run: '\(by)' did not finish"))
    case .progress(let running): isLive ? region.draw(live(running)) : plain(running)
    case .notice(let text): above(style.yellow(leavesTasks ? "jobs: " : "note: ") + text)
    case .interrupted(let now):
      above(style.bold(now || leavesTasks ? "stopping now" : Self.finishing))
    case .ended: finish()
    case .taskFinished: break
    }
  }

  /// Removes the live region; safe to call repeatedly.
  func finish() { region.clear() }

  /// Prints the summary table; failures were printed as they happened.
  func close(_ outcome: RunOutcome) {
    finish()
    summary.show(outcome, milliseconds: milliseconds)
  }

  // MARK: Lines

  private func line(_ stage: String, _ text: String) {
    let pad = String(repeating: " ", count: max(0, width - displayWidth(stage)))
    let time = Quantities.clock(milliseconds: milliseconds)
    above(style.dim(String(repeating: " ", count: max(0, 7 - time.count)) + time) + "  \(stage)\(pad)  \(text)")
  }

  private func above(_ text: String) {
    region.clear()
    Console.standardError(visible(text) + "\n")
  }

  private func judged(_ stage: String, _ verdict: Verdict) {
    line(stage, "\(style.cyan(verdict.name)): \(verdict.reasons.joined(separator: "; "))")
  }

  private func phaseBegan(_ stage: String, _ phase: String, _ tasks: Int, _ kept: Int) {
    guard tasks > 0, let node = graph.nodes.first(where: { $0.name == stage }), node.description.phases.count > 1
    else { return }
    let keeps = kept > 0 ? ", \(Quantities.count(kept)) of them already done" : ""
    line(stage, style.dim("phase \(phase): \(Quantities.plural(tasks, "task"))\(keeps)"))
  }

  private func sealed(_ stage: String, _ manifest: NodeManifest, _ milliseconds: Int) {
    settle(stage)
    line(
      stage,
      "\(style.green("done")) in \(Quantities.duration(milliseconds: milliseconds)): "
        + RunSummary.result(manifest))
    for (name, warning) in manifest.warnings.sorted(by: { $0.key < $1.key }) {
      let count = warning.count > 1 ? " (\(Quantities.count(warning.count)) times; the first)" : ""
      line(stage, "\(style.yellow("warning")) \(name)\(count): \(warning.example)")
    }
  }

  private func fetched(_ stage: String, _ manifest: NodeManifest, _ bytes: Int64, _ place: String) {
    settle(stage)
    line(
      stage,
      "\(style.green("fetched")) from \(place): \(Quantities.plural(manifest.files.count, "file")), "
        + Quantities.bytes(bytes))
  }

  private func settle(_ stage: String) { settled += 1 }

  private func failed(_ stage: String, _ message: String) {
    region.clear()
    Console.error(sentence(stage, message))
  }

  /// Where, what, why and what to do next, in one line.
  private func sentence(_ stage: String, _ message: String) -> String {
    let place = failedTasks[stage].map { "stage '\(stage)', \($0)" } ?? "stage '\(stage)'"
    return "\(place): \(message.split(separator: "\n").joined(separator: " "))"
  }

  // MARK: Progress

  private func live(_ running: [StageProgress]) -> [String] {
    let columns = Console.width(STDERR_FILENO) - 1
    let bar = max(10, min(30, columns - width - 66))
    var lines = running.map { stage -> String in
      let pad = String(repeating: " ", count: max(0, width - displayWidth(stage.stage)))
      let tasks = "\(stage.tasksDone)/\(stage.tasks)"
      return fitted(
        visible("\(stage.stage)\(pad)  \(LiveRegion.bar(stage.fraction, columns: bar))  \(tasks)  \(stage.rates)"),
        columns: columns)
    }
    lines.append(
      fitted("\(settled) of \(stages) stages  \(Quantities.clock(milliseconds: milliseconds))", columns: columns))
    return lines.map { style.cyan($0) }
  }

  /// Without a terminal, one line per running stage every 30 s shows that the run is alive.
  private func plain(_ running: [StageProgress]) {
    guard monotonicNanoseconds() - lastPlainProgress > 30_000_000_000 else { return }
    lastPlainProgress = monotonicNanoseconds()
    for stage in running {
      line(stage.stage, "\(stage.phase): \(stage.tasksDone) of \(stage.tasks) tasks, \(stage.rates)")
    }
  }
}

extension StageProgress {
  /// By bytes if the task reports them, or by tasks, whichever is further.
  var fraction: Double {
    let inTasks = statuses.reduce(0) { $0 + $1.fraction }
    let byTasks = tasks > 0 ? (Double(tasksDone) + inTasks) / Double(tasks) : 0
    return max(byTasks, bytesFraction)
  }

  private var bytesFraction: Double { totalBytes > 0 ? min(1, Double(bytes) / Double(totalBytes)) : 0 }

  /// Unknown at the start and while nothing progresses. By bytes alone: tasks reused from earlier runs took no time.
  var remainingMilliseconds: Int? {
    guard milliseconds > 1000, bytesFraction > 0.01 else { return nil }
    return Int(Double(milliseconds) * (1 - bytesFraction) / bytesFraction)
  }

  /// The status that the tasks report; otherwise rates.
  var rates: String {
    if let status = statuses.first {
      let left = status.remainingSeconds.map { "  \(Quantities.clock(milliseconds: Int($0 * 1000))) left" } ?? ""
      return status.text + left
    }
    let seconds = max(0.001, Double(milliseconds) / 1000)
    var parts: [String] = []
    if phase != "run" { parts.append(phase) }
    if queued > 0 {
      parts.append("\(Quantities.count(queued)) queued\(queueReason.isEmpty ? "" : " (\(queueReason))")")
    }
    if documents > 0 {
      parts.append("\(Quantities.short(Double(documents))) docs")
      parts.append("\(Quantities.short(Double(documents) / seconds)) docs/s")
    }
    if bytes > 0 { parts.append(Quantities.rate(Double(bytes) / seconds)) }
    if let remainingMilliseconds { parts.append("\(Quantities.clock(milliseconds: remainingMilliseconds)) left") }
    return parts.joined(separator: "  ")
  }
}

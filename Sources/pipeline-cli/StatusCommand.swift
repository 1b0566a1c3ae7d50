import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status", abstract: "Show the latest run and the state of each stage.",
    discussion: """
      States: fresh, stale (with what changed), partial (with the tasks done), failed (with the message), new (never \
      run), pending (known once the upstream stages have run).
      """)

  @OptionGroup var options: SpecArguments

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let graph = try options.graph()
    let status = try PipelineStatus(graph: graph, store: try options.openStore(graph))
    if json { return Console.json(status.json) }
    let style = Style(STDOUT_FILENO)
    Console.line(Self.headline(status.run))
    if let line = Self.driver(options.storeRoot(graph)) { Console.line(line) }
    Console.line()
    var table = TextTable([("stage", .left), ("state", .left), ("output of", .left), ("", .left)])
    for stage in status.stages {
      table.add([
        stage.name, Self.colored(stage.state, style),
        stage.sealed.map { Quantities.moment(milliseconds: $0) } ?? "", Self.detail(stage),
      ])
    }
    for line in table.lines(style) { Console.line(line) }
  }

  private static func headline(_ run: RunStore.Run?) -> String {
    guard let run else { return "This pipeline has not run before." }
    let began = "run \(run.id) began \(Quantities.moment(milliseconds: run.started))"
    guard let ended = run.ended else {
      return run.state == .running ? "\(began) and is running, or was killed" : "\(began) and was killed"
    }
    return "\(began): \(run.state.rawValue) after \(Quantities.duration(milliseconds: ended - run.started))"
  }

  /// Of a run that was detached and has not come to its end.
  private static func driver(_ store: String) -> String? {
    guard let job = DetachedDriver.job(store: store) else { return nil }
    guard let isAlive = try? DetachedDriver.isAlive(job: job) else { return "it was detached as job \(job)" }
    return isAlive
      ? "job \(job) drives it"
      : "its driver (job \(job)) has ended before the run: continue it with the same command"
  }

  private static func detail(_ stage: PipelineStatus.Stage) -> String {
    if let failure = stage.failure {
      let place = failure.key.isEmpty ? "" : "task \(failure.phase)/\(failure.key): "
      return place + failure.message.split(separator: "\n").joined(separator: " ")
    }
    switch stage.state {
    case .fresh: return ""
    case .partial: return "\(Quantities.count(stage.tasksDone)) of \(Quantities.plural(stage.tasks, "task")) done"
    case .new where stage.reasons == ["it has not run before"]: return ""
    default: return stage.reasons.joined(separator: "; ")
    }
  }

  private static func colored(_ state: PipelineStatus.State, _ style: Style) -> String {
    switch state {
    case .fresh: style.green(state.rawValue)
    case .stale, .partial, .new: style.cyan(state.rawValue)
    case .failed: style.red(state.rawValue)
    case .pending: style.dim(state.rawValue)
    }
  }
}

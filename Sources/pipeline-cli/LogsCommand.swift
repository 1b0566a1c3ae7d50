import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Show what tasks printed, as jobs of a cluster or by programs of yours, and why they failed.",
    usage: "pipeline logs [<pipeline-file>] <stage> [<task>] [--follow] [<options>]",
    discussion: """
      EXAMPLES
        pipeline logs corpus.json dedupe              tasks with logs, and failures
        pipeline logs corpus.json dedupe bands-00005  one task, all attempts
        pipeline logs corpus.json pretrain --follow   new lines, as they come
        pipeline logs corpus.json --driver --follow   a run started with --detach
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "The stage.")
  var stage: String?

  @Argument(help: "The task, as PHASE-KEY.")
  var task: String?

  @Option(name: .customLong("run"), help: "Number of the run (default: the last one that has logs).")
  var wantedRun: Int64?

  @Flag(help: "Show the log of the detached run.")
  var driver = false

  @Flag(name: .shortAndLong, help: "Keep printing as the logs grow, until Ctrl-C.")
  var follow = false

  func run() throws {
    var words = [options.document, stage, task].compactMap { $0 }
    var given = options
    given.document = words.first.flatMap { DocumentSyntax.isDocument($0) ? $0 : nil }
    if given.document != nil { words.removeFirst() }
    let graph = try given.graph()
    let store = given.storeRoot(graph)
    if driver { return try showDriver(store) }
    guard let stage = words.first else {
      throw RunError(
        .selection, "no stage is named: the pipeline has \(graph.nodes.map(\.name).joined(separator: ", "))",
        hint: "Name one, as in `pipeline logs \(graph.nodes[0].name)`, or give --driver.")
    }
    _ = try graph.node(named: stage)
    let logs = TaskLogs(store: store)
    let found = (wantedRun ?? logs.runs(stage: stage).first).map { logs.logs(stage: stage, run: $0) } ?? []
    if words.count > 1 {
      let own = found.filter { $0.task == words[1] }
      guard !own.isEmpty else {
        throw RunError(
          .selection,
          "no task of '\(stage)' with a log is named '\(words[1])'"
            + suggestion(for: words[1], among: found.map(\.task)))
      }
      return show(own.map { (own.count > 1 ? "attempt \($0.attempt)" : "", $0.path) })
    }
    if follow { return followAll(logs, stage) }
    list(found)
    try failures(stage, try given.openStore(graph), graph)
  }

  private func showDriver(_ store: String) throws {
    let log = DetachedDriver.log(store: store)
    guard follow || FileSystem.exists(log) else {
      throw RunError(
        .notFound, "no run of this store has been detached: \(log) does not exist",
        hint: "`pipeline run --detach` starts one. Its log comes once its job has begun; --follow waits for it.")
    }
    show([("", log)])
  }

  private func list(_ logs: [TaskLogs.Log]) {
    guard !logs.isEmpty else {
      return Console.line("no logs: only tasks that ran as jobs of a cluster or start programs of yours have them")
    }
    var table = TextTable([("task", .left), ("attempt", .right), ("size", .right), ("last line", .left)])
    for log in logs {
      var end = FollowedFile(log.path, lines: 1)
      table.add([log.task, "\(log.attempt)", Quantities.bytes(log.bytes), end.read().last ?? ""])
    }
    for line in table.lines(Style(STDOUT_FILENO)) { Console.line(line) }
  }

  private func failures(_ stage: String, _ store: RunStore, _ graph: Graph) throws {
    for failure in try store.failures(stage: stage, pipeline: graph.document.name, last: 10).reversed() {
      let task = failure.key.isEmpty ? "" : " task \(failure.phase)-\(failure.key), attempt \(failure.attempt):"
      Console.line("run \(failure.run):\(task)")
      for line in failure.message.split(separator: "\n") { Console.line("  \(line)") }
    }
  }

  /// The logs of a stage's newest run, and those that come.
  private func followAll(_ logs: TaskLogs, _ stage: String) {
    var followed: [String: FollowedFile] = [:]
    var isFirst = true
    while true {
      let run = wantedRun ?? logs.runs(stage: stage).first
      for log in run.map({ logs.logs(stage: stage, run: $0) }) ?? [] {
        var file = followed[log.path] ?? FollowedFile(log.path, lines: isFirst ? 10 : nil)
        let fresh = file.read()
        followed[log.path] = file
        if fresh.isEmpty { continue }
        Console.line("==> \(log.task)")
        for line in fresh { Console.line(line) }
      }
      isFirst = false
      usleep(1_000_000)
    }
  }

  private func show(_ files: [(title: String, path: String)]) {
    var followed = files.map { (title: $0.title, file: FollowedFile($0.path)) }
    while true {
      for place in followed.indices {
        let fresh = followed[place].file.read()
        if fresh.isEmpty { continue }
        if followed.count > 1 { Console.line("==> \(followed[place].title)") }
        for line in fresh { Console.line(line) }
      }
      guard follow else { return }
      usleep(500_000)
    }
  }
}

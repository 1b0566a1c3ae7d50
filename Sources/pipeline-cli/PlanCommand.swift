import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Show what a run would do, and why, without running anything.",
    usage: "pipeline plan [<pipeline-file>] [<options>]",
    discussion: """
      Verdicts: fresh (up to date), resume (some tasks are done), run, pending (depends on what other stages will \
      write; stays fresh if they write the same content as before), unselected, impossible (it would fail immediately).

      With --executor, the scripts of the jobs that would be submitted first are printed too.
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var selection: SelectionOptions
  @OptionGroup var place: ExecutorOptions
  @OptionGroup var shared: RemoteOptions

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let graph = try options.graph()
    var settings = PipelineRun.Settings()
    selection.apply(to: &settings)
    var run = try PipelineRun(
      graph: graph, store: try options.openStore(graph, isShared: place.isRemote), settings: settings)
    run.locked = try shared.locked(graph.document)
    let plan = try run.plan()
    guard place.isRemote else { return try Self.show(plan, run, json: json) }
    let profile = try place.siteProfile(options.site, beside: graph.document.folder)
    let preview = JobPreview(run, cluster: try ExecutorOptions.cluster(profile), profile: profile)
    let jobs = try preview.jobs(plan)
    guard !json else { return Console.json(.list(jobs.map(Self.json))) }
    try Self.show(plan, run, json: false)
    for job in jobs { Self.show(job) }
  }

  private static func show(_ job: JobPreview.Job) {
    let jobs = Quantities.plural(job.groups.count, "job")
    Console.line("")
    Console.line(
      "# \(job.stage), phase \(job.phase): \(Quantities.plural(job.tasks, "task")) in \(jobs) of \(job.request.words)")
    if let warning = job.warning { Console.line("# warning: \(warning)") }
    for line in job.script.split(separator: "\n") { Console.line(String(line)) }
  }

  private static func json(_ job: JobPreview.Job) -> JSONValue {
    [
      "stage": .string(job.stage), "phase": .string(job.phase), "tasks": .integer(job.tasks),
      "jobs": .list(job.groups.map { .integer($0) }), "script": .string(job.script),
      "warning": job.warning.map { .string($0) } ?? .null,
      "asked": [
        "memoryBytes": .integer(job.request.memoryBytes), "cores": .integer(job.request.cores),
        "gpus": .integer(job.request.gpus), "nodes": .integer(job.request.nodes),
        "seconds": .integer(job.request.seconds),
      ],
    ]
  }

  static func show(_ plan: Plan, _ run: PipelineRun, json: Bool) throws {
    let graph = run.graph
    let remarks = Self.remarks(graph)
    if json {
      return Console.json(
        .list(plan.verdicts.map { Self.json(graph.nodes[$0.node], $0.verdict, remarks: remarks[$0.node]) }))
    }
    let style = Style(STDOUT_FILENO)
    var table = TextTable([("", .left), ("", .left), ("", .left)])
    for (node, verdict, _) in plan.verdicts {
      let reasons = verdict == .fresh ? "" : verdict.reasons.joined(separator: "; ")
      table.add([graph.nodes[node].name, colored(verdict, style), reasons])
    }
    for line in table.lines(style) { Console.line(line) }
    for (node, verdict, _) in plan.verdicts where verdict != .unselected {
      for remark in remarks[node] { Console.line("\(graph.nodes[node].name): \(remark)") }
    }
    // Not for a pipeline that is up to date: sizes are read from all manifests.
    guard plan.verdicts.contains(where: { LongStages.mayRun($0.verdict) }) else { return }
    let estimate = try PipelineEstimate(plan, graph: graph, store: run.store)
    for line in LongStages.lines(estimate, jobs: run.settings.jobs) { Console.line(line) }
  }

  /// What the stages note of their options, and which test sets the corpus may hold, by node.
  private static func remarks(_ graph: Graph) -> [[String]] {
    zip(graph.nodes, UncheckedTestSets(graph).remarks).map { $0.configured.stage.remarks + $1 }
  }

  private static func json(_ node: Graph.Node, _ verdict: Verdict, remarks: [String]) -> JSONValue {
    [
      "stage": .string(node.name), "verdict": .string(verdict.name), "reasons": .strings(verdict.reasons),
      "remarks": .strings(remarks),
    ]
  }

  static func colored(_ verdict: Verdict, _ style: Style) -> String {
    switch verdict {
    case .fresh: style.green(verdict.name)
    case .run, .resume, .fetch: style.cyan(verdict.name)
    case .pending, .unselected: style.dim(verdict.name)
    case .blocked, .impossible: style.red(verdict.name)
    }
  }
}

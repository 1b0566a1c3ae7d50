import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run what is out of date; resume an interrupted run.",
    usage: "pipeline run [<pipeline-file>] [<options>]",
    discussion: """
      Ctrl-C once: running tasks finish, then the run stops. Twice: it stops immediately. Either way it can be resumed.

      EXAMPLES
        pipeline run corpus.json
        pipeline run corpus.json --set data=/data --jobs 8 --memory 16GiB
        pipeline run corpus.json --from dedupe
        pipeline run corpus.json --executor slurm --profile gpu

      \(RunEventLines.documentation)
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var selection: SelectionOptions
  @OptionGroup var place: ExecutorOptions
  @OptionGroup var shared: RemoteOptions

  @Flag(help: "Submit the run itself as a job, and return.")
  var detach = false

  @Option(
    help: ArgumentHelp(
      "What Ctrl-C means for jobs: ask, leave or cancel (default: the profile's; \"ask\" leaves them without a "
        + "terminal)."),
    transform: {
      guard let choice = InterruptChoice(rawValue: $0) else {
        throw ValidationError("--on-interrupt is ask, leave or cancel, not '\($0)'.")
      }
      return choice
    })
  var onInterrupt: InterruptChoice?
  @OptionGroup var metrics: MetricsOptions

  @Flag(help: "Show what would run, and why, without running anything.")
  var dryRun = false

  @Option(help: "Number of concurrent tasks (default: the number of processors).")
  var jobs: Int?

  @Option(help: "Memory limit for running tasks, for example 8GiB (default: half of the machine's memory).")
  var memory: String?

  @Flag(help: "After a failure, continue with stages that do not depend on it.")
  var keepGoing = false

  @Flag(help: "Print one JSON event per line instead of text.")
  var json = false

  func validate() throws {
    try ExecutorOptions.check(jobs: jobs)
    if let memory, ByteCount.parse(memory) == nil {
      throw ValidationError("--memory must be a size such as 8GiB, not '\(memory)'.")
    }
    if !place.isRemote, detach || onInterrupt != nil {
      throw ValidationError(
        detach ? "--detach needs --executor slurm." : "--on-interrupt needs --executor slurm or ssh.")
    }
  }

  func run() throws {
    let graph = try options.graph()
    if detach { return try submit(graph) }
    let store = try options.openStore(graph, creating: !dryRun, isShared: place.isRemote)
    var settings = settings
    try AddressSpace.fit(&settings)
    var run = try PipelineRun(graph: graph, store: store, settings: settings)
    run.locked = try shared.locked(graph.document)
    if place.isRemote, !dryRun { run.cluster = try place.jobs(options, graph, store, onInterrupt: onInterrupt) }
    if dryRun { return try PlanCommand.show(try run.plan(), run, json: json) }
    TerminationSignals.install()
    let exporter = try metrics.exporter(
      pipeline: graph.document.name, store: store.root, isLocal: !place.isRemote)
    defer { exporter?.close(linger: metrics.metricsLinger) { TerminationSignals.level > 0 } }
    let outcome = json ? try runInJSON(run, exporter) : try runInText(run, graph, exporter)
    switch outcome {
    case .done: return
    case .failed: throw ExitCode(1)
    case .interrupted: throw ExitCode(130)
    }
  }

  /// `--detach`: the same command as a job that submits itself again at its time limit.
  private func submit(_ graph: Graph) throws {
    let profile = try place.siteProfile(options.site, beside: graph.document.folder)
    guard profile.executor == .slurm else { throw ValidationError("--detach needs --executor slurm.") }
    let words = CommandLine.arguments.dropFirst().filter { $0 != "--detach" }
    let driver = try DetachedDriver(
      profile: profile, store: options.storeRoot(graph), arguments: Array(words), name: graph.document.name)
    let job = try driver.submit()
    Console.line("job \(job) runs the pipeline; see `pipeline status` and `pipeline logs --driver --follow`")
  }

  private var settings: PipelineRun.Settings {
    var settings = PipelineRun.Settings()
    selection.apply(to: &settings)
    settings.keepGoing = keepGoing
    if let jobs { settings.jobs = jobs }
    if let memory { settings.memoryBytes = ByteCount.parse(memory)!.bytes }
    settings.arguments = CommandLine.arguments.dropFirst().joined(separator: " ")
    return settings
  }

  private func runInText(_ run: PipelineRun, _ graph: Graph, _ exporter: MetricsExporter?) throws -> RunOutcome {
    let report = RunReport(graph: graph, leavesTasks: place.isRemote)
    defer { report.finish() }
    let outcome = try run.run(interruption: { TerminationSignals.level }) { event in
      exporter?.handle(event)
      report.handle(event)
    }
    report.close(outcome)
    return outcome
  }

  private func runInJSON(_ run: PipelineRun, _ exporter: MetricsExporter?) throws -> RunOutcome {
    let lines = RunEventLines()
    return try run.run(interruption: { TerminationSignals.level }) { event in
      exporter?.handle(event)
      lines.handle(event)
    }
  }
}

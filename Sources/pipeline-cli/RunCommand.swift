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

      \(RunEventLines.documentation)
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var selection: SelectionOptions

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
    if let jobs, jobs < 1 || jobs > 1024 { throw ValidationError("--jobs must be between 1 and 1024, not \(jobs).") }
    if let memory, ByteCount.parse(memory) == nil {
      throw ValidationError("--memory must be a size such as 8GiB, not '\(memory)'.")
    }
  }

  func run() throws {
    let graph = try options.graph()
    let store = try options.openStore(graph, creating: !dryRun)
    if let damaged = store.damagedDatabase {
      Console.warning(
        "the store's database was damaged and was moved to \(damaged); finished work is recovered from manifests"
      )
    }
    var settings = settings
    try AddressSpace.fit(&settings)
    let run = try PipelineRun(graph: graph, store: store, settings: settings)
    if dryRun { return PlanCommand.show(try run.plan(), graph, json: json) }
    TerminationSignals.install()
    let outcome = json ? try runInJSON(run) : try runInText(run, graph)
    switch outcome {
    case .done: return
    case .failed: throw ExitCode(1)
    case .interrupted: throw ExitCode(130)
    }
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

  private func runInText(_ run: PipelineRun, _ graph: Graph) throws -> RunOutcome {
    let report = RunReport(graph: graph)
    defer { report.finish() }
    let outcome = try run.run(interruption: { TerminationSignals.level }, listen: report.handle)
    report.close(outcome)
    return outcome
  }

  private func runInJSON(_ run: PipelineRun) throws -> RunOutcome {
    let lines = RunEventLines()
    return try run.run(interruption: { TerminationSignals.level }, listen: lines.handle)
  }
}

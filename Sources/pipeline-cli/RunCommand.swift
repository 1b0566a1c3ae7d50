import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Synchronization

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run what has to run; go on where the last run stopped.",
    discussion: """
      Ctrl-C once: the running tasks finish, then the run stops. Twice: it stops at once. Both resume.

      EXAMPLES
        pipeline run corpus.json
        pipeline run corpus.json --set data=/data --jobs 8 --memory 16GiB
        pipeline run corpus.json --from dedupe
      """)

  @OptionGroup var options: DocumentOptions
  @OptionGroup var selection: SelectionOptions

  @Flag(help: "Only show what would run, and why.")
  var dryRun = false

  @Option(help: "Tasks that run at the same time (default: the number of processors).")
  var jobs: Int?

  @Option(help: "Memory for running tasks, such as 8GiB (default: half of the machine's).")
  var memory: String?

  @Flag(help: "After a failure, go on with the stages that do not depend on it.")
  var keepGoing = false

  @Flag(help: "Print one JSON event a line instead of text.")
  var json = false

  func validate() throws {
    if let jobs, jobs < 1 || jobs > 1024 { throw ValidationError("--jobs should be between 1 and 1024, not \(jobs)") }
    if let memory, ByteCount.parse(memory) == nil {
      throw ValidationError("--memory wants a number of bytes such as 8GiB, not '\(memory)'")
    }
  }

  func run() throws {
    let graph = try options.graph()
    var settings = PipelineRun.Settings()
    selection.apply(to: &settings)
    settings.keepGoing = keepGoing
    if let jobs { settings.jobs = jobs }
    if let memory { settings.memoryBytes = ByteCount.parse(memory)!.bytes }
    settings.arguments = CommandLine.arguments.dropFirst().joined(separator: " ")
    let store = try options.openStore(graph)
    let run = try PipelineRun(graph: graph, store: store, settings: settings)
    if dryRun {
      PlanCommand.show(try run.plan(), graph, json: json)
      return
    }
    Interruption.install()
    let report = RunReport(graph: graph, json: json)
    let outcome = try run.run(interruption: { Interruption.level }, listen: report.hear)
    switch outcome {
    case .done: return
    case .failed: throw ExitCode(1)
    case .interrupted: throw ExitCode(130)
    }
  }
}

/// Ctrl-C and termination, counted.
enum Interruption {
  private static let count = Atomic<Int>(0)
  static var level: Int { count.load(ordering: .relaxed) }

  static func install() {
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in Interruption.count.add(1, ordering: .relaxed) }
    }
    signal(SIGPIPE, SIG_IGN)
  }
}

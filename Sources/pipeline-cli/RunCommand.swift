import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Synchronization

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Run what has to run; go on where the last run stopped.",
    usage: "pipeline run [<document>] [<options>]",
    discussion: """
      Ctrl-C once: the running tasks finish, then the run stops. Twice: it stops at once. Both resume.

      EXAMPLES
        pipeline run corpus.json
        pipeline run corpus.json --set data=/data --jobs 8 --memory 16GiB
        pipeline run corpus.json --from dedupe

      \(RunEventLines.documentation)
      """)

  @OptionGroup var options: SpecArguments
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
    if let jobs, jobs < 1 || jobs > 1024 { throw ValidationError("--jobs should be between 1 and 1024, not \(jobs).") }
    if let memory, ByteCount.parse(memory) == nil {
      throw ValidationError("--memory wants a number of bytes such as 8GiB, not '\(memory)'.")
    }
  }

  func run() throws {
    let graph = try options.graph()
    let store = try options.openStore(graph, creating: !dryRun)
    if let damaged = store.damagedDatabase {
      Console.warning(
        "the store's database was damaged: it is now \(damaged), and finished work is taken from the manifests")
    }
    var settings = settings
    try AddressSpace.fit(&settings)
    let run = try PipelineRun(graph: graph, store: store, settings: settings)
    if dryRun { return PlanCommand.show(try run.plan(), graph, json: json) }
    Interruption.install()
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
    let outcome = try run.run(interruption: { Interruption.level }, listen: report.hear)
    report.close(outcome)
    return outcome
  }

  private func runInJSON(_ run: PipelineRun) throws -> RunOutcome {
    let lines = RunEventLines()
    return try run.run(interruption: { Interruption.level }, listen: lines.hear)
  }
}

/// Ctrl-C and termination, counted.
///
/// Ctrl-C is for people, who can press it again: once lets the running tasks finish. SIGTERM comes from programs that
/// send it once and then wait for the end: a task that is not done soon is stopped.
enum Interruption {
  private static let interrupts = Atomic<Int>(0)
  private static let terminations = Atomic<Int>(0)
  private static let terminatedAt = Atomic<Int>(0)

  static var level: Int {
    level(
      interrupts: interrupts.load(ordering: .relaxed), terminations: terminations.load(ordering: .relaxed),
      nanoseconds: monotonicNanoseconds() - terminatedAt.load(ordering: .relaxed),
      isSaving: TaskControl.isAnySaving)
  }

  /// - Parameters:
  ///   - nanoseconds: since the first termination.
  ///   - isSaving: a task writes what it would lose.
  static func level(interrupts: Int, terminations: Int, nanoseconds: Int, isSaving: Bool) -> Int {
    let patience = isSaving ? 60_000_000_000 : 5_000_000_000
    return terminations > 0 && nanoseconds > patience ? 2 : interrupts + terminations
  }

  static func install() {
    // A parent may have had them blocked, as the threads of some runtimes do.
    var ours = sigset_t()
    sigemptyset(&ours)
    sigaddset(&ours, SIGINT)
    sigaddset(&ours, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
    signal(SIGINT) { _ in Interruption.interrupts.add(1, ordering: .relaxed) }
    signal(SIGTERM) { _ in
      let now = monotonicNanoseconds()
      if Interruption.terminations.load(ordering: .relaxed) == 0 {
        Interruption.terminatedAt.store(now, ordering: .relaxed)
      }
      Interruption.terminations.add(1, ordering: .relaxed)
    }
    // A reader of the output that goes away does not stop the work.
    signal(SIGPIPE, SIG_IGN)
  }
}

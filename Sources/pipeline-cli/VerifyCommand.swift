import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check finished files against their digests and reset damaged tasks.",
    discussion: """
      Tasks whose files are missing or altered are marked as not done: the next run repeats only these. Files of \
      unfinished stages are checked too. Exit code 1 if any file is damaged.
      """)

  @OptionGroup var options: SpecArguments

  @Option(help: "Files to read concurrently (default: the number of processors).")
  var jobs: Int?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    try ExecutorOptions.check(jobs: jobs)
  }

  func run() throws {
    let graph = try options.graph()
    let root = options.storeRoot(graph)
    guard FileSystem.exists(root + "/pipeline.sqlite") || FileSystem.isDirectory(root + "/artifacts") else {
      throw RunError(
        .notFound, "there is no store at \(root)", hint: "Run the pipeline first, or give its folder with --store.")
    }
    let store = try options.openStore(graph)
    TerminationSignals.install()
    var region = LiveRegion()
    let isLive = Console.isTerminal(STDERR_FILENO)
    let began = monotonicNanoseconds()
    let result = try Verification(store: store, jobs: jobs ?? availableProcessors()).run(
      progress: { done, all in
        guard isLive else { return }
        let seconds = Double(monotonicNanoseconds() - began) / 1e9
        let bar = LiveRegion.bar(all > 0 ? Double(done) / Double(all) : 1, columns: 30)
        let rate = Quantities.rate(Double(done) / max(0.001, seconds))
        region.draw(["\(bar)  \(Quantities.bytes(done)) of \(Quantities.bytes(all))  \(rate)"])
      }, interruption: { TerminationSignals.level })
    region.clear()
    if json {
      Console.json(result.json(isReadOnly: store.isReadOnly))
    } else {
      show(result, isReadOnly: store.isReadOnly, milliseconds: (monotonicNanoseconds() - began) / 1_000_000)
    }
    if !result.isComplete { throw ExitCode(130) }
    if result.findings.contains(where: { $0.kind != .extra }) { throw ExitCode(1) }
  }

  private func show(_ result: Verification.Result, isReadOnly: Bool, milliseconds: Int) {
    let style = Style(STDOUT_FILENO)
    for finding in result.findings {
      let kind = finding.kind == .extra ? style.yellow("extra") : style.red(finding.kind.rawValue)
      Console.line("\(kind)  \(finding.stage): \(finding.message)")
    }
    let damaged = result.findings.count { $0.kind != .extra }
    let read =
      "\(Quantities.plural(result.files, "file")), \(Quantities.bytes(result.bytes)) read in "
      + Quantities.duration(milliseconds: milliseconds)
    if result.files == 0, result.isComplete {
      return Console.line("Nothing to verify: the store contains no files of finished tasks.")
    }
    if damaged == 0 {
      return Console.line(result.isComplete ? "no damage: \(read)" : "interrupted: no damage in \(read)")
    }
    let tasks = Quantities.plural(result.reopened.values.reduce(0, +), "task")
    Console.line("\(Quantities.plural(damaged, "damaged file")) among \(read)")
    if isReadOnly { return Console.line("The store is read-only, so nothing was marked for recomputation.") }
    Console.line("The next run repeats \(tasks): \(result.reopened.keys.sorted().joined(separator: ", "))")
  }
}

extension Verification.Result {
  func json(isReadOnly: Bool) -> JSONValue {
    [
      "nodes": .integer(nodes), "files": .integer(files), "bytes": .integer(Int(bytes)), "complete": .bool(isComplete),
      "readOnly": .bool(isReadOnly),
      "findings": .list(
        findings.map {
          [
            "kind": .string($0.kind.rawValue), "stage": .string($0.stage), "path": .string($0.path),
            "message": .string($0.message),
          ]
        }),
      "reopenedTasks": .object(
        reopened.sorted { $0.key < $1.key }.map { JSONMember($0.key, .integer($0.value)) }),
    ]
  }
}

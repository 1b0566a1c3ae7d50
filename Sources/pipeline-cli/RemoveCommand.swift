import ArgumentParser
import Glibc
import NetKit
import PipelineKit
import ShardKit
import TextKit

struct RemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Take documents down: from every output, for good, and prove that they are gone.",
    usage: "pipeline remove [<pipeline-file>] <id> … [--list <file>] [--url <pattern>] … --reason <text>",
    discussion: """
      Names every output that holds the documents, records that the store must not hold them any more, and runs again \
      only the tasks that brought them in and what depends on these. Deduplication then keeps the next copy. Older \
      outputs and logs that hold the documents are deleted. At last every byte of the store is searched for the ids \
      and for passages of the texts, and the result is kept with the record, which has digests only.

      Later runs leave the documents out. Killed at any moment, the same command finishes the work. Files outside the \
      store are named, and stay as they are.

      EXAMPLES
        pipeline remove corpus.json wiki/12345 --reason "request of 4 May" --dry-run
        pipeline remove corpus.json wiki/12345 --reason "request of 4 May" --copies
        pipeline remove corpus.json --url example.com --reason "robots.txt" --yes
        pipeline remove corpus.json --license "CC BY-ND 4.0" --reason "terms"
        pipeline remove corpus.json --list ids.txt --reason "opt-outs" --yes --json
        pipeline remove corpus.json --check    search the store again

      EXIT CODES
        0  the documents are gone, or --dry-run
        1  something still holds them or could not be read, which is named; or the run failed
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "Ids of documents.")
  var ids: [String] = []

  @OptionGroup var selection: RemovalArguments

  @Option(help: "Why, for the record.")
  var reason: String?

  @Option(help: "Who asked, for the record (default: the user's name).")
  var by: String?

  @Flag(help: "Remove the copies that were dropped as duplicates too.")
  var copies = false

  @Flag(help: "Show what holds the documents and what would run, and change nothing.")
  var dryRun = false

  @Flag(help: "Record the removal and run nothing; the same command without this flag finishes it.")
  var recordOnly = false

  @Flag(help: "Skip the confirmation.")
  var yes = false

  @Flag(help: "Search the store again for everything removed so far; delete nothing.")
  var check = false

  @Flag(help: "Keep older outputs and logs, and report them.")
  var keepOlder = false

  @Option(help: "Number of concurrent tasks (default: the number of processors).")
  var jobs: Int?

  @Option(help: "Memory limit for running tasks, for example 8GiB (default: half of the machine's memory).")
  var memory: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    try ExecutorOptions.check(jobs: jobs)
    if let memory, ByteCount.parse(memory) == nil {
      throw ValidationError("--memory must be a size such as 8GiB, not '\(memory)'.")
    }
    if !check, !dryRun, (reason ?? "").isEmpty {
      throw ValidationError("--reason is missing: the record has to say why the documents were removed.")
    }
    _ = try selection.conditions()
  }

  func run() throws {
    let (graph, words) = try options.graph(andAny: ids)
    // A new database would not know what the outputs hold.
    let store = try options.openStore(graph, creating: !dryRun, replacing: false, leavingOpen: false)
    let removal = Removal(graph: graph, store: store)
    if check { return try finish(RemoveOutcome(), removal) }
    let wanted = try selection.ids(words, graph, store, jobs: jobs ?? availableProcessors()) {
      if !json { Console.standardError(visible($0) + "\n") }
    }
    let targets = try RemovalTargets(ids: wanted, withRelatives: copies, graph: graph, store: store)
    let recorded = try removal.recorded(targets.ids)
    try checkMissing(targets, recorded, removal, strict: words)
    let scope = try RemovalScope(targets, graph: graph, store: store)
    let report = RemoveReport(targets: targets, scope: scope, recorded: recorded.count)
    if dryRun {
      if json { return Console.json(report.json) }
      for line in report.lines(Style(STDOUT_FILENO)) { Console.line(line) }
      return
    }
    if !json { for line in report.lines(Style(STDERR_FILENO)) { Console.standardError(visible(line) + "\n") } }
    guard try targets.ids.isEmpty || isConfirmed(targets.ids.count) else { return Console.line("nothing removed") }
    if recordOnly {
      let name = try removal.record(targets, reason: reason!, by: by ?? Self.user)
      return Console.line("recorded: \(store.root)/removed/\(name).json; the next run leaves the documents out")
    }
    TerminationSignals.install()
    var outcome = RemoveOutcome(report: report)
    outcome.began = monotonicNanoseconds()
    try rebuild(targets, recorded, removal, &outcome)
    try finish(outcome, removal)
  }

  /// An id by itself that nothing knows is a mistake; in a list, it is one that must not come in either.
  private func checkMissing(
    _ targets: RemovalTargets, _ recorded: [String], _ removal: Removal, strict words: [String]
  ) throws {
    let known = Set(recorded.map { ExactText($0) })
    let unknown = Set(targets.missing.map { ExactText($0) }).subtracting(known)
    guard let first = words.first(where: { unknown.contains(ExactText($0)) }) else {
      // What an interrupted removal selected is not there to be selected again.
      guard try !targets.ids.isEmpty || removal.isUnfinished() else {
        throw RunError(
          .notFound, "no document of the newest outputs is selected",
          hint: "Run the pipeline first, and compare the values with `pipeline artifact`.")
      }
      return
    }
    throw RunError(
      .notFound, "no finished output of this pipeline contains a document with the id '\(first)'",
      hint: "Ids are case-sensitive and must be complete. Ids of a --list need not be in an output.")
  }

  private func isConfirmed(_ count: Int) throws -> Bool {
    if yes || Console.confirms("Remove \(Quantities.plural(count, "document")) for good?") { return true }
    if isatty(STDIN_FILENO) == 1 { return false }
    throw RunError(
      .selection, "nothing was removed: there is no terminal to ask for confirmation",
      hint: "Use --yes to remove without confirmation.")
  }

  /// Records and runs until no output holds the documents; what a run brings to light is recorded too.
  private func rebuild(
    _ targets: RemovalTargets, _ recorded: [String], _ removal: Removal, _ outcome: inout RemoveOutcome
  ) throws {
    var open = targets
    var isRecorded = recorded.count == targets.ids.count
    for _ in 0..<3 {
      if !isRecorded {
        outcome.record = try removal.record(open, reason: reason!, by: by ?? Self.user)
      }
      try runPipeline(removal)
      open = try removal.remaining(targets.ids)
      if open.places.isEmpty { break }
      isRecorded = false
    }
    outcome.rebuilt = monotonicNanoseconds()
    try removal.conceal(targets.ids)
    outcome.promoted = try removal.promoted(since: targets)
  }

  private func runPipeline(_ removal: Removal) throws {
    var settings = PipelineRun.Settings()
    if let jobs { settings.jobs = jobs }
    if let memory { settings.memoryBytes = ByteCount.parse(memory)!.bytes }
    // The record of runs must not have the ids.
    settings.arguments = "remove"
    try AddressSpace.fit(&settings)
    let run = try PipelineRun(graph: removal.graph, store: removal.store, settings: settings)
    let report = RunReport(graph: removal.graph)
    defer { report.finish() }
    let outcome = try run.run(interruption: { TerminationSignals.level }) { if !json { report.handle($0) } }
    if !json || outcome != .done { report.close(outcome) }
    switch outcome {
    case .done: return
    case .failed: throw ExitCode(1)
    case .interrupted: throw ExitCode(130)
    }
  }

  private func finish(_ outcome: RemoveOutcome, _ removal: Removal) throws {
    var outcome = outcome
    if !json { Console.standardError("searching every byte of \(visible(removal.store.root))\n") }
    let proof: RemovalProof
    do {
      proof = try RemovalProof(
        graph: removal.graph, store: removal.store, keepsOlder: keepOlder || check,
        jobs: jobs ?? availableProcessors(), decode: Self.decoded, isStopped: { TerminationSignals.level > 0 })
    } catch let error as StageError where error.code == .cancelled { throw ExitCode(130) }
    // A check by itself does not finish a removal that was only recorded.
    if !dryRun, try !check || proof.isGone || !removal.isUnfinished() { try proof.keep(in: removal.store) }
    outcome.proof = proof
    if json {
      Console.json(outcome.json)
    } else {
      for line in outcome.lines(Style(STDOUT_FILENO), store: removal.store.root) { Console.line(line) }
    }
    if !proof.isGone { throw ExitCode(1) }
  }

  /// A text of any encoding of Japanese; nil for other bytes.
  @Sendable private static func decoded(_ bytes: [UInt8]) -> [UInt8]? {
    let page = PageEncoding.decode(bytes, declared: nil, isHTML: false)
    return page.replacedFraction < 0.02 ? page.text : nil
  }

  private static var user: String {
    let names = ["LOGNAME", "USER"].compactMap { (name: String) in getenv(name).map { String(cString: $0) } }
    return names.first { !$0.isEmpty } ?? "user \(getuid())"
  }
}

/// Which documents to remove.
struct RemovalArguments: ParsableArguments {
  @Option(help: ArgumentHelp("A file of ids, one per line.", valueName: "file"), completion: .file())
  var list: String?

  @Option(
    help: ArgumentHelp(
      "Documents from this domain, or whose address begins with this; metadata.url or the id.", valueName: "pattern"))
  var url: String?

  @Option(help: ArgumentHelp("Documents with this metadata.license.", valueName: "name"))
  var license: String?

  @Option(help: ArgumentHelp("Documents of this source.", valueName: "name"))
  var source: String?

  @Option(
    name: .customLong("where"),
    help: ArgumentHelp("Documents with this value in their metadata; repeatable.", valueName: "path=value"))
  var members: [String] = []

  func conditions() throws -> [RemovalSelection.Condition] {
    var out: [RemovalSelection.Condition] = []
    if let url { out.append(.url(url)) }
    if let license { out.append(.license(license)) }
    if let source { out.append(.source(source)) }
    for member in members {
      guard let equals = member.firstIndex(of: "="), equals != member.startIndex else {
        throw ValidationError("--where must be path=value, not '\(member)'.")
      }
      let path = member[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      out.append(.member(path, String(member[member.index(after: equals)...])))
    }
    return out
  }

  private func selection(_ conditions: [RemovalSelection.Condition]) -> RemovalSelection {
    RemovalSelection(conditions: conditions) { (try? WebURL($0))?.text }
  }

  /// The ids that were named, listed or selected.
  /// - Parameter notice: is told what takes a while.
  func ids(
    _ words: [String], _ graph: Graph, _ store: RunStore, jobs: Int, notice: (String) -> Void
  ) throws -> [String] {
    var out = words
    if let list {
      let lines = LineReader(try openSource(list))
      while let line = try lines.next() {
        let id = String(decoding: line, as: UTF8.self)
        if !id.isEmpty { out.append(id) }
      }
    }
    let conditions = try conditions()
    if !conditions.isEmpty {
      out += try selection(conditions).ids(graph: graph, store: store, jobs: jobs, notice: notice)
    }
    return out
  }
}

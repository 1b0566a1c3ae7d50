import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove outputs that newer ones have replaced.",
    discussion: """
      Keeps the newest output of every stage in the document and, where other documents use the same store, theirs. \
      Asks before it removes; where nobody can answer, --yes is needed.
      """)

  @OptionGroup var options: SpecArguments

  @Option(help: ArgumentHelp("Newest outputs of each stage that stay.", valueName: "count"))
  var keep = 1

  @Flag(help: "Only show what would be removed, and how many bytes that frees.")
  var dryRun = false

  @Flag(help: "Remove without asking.")
  var yes = false

  func validate() throws {
    if keep < 1 { throw ValidationError("--keep should be 1 or more, not \(keep).") }
  }

  func run() throws {
    let graph = try options.graph()
    let store = try options.openStore(graph)
    let pruning = try Pruning(graph: graph, store: store, keep: keep)
    guard !pruning.candidates.isEmpty else { return Console.line("nothing to remove") }
    var table = TextTable([("stage", .left), ("output", .left), ("frees", .right), ("because", .left)])
    for candidate in pruning.candidates {
      table.add([
        candidate.stage, candidate.fingerprint.short, Quantities.bytes(candidate.bytes), candidate.reason,
      ])
    }
    for line in table.lines(Style(STDOUT_FILENO)) { Console.line(line) }
    let what = "\(Quantities.plural(pruning.candidates.count, "output")), \(Quantities.bytes(pruning.bytes))"
    if dryRun { return Console.line("\(what) would be freed") }
    guard yes || Console.confirms("Remove \(what)?") else {
      if isatty(STDIN_FILENO) == 1 { return Console.line("nothing removed") }
      throw RunError(.selection, "nothing was removed: nobody can be asked here", hint: "Give --yes to remove them.")
    }
    try pruning.run()
    Console.line("\(what) freed")
  }
}

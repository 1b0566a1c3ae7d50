import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct PruneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prune", abstract: "Remove outputs that have been replaced by newer ones.",
    discussion: """
      Keeps the newest output of every stage, including stages of other pipeline files that use the same store. Asks \
      for confirmation; without a terminal, --yes is required.
      """)

  @OptionGroup var options: SpecArguments

  @Option(help: ArgumentHelp("Newest outputs to keep per stage.", valueName: "count"))
  var keep = 1

  @Flag(help: "Also remove what only ablations of the pipeline need.")
  var ablations = false

  @Flag(help: "Show what would be removed, and how many bytes that frees.")
  var dryRun = false

  @Flag(help: "Skip the confirmation.")
  var yes = false

  func validate() throws {
    if keep < 1 { throw ValidationError("--keep must be 1 or more, not \(keep).") }
  }

  func run() throws {
    let graph = try options.graph()
    let store = try options.openStore(graph)
    let pruning = try Pruning(graph: graph, store: store, keep: keep, ablations: ablations)
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
      throw RunError(
        .selection, "nothing was removed: there is no terminal to ask for confirmation",
        hint: "Use --yes to remove without confirmation.")
    }
    try pruning.run()
    Console.line("\(what) freed")
  }
}

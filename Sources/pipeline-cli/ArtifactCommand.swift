import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct ArtifactCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "artifact", abstract: "Print the path of a stage's newest output.",
    usage: "pipeline artifact [<pipeline-file>] <stage>[.<port>]",
    discussion: """
      Without a port, prints the folder of the stage's first output that has files. Exit code: 1 if the stage has no \
      finished output yet, 2 if there is no such stage or output.

      EXAMPLES
        ls "$(pipeline artifact corpus.json tokenizer)"
        pipeline artifact corpus.json dedupe.documents
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "The stage, or <stage>.<port>.")
  var stage: String?

  func run() throws {
    let (graph, name) = try options.graph(and: stage, called: "stage")
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    let stage = parts.first ?? ""
    let index = try graph.node(named: stage)
    let outputs = graph.nodes[index].description.outputs.filter { !$0.isHidden }.map(\.name)
    guard let first = outputs.first else { throw RunError(.selection, "'\(stage)' has no output") }
    let named = parts.count > 1 ? parts[1] : nil
    if let named, !outputs.contains(named) {
      throw RunError(.selection, "'\(stage)' has no output '\(named)'" + suggestion(for: named, among: outputs))
    }
    let store = try options.openStore(graph)
    guard let manifest = try store.newestSealed(stage: stage, pipeline: graph.document.name)?.manifest else {
      throw RunError(
        .damaged, "'\(stage)' has no finished output yet",
        hint: "Create it with `pipeline run \(graph.document.path) --until \(stage)`.")
    }
    let port = named ?? outputs.first { !manifest.files(of: $0).isEmpty } ?? first
    let folder = store.artifacts.directory(of: manifest)
    if let damage = store.artifacts.firstDamage(manifest.files(of: port), in: folder) {
      throw RunError(
        .damaged, "the newest output of '\(stage)' is damaged: \(damage)",
        hint: "Run again: only the missing parts are recomputed.")
    }
    guard !manifest.files(of: port).contains(where: \.isPassed) else {
      throw RunError(
        .damaged, "the documents of '\(stage)' went to the next stage in memory and were not kept",
        hint:
          "Make them with `pipeline run \(graph.document.path) --until \(stage)`; \"keep\": true on the stage keeps "
          + "those of every run.")
    }
    Console.path("\(Self.absolute(folder))/\(port)")
  }

  private static func absolute(_ path: String) -> String {
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}

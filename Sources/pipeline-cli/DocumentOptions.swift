import ArgumentParser
import PipelineKit
import Stages

/// The document, its parameters and its store: shared by most commands.
struct DocumentOptions: ParsableArguments {
  @Argument(help: "The pipeline document.", completion: .file(extensions: ["json"]))
  var document: String

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Set a parameter of the document; may be repeated.", valueName: "name=value"))
  var parameters: [String] = []

  @Option(help: ArgumentHelp("The store's folder (default: .pipeline beside the document).", valueName: "folder"))
  var store: String?

  func graph() throws -> Graph {
    let overrides = try parameters.map { text -> (name: String, value: String) in
      guard let equals = text.firstIndex(of: "=") else {
        throw ValidationError("--set wants name=value, not '\(text)'")
      }
      return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
    return try Graph(try PipelineDocument.load(document, overrides: overrides), registry: .builtin)
  }

  func storeRoot(_ graph: Graph) -> String { store ?? graph.document.folder + "/.pipeline" }

  func openStore(_ graph: Graph) throws -> RunStore { try RunStore(root: storeRoot(graph)) }
}

/// Which stages a command looks at.
struct SelectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Run this stage anew, and what depends on its result; nothing before it.", valueName: "stage"))
  var from: [String] = []

  @Option(help: ArgumentHelp("Run nothing that this stage does not need.", valueName: "stage"))
  var until: [String] = []

  @Option(help: ArgumentHelp("Run just this stage.", valueName: "stage"))
  var only: [String] = []

  @Flag(help: "Run the selected stages anew, whatever was done before.")
  var force = false

  func apply(to settings: inout PipelineRun.Settings) {
    settings.from = from
    settings.until = until
    settings.only = only
    settings.force = force
  }
}

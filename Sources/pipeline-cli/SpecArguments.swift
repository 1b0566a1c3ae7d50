import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

/// The document, its parameters and its store: shared by most commands.
struct SpecArguments: ParsableArguments {
  @Argument(
    help: "The pipeline document (default: $PIPELINE_DOCUMENT, or the only one in the current folder).",
    completion: .file(extensions: ["json"]))
  var document: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Set a parameter of the document; may be repeated.", valueName: "name=value"))
  var parameters: [String] = []

  @Option(help: ArgumentHelp("The store's folder (default: .pipeline beside the document).", valueName: "folder"))
  var store: String?

  func validate() throws { _ = try overrides() }

  private func overrides() throws -> [(name: String, value: String)] {
    try parameters.map { text in
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw ValidationError("--set wants name=value, not '\(text)'.")
      }
      return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
  }

  /// Reads the document named, or the one that goes without saying.
  func graph() throws -> Graph { try graph(document) }

  /// For commands that take a document and one more word, of which the document may be left out: a single word is the
  /// document only if it is a JSON file.
  /// - Returns: the graph and the other word.
  func graph(and word: String?, called name: String) throws -> (graph: Graph, word: String) {
    if let word { return (try graph(document), word) }
    if let document, !document.hasSuffix(".json") { return (try graph(nil), document) }
    throw ValidationError("Missing expected argument '<\(name)>'.")
  }

  /// As above, where the other word may be left out too.
  func graph(andPerhaps word: String?) throws -> (graph: Graph, word: String?) {
    if word == nil, let document, !document.hasSuffix(".json") { return (try graph(nil), document) }
    return (try graph(document), word)
  }

  private func graph(_ path: String?) throws -> Graph {
    let document = try PipelineSpec.load(path ?? Self.impliedDocument(), overrides: try overrides())
    let graph = try Graph(document, registry: .builtin)
    for notice in graph.notices { Console.warning(notice.description) }
    return graph
  }

  /// `$PIPELINE_DOCUMENT`, or the only pipeline document in the current folder.
  private static func impliedDocument() throws -> String {
    if let path = getenv("PIPELINE_DOCUMENT").map({ String(cString: $0) }), !path.isEmpty { return path }
    let found = try FileSystem.list(".", others: .passedOver).filter { $0.hasSuffix(".json") && isPipeline($0) }
    if found.count == 1 { return found[0] }
    guard !found.isEmpty else {
      throw RunError(
        .selection, "no pipeline document is named, and there is none in the current folder",
        hint: "Name one, as in `pipeline run corpus.json`, set PIPELINE_DOCUMENT, or write one with `pipeline init`.")
    }
    throw RunError(
      .selection,
      "no pipeline document is named, and the current folder has \(found.count): "
        + found.prefix(5).joined(separator: ", "),
      hint: "Name one, or set PIPELINE_DOCUMENT.")
  }

  private static func isPipeline(_ path: String) -> Bool {
    guard let text = try? FileSystem.read(path, limit: 4 << 20), let root = try? JSONValue.parse(text).value else {
      return false
    }
    return root["format"] != nil && root["stages"] != nil
  }

  func storeRoot(_ graph: Graph) -> String { store ?? graph.document.folder + "/.pipeline" }

  /// - Parameter creating: false for commands that only look.
  func openStore(_ graph: Graph, creating: Bool = false) throws -> RunStore {
    try RunStore(root: storeRoot(graph), creating: creating)
  }
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

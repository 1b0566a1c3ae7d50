import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

/// The pipeline file, its parameters and its store: shared by most commands.
struct SpecArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "The pipeline file (default: $PIPELINE_DOCUMENT, or the only one in the current folder).",
      valueName: "pipeline-file"),
    completion: .file(extensions: ["json", "jsonc", "yaml", "yml"]))
  var document: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Set a parameter of the pipeline file, or a value in it, such as stages.dedupe.options.threshold=0.8; repeatable.",
      valueName: "name=value"))
  var parameters: [String] = []

  @Option(
    help: ArgumentHelp("Folder of the store (default: .pipeline next to the pipeline file).", valueName: "folder"))
  var store: String?

  @Option(
    help: ArgumentHelp(
      "Ask about a variant that `pipeline ablate` ran, such as without-dedupe/seed-1.", valueName: "variant"))
  var variant: String?

  @OptionGroup var site: ProfileOption

  func validate() throws {
    _ = try overrides()
    guard variant == nil || parameters.isEmpty else {
      throw ValidationError("--set changes nothing of a --variant, whose values are those that it ran with.")
    }
  }

  private func overrides() throws -> [(name: String, value: String)] { try Self.overrides(parameters) }

  private static func overrides(_ parameters: [String]) throws -> [(name: String, value: String)] {
    try parameters.map { text in
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw ValidationError("--set must be name=value, not '\(text)'.")
      }
      return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
  }

  /// Reads the named pipeline file, or the implied one.
  func graph() throws -> Graph { try graph(document) }

  /// For commands that take an optional pipeline file and one more argument: a single argument is the pipeline file
  /// only if it is named like one.
  /// - Returns: the graph and the other argument.
  func graph(and word: String?, called name: String) throws -> (graph: Graph, word: String) {
    if let word { return (try graph(document), word) }
    if let document, !DocumentSyntax.isDocument(document) { return (try graph(nil), document) }
    throw ValidationError("Missing expected argument '<\(name)>'.")
  }

  /// Like the above, with the other argument optional too.
  func graph(andPerhaps word: String?) throws -> (graph: Graph, word: String?) {
    if word == nil, let document, !DocumentSyntax.isDocument(document) { return (try graph(nil), document) }
    return (try graph(document), word)
  }

  /// Like the above, with any number of other arguments.
  func graph(andAny words: [String]) throws -> (graph: Graph, words: [String]) {
    if let document, !DocumentSyntax.isDocument(document) { return (try graph(nil), [document] + words) }
    return (try graph(document), words)
  }

  /// The same for commands that read the pipeline file in several ways.
  /// - Returns: the path of the pipeline file and the other argument.
  func documentPath(and word: String?, called name: String) throws -> (path: String, word: String) {
    try refuseVariant()
    if let word { return (try document ?? Self.impliedDocument(), word) }
    if let document, !DocumentSyntax.isDocument(document) { return (try Self.impliedDocument(), document) }
    throw ValidationError("Missing expected argument '<\(name)>'.")
  }

  /// The path of the pipeline file, named or implied, for commands that read it in several ways.
  func documentPath() throws -> String {
    try refuseVariant()
    return try document ?? Self.impliedDocument()
  }

  private func refuseVariant() throws {
    guard variant != nil else { return }
    throw ValidationError("--variant is for commands that show what was run; this one asks about the pipeline file.")
  }

  private func graph(_ path: String?) throws -> Graph {
    let path = try path ?? Self.impliedDocument()
    if let variant { return try graph(of: variant, of: path) }
    return try Self.graph(of: path, setting: parameters, site: site)
  }

  /// A variant as its ablation ran it.
  private func graph(of variant: String, of path: String) throws -> Graph {
    let root = store ?? "\(PipelineSpec.folder(of: path))/.pipeline"
    let place = try ProfileFile.values(site.parts, beside: ArchivePath.parent(of: path) ?? ".")
    let pipeline = try PipelineSpec.load(path, place: place, registry: .builtin).name
    let file = PipelineVariant.path(variant, store: root, pipeline: pipeline)
    guard ArchivePath.isSafe(variant), FileSystem.exists(file) else {
      let folder = PipelineVariant.folder(store: root, pipeline: pipeline)
      let known = ((try? FileSystem.walk(folder)) ?? []).map { String($0.dropLast(".json".count)) }
      throw RunError(
        .selection,
        "no ablation of '\(pipeline)' has the variant '\(variant)'" + suggestion(for: variant, among: known),
        hint: known.isEmpty
          ? "Run `pipeline ablate` first." : "Known ones: \(known.sorted().prefix(10).joined(separator: ", ")).")
    }
    let record = try VariantRecord(jsonFile: file, limit: PipelineSpec.mostBytes)
    let text = Array(record.pipeline.text().utf8)
    let spec = try PipelineSpec.parse(text, path: record.file ?? path, registry: .builtin)
    return try Graph(spec, registry: .builtin)
  }

  /// A setting of `STAGE.OPTION`, unless the pipeline file has a parameter of this name, as one of its path.
  /// - Throws: `RunError` (`.selection`) if it names neither a parameter nor an option of a stage.
  static func qualified(_ setting: String, in graph: Graph) throws -> String {
    let name = setting.prefix { $0 != "=" }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { String($0) }
    let isParameter = graph.document.parameters.contains { $0.name.utf8.elementsEqual(name.utf8) }
    guard parts.count > 1, parts[0] != "stages", !isParameter else { return setting }
    let options = graph.nodes[try graph.node(named: parts[0])].description.options.map(\.name)
    guard options.contains(parts[1]) else {
      throw RunError(
        .selection, "'\(parts[0])' has no option '\(parts[1])'" + suggestion(for: parts[1], among: options))
    }
    return "stages.\(parts[0]).options.\(setting.dropFirst(parts[0].count + 1))"
  }

  /// - Parameter parameters: as `--set` takes them.
  static func graph(
    of path: String, setting parameters: [String], site: ProfileOption, isQuiet: Bool = false
  ) throws -> Graph {
    let place = try ProfileFile.values(site.parts, beside: ArchivePath.parent(of: path) ?? ".")
    let document = try PipelineSpec.load(path, overrides: try overrides(parameters), place: place, registry: .builtin)
    let graph = try Graph(document, registry: .builtin)
    for notice in isQuiet ? [] : graph.notices { Console.warning(notice.description) }
    return graph
  }

  /// `$PIPELINE_DOCUMENT`, or the only pipeline file in the current folder.
  private static func impliedDocument() throws -> String {
    if let path = getenv("PIPELINE_DOCUMENT").map({ String(cString: $0) }), !path.isEmpty { return path }
    let found = try FileSystem.list(".", others: .passedOver).filter { DocumentSyntax.isDocument($0) && isPipeline($0) }
    if found.count == 1 { return found[0] }
    guard !found.isEmpty else {
      throw RunError(
        .selection, "no pipeline file is given, and the current folder contains none",
        hint: "Name one, as in `pipeline run corpus.json`, set PIPELINE_DOCUMENT, or create one with `pipeline init`.")
    }
    throw RunError(
      .selection,
      "no pipeline file is given, and the current folder contains \(found.count): "
        + found.prefix(5).joined(separator: ", "),
      hint: "Name one, or set PIPELINE_DOCUMENT.")
  }

  private static func isPipeline(_ path: String) -> Bool {
    guard let text = try? FileSystem.read(path, limit: 4 << 20),
      let root = try? DocumentSyntax(path: path).parse(text).value
    else { return false }
    return root["format"] != nil && (root["stages"] != nil || root["extends"] != nil)
  }

  func storeRoot(_ graph: Graph) -> String {
    if let store { return store }
    // A variant's file may be in another folder than the pipeline's.
    guard variant != nil else { return graph.document.folder + "/.pipeline" }
    let named = document.flatMap { DocumentSyntax.isDocument($0) ? $0 : nil }
    let folder = (named ?? (try? Self.impliedDocument())).map { PipelineSpec.folder(of: $0) }
    return (folder ?? graph.document.folder) + "/.pipeline"
  }

  /// - Parameters:
  ///   - creating: false for read-only commands.
  ///   - replacing: whether a new database may replace a damaged one.
  ///   - isShared: whether other machines use the store, for which its path must not depend on the working folder.
  ///   - leavingOpen: the process ends after this command, and nothing has to be gone from the database's files.
  func openStore(
    _ graph: Graph, creating: Bool = false, replacing: Bool = true, isShared: Bool = false, leavingOpen: Bool = true
  ) throws -> RunStore {
    var root = storeRoot(graph)
    if isShared, !root.hasPrefix("/") { root = "\(FileSystem.realPath("."))/\(root)" }
    let store = try RunStore(root: root, creating: creating, replacing: replacing)
    if let damaged = store.damagedDatabase {
      Console.warning(
        "the store's database was damaged and was moved to \(damaged); finished work is recovered from manifests"
      )
    }
    if leavingOpen { store.leaveOpen() }
    return store
  }
}

/// The selection of stages to run.
struct SelectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Rerun this stage and what depends on it, but nothing upstream.", valueName: "stage"))
  var from: [String] = []

  @Option(help: ArgumentHelp("Run only this stage and what it needs.", valueName: "stage"))
  var until: [String] = []

  @Option(help: ArgumentHelp("Run only this stage.", valueName: "stage"))
  var only: [String] = []

  @Flag(help: "Rerun the selected stages from scratch.")
  var force = false

  func apply(to settings: inout PipelineRun.Settings) {
    settings.from = from
    settings.until = until
    settings.only = only
    settings.force = force
  }
}

import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct WhatIfCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "what-if", abstract: "Show what other options of a stage would keep and drop, without running it.",
    usage: "pipeline what-if [<pipeline-file>] <stage> --set <name=value> … [--sweep <name=values>]",
    discussion: """
      Answers from measures and counts that earlier runs have stored, in seconds. A --set that changes the stage's \
      options is the change that is asked about; any other one is taken as given, as in the run. <name> is a \
      parameter, a path such as stages.gate.options.require.long, or an option of the stage: require.long.

      EXAMPLES
        pipeline what-if corpus.json gate --set 'require.long=characters >= 500'
        pipeline what-if corpus.json gate --sweep threshold=0.5:0.9:0.05 --svg curve.svg
      """)

  @OptionGroup var options: SpecArguments

  @Argument(help: "Name of the stage in the pipeline file.")
  var stage: String?

  @Option(help: ArgumentHelp("Ask for several values, and draw the curve.", valueName: "name=values"))
  var sweep: String?

  @Option(help: ArgumentHelp("The measure that amounts are sums of.", valueName: "measure"))
  var weight = "characters"

  @Option(help: ArgumentHelp("The field by whose values amounts are told apart.", valueName: "field"))
  var by = "source"

  @Option(help: ArgumentHelp("Documents to show per direction.", valueName: "count"))
  var samples = 5

  @Option(help: ArgumentHelp("Write the curve of --sweep to this file.", valueName: "file"), completion: .file())
  var svg: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    guard sweep != nil || !options.parameters.isEmpty else {
      throw ValidationError("Nothing is asked. Name a change with --set name=value or --sweep name=values.")
    }
    guard svg == nil || sweep != nil else {
      throw ValidationError("--svg draws the curve of --sweep, which is missing.")
    }
    _ = try sweep.map { try Sweep($0) }
  }

  func run() throws {
    let (document, stage) = try options.documentPath(and: stage, called: "stage")
    let settings = try WhatIfSettings(options, document, stage)
    let sweep = try sweep.map { try Sweep($0) }
    let others =
      try sweep.map { sweep in try sweep.values.map { try settings.graph(sweep.name, $0) } }
      ?? [try settings.changed()]
    let store = try options.openStore(settings.base)
    let question = WhatIfQuestion(weight: weight, group: by, samples: sweep == nil ? max(0, samples) : 0)
    let answer = try WhatIf(
      stage: stage, graph: settings.base, others: others, store: store, question: question)
    if let sweep {
      try show(sweep, answer)
    } else if json {
      Console.json(try WhatIfReport(answer, question).json)
    } else {
      for line in try WhatIfReport(answer, question).lines(Style(STDOUT_FILENO)) { Console.line(line) }
    }
  }

  private func show(_ sweep: Sweep, _ answer: WhatIf) throws {
    let curve = SweepCurve(sweep, answer, weight: weight)
    if let svg { try FileSystem.write(Array(curve.svg.utf8), to: svg) }
    if json { return Console.json(curve.json) }
    for line in curve.lines(Style(STDOUT_FILENO)) { Console.line(line) }
  }
}

/// The pipeline as it is, and as other settings would have it.
struct WhatIfSettings {
  let base: Graph
  private let document: String
  private let stage: String
  private let given: [String]
  private let changes: [String]
  private let site: ProfileOption

  /// A setting that changes the stage's options is a change; any other one is given.
  init(_ options: SpecArguments, _ document: String, _ stage: String) throws {
    (self.document, self.stage, site) = (document, stage, options.site)
    let plain = try? SpecArguments.graph(of: document, setting: [], site: options.site, isQuiet: true)
    let settings = options.parameters.map { Self.qualified($0, stage, plain) }
    let all = try SpecArguments.graph(of: document, setting: settings, site: options.site, isQuiet: true)
    let index = try all.node(named: stage)
    var given: [String] = []
    var changes: [String] = []
    for (place, setting) in settings.enumerated() {
      var others = settings
      others.remove(at: place)
      let without = try? SpecArguments.graph(of: document, setting: others, site: options.site, isQuiet: true)
      let isChange = without.map { !$0.hasSameOptions(all, index) } ?? false
      if isChange { changes.append(setting) } else { given.append(setting) }
    }
    (self.given, self.changes) = (given, changes)
    base = try SpecArguments.graph(of: document, setting: given, site: options.site)
  }

  /// The pipeline with all changes.
  func changed() throws -> Graph {
    guard !changes.isEmpty else {
      throw RunError(
        .selection, "no --set changes an option of '\(stage)', so everything would stay as it is",
        hint: "'pipeline stages \(base.nodes[try base.node(named: stage)].description.name)' lists its options.")
    }
    return try SpecArguments.graph(of: document, setting: given + changes, site: site, isQuiet: true)
  }

  /// The pipeline with all changes and one more value.
  func graph(_ name: String, _ value: String) throws -> Graph {
    let setting = Self.qualified("\(name)=\(value)", stage, base)
    return try SpecArguments.graph(of: document, setting: given + changes + [setting], site: site, isQuiet: true)
  }

  /// A name of one of the stage's options is that option, unless the pipeline file has a parameter of this name.
  private static func qualified(_ setting: String, _ stage: String, _ graph: Graph?) -> String {
    let name = setting.prefix { $0 != "=" && $0 != "." }
    guard let graph, let index = graph.index(of: stage),
      !graph.document.parameters.contains(where: { $0.name == name }),
      graph.nodes[index].description.options.contains(where: { $0.name == name })
    else { return setting }
    return "stages.\(stage).options.\(setting)"
  }
}

extension Graph {
  /// Whether a stage has the same options in another graph.
  fileprivate func hasSameOptions(_ other: Graph, _ index: Int) -> Bool {
    guard other.nodes.indices.contains(index), nodes.indices.contains(index),
      nodes[index].name == other.nodes[index].name
    else { return false }
    let (own, theirs) = (nodes[index].configured, other.nodes[index].configured)
    return own.options.map(\.value) == theirs.options.map(\.value)
  }
}

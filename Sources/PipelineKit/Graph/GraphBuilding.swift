import ShardKit

/// Turns the stages of a pipeline file into nodes; collects all errors.
struct GraphBuilding {
  let document: PipelineSpec
  let registry: StageRegistry
  private(set) var errors = SpecErrors(errors: [])
  /// Notices about names from the previous release.
  private(set) var notices: [SpecError] = []
  private let places: [ExactText: Int]

  init(document: PipelineSpec, registry: StageRegistry) {
    self.document = document
    self.registry = registry
    places = Dictionary(
      document.stages.enumerated().map { (ExactText($1.name), $0) }, uniquingKeysWith: { first, _ in first })
  }

  mutating func nodes() -> [Graph.Node] {
    var out: [Graph.Node] = []
    for stage in document.stages {
      let path = "stages.\(stage.name)"
      let registry = self.registry
      guard let description = registry[stage.use] else {
        fail(
          stage.useOffset, "\(path).use",
          "no stage kind is named '\(stage.use)'" + suggestion(for: stage.use, among: registry.names))
        continue
      }
      if description.name != stage.use {
        let message = renamed(stage.use, to: description.name)
        notices.append(document.error(at: stage.useOffset, "\(path).use", message))
      }
      let edges = edges(of: stage, description, path)
      guard let configured = configure(stage, description, path) else { continue }
      out.append(
        Graph.Node(
          name: stage.name, description: description, configured: configured, edges: edges, retries: stage.retries,
          timeoutSeconds: stage.timeoutSeconds, mayBeEmpty: stage.mayBeEmpty, keeps: stage.keeps))
    }
    return out
  }

  private mutating func fail(_ offset: Int?, _ path: String, _ message: @autoclosure () -> String) {
    errors.add(document.error(at: offset, path, message()))
  }

  private mutating func configure(
    _ stage: PipelineSpec.Stage, _ description: StageDescription, _ path: String
  ) -> ConfiguredStage? {
    switch description.make(stage.options) {
    case .success(let configured):
      notices += configured.notices.map { notice in
        document.error(at: notice.offset, "\(path).options" + (notice.option.map { ".\($0)" } ?? ""), notice.message)
      }
      return configured
    case .failure(let failure):
      for issue in failure.issues {
        let place = issue.option.map { "\(path).options.\($0)" } ?? "\(path).options"
        fail(
          issue.offset ?? stage.options.first { $0.key == issue.option }?.node.offset ?? stage.optionsOffset, place,
          issue.message)
      }
      errors.omitted += failure.omitted
      return nil
    }
  }

  private mutating func edges(
    of stage: PipelineSpec.Stage, _ description: StageDescription, _ path: String
  ) -> [Graph.Edge] {
    var edges: [Graph.Edge] = []
    for reference in stage.inputs {
      let place = "\(path).inputs.\(reference.port)"
      guard let port = description.inputs.first(where: { $0.name == reference.port }) else {
        let known = description.inputs.map(\.name)
        let message =
          known.isEmpty
          ? "'\(description.name)' has no inputs" : "'\(description.name)' has no input '\(reference.port)'"
        fail(reference.portOffset, place, message + suggestion(for: reference.port, among: known))
        continue
      }
      if reference.sources.count > 1, !port.acceptsMany {
        fail(reference.portOffset, place, "takes one stage, not \(reference.sources.count)")
      }
      if !port.acceptsNames, let name = reference.sources.lazy.compactMap(\.name).first {
        fail(
          reference.portOffset, place, "takes no names such as '\(name)': write a stage name or a list of stage names")
      }
      // A group is one word: what is wrong with several of its stages is one mistake.
      var failed: Set<Int> = []
      for source in reference.sources where !failed.contains(source.offset) {
        if let edge = edge(port, source, place) { edges.append(edge) } else { failed.insert(source.offset) }
      }
    }
    for port in description.inputs
    where port.isRequired && !stage.inputs.contains(where: { $0.port == port.name && !$0.sources.isEmpty }) {
      fail(
        stage.nameOffset, "\(path).inputs",
        "the input '\(port.name)' (\(port.kind.rawValue)) is not wired: \(port.documentation)")
    }
    return edges
  }

  private mutating func edge(
    _ port: InputPort, _ source: PipelineSpec.InputReference.Source, _ place: String
  ) -> Graph.Edge? {
    guard let index = places[ExactText(source.stage)] else {
      let stages = document.stages
      let groups = document.groups.map(\.name)
      fail(
        source.offset, place,
        "no stage is named '\(source.stage)'"
          + suggestion(for: source.stage, among: groups + stages.prefix(256).map(\.name)))
      return nil
    }
    guard let description = registry[document.stages[index].use] else { return nil }
    let visible = description.outputs.filter { !$0.isHidden }
    let output: OutputPort
    if let name = source.port {
      guard let named = visible.first(where: { $0.name == name }) else {
        fail(
          source.offset, place,
          "'\(source.stage)' has no output '\(name)'" + suggestion(for: name, among: visible.map(\.name)))
        return nil
      }
      output = named
    } else {
      guard let fitting = visible.first(where: { port.kind.accepts($0.kind) }) ?? visible.first else {
        fail(source.offset, place, "'\(source.stage)' has no output that can be read")
        return nil
      }
      output = fitting
    }
    guard port.kind.accepts(output.kind) else {
      fail(
        source.offset, place,
        "reads \(port.kind.rawValue), but '\(source.stage).\(output.name)' is \(output.kind.rawValue)")
      return nil
    }
    return Graph.Edge(input: port.name, source: index, output: output.name, name: source.name)
  }
}

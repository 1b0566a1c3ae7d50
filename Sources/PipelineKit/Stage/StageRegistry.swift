/// The stage kinds available to pipeline files.
///
///     let registry = StageRegistry([StageDescription(TextClean.self), StageDescription(TextTruncate.self)])
///     let graph = try Graph(PipelineSpec.load("corpus.json"), registry: registry)
///
/// `StageRegistry.builtin` of the module `Stages` has the kinds that come with pipeline.
public struct StageRegistry: Sendable {
  public let stages: [StageDescription]
  /// By name and by former name.
  private let places: [String: Int]

  /// Ends the program when two kinds have the same name or former name: that is a fault of the program, not of its
  /// input.
  public init(_ stages: [StageDescription]) {
    if let twice = Self.collision(in: stages) { fatalError("two stage kinds are named '\(twice)'") }
    self.stages = stages.sorted { $0.name < $1.name }
    var places: [String: Int] = [:]
    for (place, stage) in self.stages.enumerated() {
      for name in [stage.name] + stage.formerNames { places[name] = place }
    }
    self.places = places
  }

  /// A name, including former ones, that two kinds have.
  public static func collision(in stages: [StageDescription]) -> String? {
    repeated(stages.map(\.name) + stages.flatMap(\.formerNames))
  }

  /// The kind with this current or former name.
  public subscript(name: String) -> StageDescription? { places[name].map { stages[$0] } }
  public var names: [String] { stages.map(\.name) }
}

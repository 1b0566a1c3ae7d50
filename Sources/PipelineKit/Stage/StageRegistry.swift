import Synchronization

/// The stage kinds available to pipeline files.
///
///     let registry = StageRegistry(kinds: [TextClean.self, TextTruncate.self])
///     let graph = try Graph(PipelineSpec.load("corpus.json"), registry: registry)
///
/// `StageRegistry.builtin` of the module `Stages` has the kinds that come with pipeline.
public struct StageRegistry: Sendable {
  private let entries: [Entry]
  /// By name and by former name.
  private let places: [String: Int]

  /// The kinds are described when they are asked for: reading the options of all of them took half of a program's start.
  ///
  /// Ends the program when two kinds have the same name or former name: that is a fault of the program, not of its
  /// input.
  public init(kinds: [any Stage.Type]) { self.init(kinds.map(Entry.init)) }

  /// As `init(kinds:)`.
  public init(_ stages: [StageDescription]) { self.init(stages.map(Entry.init)) }

  private init(_ entries: [Entry]) {
    if let twice = Self.collision(entries) { fatalError("two stage kinds are named '\(twice)'") }
    self.entries = entries.sorted { $0.name < $1.name }
    var places: [String: Int] = [:]
    for (place, entry) in self.entries.enumerated() {
      for name in [entry.name] + entry.formerNames { places[name] = place }
    }
    self.places = places
  }

  /// A name, including former ones, that two kinds have.
  public static func collision(in stages: [StageDescription]) -> String? { collision(stages.map(Entry.init)) }

  private static func collision(_ entries: [Entry]) -> String? {
    repeated(entries.map(\.name) + entries.flatMap(\.formerNames))
  }

  /// The kind with this current or former name.
  public subscript(name: String) -> StageDescription? { places[name].map { entries[$0].description } }
  public var names: [String] { entries.map(\.name) }
  /// All of them, by name.
  public var stages: [StageDescription] { entries.map(\.description) }
}

/// A stage kind and its description, once it was asked for.
private final class Entry: Sendable {
  let name: String
  let formerNames: [String]
  private let describe: @Sendable () -> StageDescription
  private let described = Mutex<StageDescription?>(nil)

  init(_ kind: any Stage.Type) {
    name = kind.name
    formerNames = kind.formerNames
    describe = { StageDescription(kind) }
  }

  init(_ description: StageDescription) {
    name = description.name
    formerNames = description.formerNames
    describe = { description }
  }

  var description: StageDescription {
    described.withLock { known in
      if let known { return known }
      let description = describe()
      known = description
      return description
    }
  }
}

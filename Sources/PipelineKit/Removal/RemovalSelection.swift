public import ShardKit

/// Which documents to take down by what they say of themselves: their source, license, web address or metadata.
public struct RemovalSelection: Sendable {
  public enum Condition: Sendable, Equatable {
    /// The field `source`.
    case source(String)
    /// `metadata.license` or `metadata.licence`, whatever the case.
    case license(String)
    /// `metadata.url`, or an id that is an address; see `AddressPattern`.
    case url(String)
    /// A member of the metadata by its path (`a.b`), as text.
    case member([String], String)
  }

  /// All must hold.
  public let conditions: [Condition]

  /// By the texts of the conditions.
  private let patterns: [ExactText: AddressPattern]

  /// - Parameter normalize: the normal form of an address; nil if it is none.
  public init(conditions: [Condition], normalize: @escaping @Sendable (String) -> String? = { _ in nil }) {
    self.conditions = conditions
    var patterns: [ExactText: AddressPattern] = [:]
    for case .url(let text) in conditions { patterns[ExactText(text)] = AddressPattern(text, normalize) }
    self.patterns = patterns
  }

  /// The ids of the documents, from the newest outputs of the stages that bring documents in. What such a stage handed on
  /// in memory, it reads once more.
  /// - Parameter notice: is told what takes a while.
  /// - Throws: `RunError` or `ShardError` if the database or an output cannot be read; `RunError` (`.selection`) or
  ///   `StageError` if documents were not kept and cannot be read again.
  public func ids(
    graph: Graph, store: RunStore, jobs: Int = availableProcessors(), notice: (String) -> Void = { _ in }
  ) throws -> [String] {
    var out: [String] = []
    for index in graph.order where !graph.nodes[index].readsDocuments {
      let node = graph.nodes[index]
      guard let manifest = try store.newestSealed(stage: node.name, pipeline: graph.document.name)?.manifest else {
        continue
      }
      for port in node.description.outputs where port.kind == .documents && !port.isHidden {
        for file in store.artifacts.files(manifest, port: port.name) where !file.isPassed {
          let reader = try DocumentReader(path: file.path)
          var document = Document()
          while try reader.next(&document) { if holds(for: document) { out.append(document.idString) } }
        }
      }
      guard manifest.files.contains(where: \.isPassed) else { continue }
      notice("'\(node.name)' reads its documents once more: they were handed on in memory and not kept")
      let passed = PassedDocuments(graph: graph, store: store, index: index, manifest: manifest, jobs: jobs)
      out += try passed.compactMap { holds(for: $0) ? $0.idString : nil }
    }
    return out
  }

  func holds(for document: Document) -> Bool {
    lazy var metadata = (try? JSONValue.parse(document.metadata))?.value ?? .null
    return conditions.allSatisfy { condition in
      switch condition {
      case .source(let name): document.source.elementsEqual(name.utf8)
      case .license(let name):
        ["license", "licence"].contains { metadata[$0]?.string?.lowercased() == name.lowercased() }
      case .url(let pattern):
        patterns[ExactText(pattern)]?.matches(metadata["url"]?.string ?? document.idString) ?? false
      case .member(let path, let value): Self.text(path.reduce(metadata) { $0?[$1] }) == value
      }
    }
  }

  private static func text(_ value: JSONValue?) -> String? { value.map { $0.string ?? $0.text() } }
}

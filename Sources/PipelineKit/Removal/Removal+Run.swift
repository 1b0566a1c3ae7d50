import ShardKit

/// A copy that takes the place of a removed document.
public struct PromotedDocument: Sendable, Equatable {
  public var stage: String
  public var id: String
}

extension Removal {
  /// What the outputs still hold of the documents, by themselves or by name; nothing once a run has left them out.
  /// - Throws: `RunError` or `ShardError` if the database or an output cannot be read.
  public func remaining(_ ids: [String]) throws -> RemovalTargets {
    try RemovalTargets(ids: ids, graph: graph, store: store)
  }

  /// Conceals the ids in what the database says of failures.
  /// - Throws: `RunError` or `ShardError` if the database cannot be written.
  public func conceal(_ ids: [String]) throws { try store.conceal(ids) }

  /// The copies that stages keep now in place of removed documents.
  /// - Parameter before: where the documents were, and whose survivors.
  /// - Throws: `RunError` or `ShardError` if the database or an output cannot be read.
  public func promoted(since before: RemovalTargets) throws -> [PromotedDocument] {
    let stages = Set(before.places.filter { $0.form == .survivor }.map(\.stage))
    let removed = Set(before.ids.map { ExactText($0) })
    let copies = Set(before.relatives.values.flatMap { $0 }.map { ExactText($0) }).subtracting(removed)
    guard !stages.isEmpty, !copies.isEmpty else { return [] }
    let now = try RemovalTargets(ids: copies.sorted().map(\.text), graph: graph, store: store)
    var seen: Set<[ExactText]> = []
    return now.places.compactMap { place in
      guard place.form == .document, stages.contains(place.stage),
        seen.insert([ExactText(place.stage), ExactText(now.ids[place.document])]).inserted
      else { return nil }
      return PromotedDocument(stage: place.stage, id: now.ids[place.document])
    }
  }
}

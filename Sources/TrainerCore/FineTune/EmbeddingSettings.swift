public import ShardKit

/// How a model makes vectors of texts: next to the weights of a model that was trained to, in `embedding.json`.
public struct EmbeddingSettings: JSONRecord, Equatable, Sendable {
  public static let fileName = "embedding.json"

  public var pooling = Pooling.mean
  /// Whether vectors are meant to have length one.
  public var normalizes = true
  /// Before each query, such as "query: ".
  public var queryPrefix = ""
  /// Before each document.
  public var documentPrefix = ""
  /// Tokens of a text that count, from its beginning; nil: as many as the model takes.
  public var maximumLength: Int?

  public init() {}

  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member.
  public init(path: String) throws { try self.init(jsonFile: path) }
}

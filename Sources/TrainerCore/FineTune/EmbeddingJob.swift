import ShardKit

/// How a sentence's vector is made of its tokens'.
public enum Pooling: String, CaseIterable, Sendable {
  /// The mean over all tokens, special ones too.
  case mean
  /// The first token's.
  case cls
}

/// Texts to be turned into vectors, or to be searched. A stage writes it, a worker process reads it.
public struct EmbeddingJob: Equatable, Sendable {
  /// Folder of model.json and weights.safetensors.
  public var checkpoint = ""
  public var tokenizer = ""
  public var dictionary: String?
  /// JSON lines with `text`, and maybe `title` and an id.
  public var texts = ""
  /// Before each text, such as "query: ".
  public var prefix = ""
  public var pooling = Pooling.mean
  public var maximumLength = 512
  public var normalizes = false
  /// Vectors that the texts are searched for; empty to write the texts' own vectors.
  public var queries = ""
  /// Texts that are kept for each query.
  public var top = 100
  public var device = "cpu"
  public var precision = Parameters.Precision.float32
  public var threads = 1
  public var result = ""

  public init() {}

  public init(path: String) throws {
    let json = try JSONValue.parse(try FileSystem.read(path, limit: 1 << 20)).value
    guard let pooling = json["pooling"]?.string.flatMap(Pooling.init(rawValue:)) else {
      throw TorchError(.file, path, "is no embedding job")
    }
    self.pooling = pooling
    checkpoint = json["checkpoint"]?.string ?? ""
    tokenizer = json["tokenizer"]?.string ?? ""
    dictionary = json["dictionary"]?.string
    texts = json["texts"]?.string ?? ""
    prefix = json["prefix"]?.string ?? ""
    maximumLength = json["maximumLength"]?.integer ?? maximumLength
    normalizes = json["normalizes"]?.bool ?? false
    queries = json["queries"]?.string ?? ""
    top = json["top"]?.integer ?? top
    device = json["device"]?.string ?? device
    precision = json["precision"]?.string.flatMap(Parameters.Precision.init(rawValue:)) ?? .float32
    threads = json["threads"]?.integer ?? threads
    result = json["result"]?.string ?? ""
  }

  public var json: JSONValue {
    [
      "checkpoint": .string(checkpoint), "tokenizer": .string(tokenizer),
      "dictionary": dictionary.map { .string($0) } ?? .null, "texts": .string(texts), "prefix": .string(prefix),
      "pooling": .string(pooling.rawValue), "maximumLength": .integer(maximumLength),
      "normalizes": .bool(normalizes), "queries": .string(queries), "top": .integer(top),
      "device": .string(device), "precision": .string(precision.rawValue), "threads": .integer(threads),
      "result": .string(result),
    ]
  }
}

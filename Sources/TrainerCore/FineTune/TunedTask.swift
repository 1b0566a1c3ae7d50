public import ShardKit

/// What a model is fine-tuned for.
public enum TunedTask: Equatable, Sendable {
  case benchmark(JGLUEBenchmark)
  /// One of these labels for a text.
  case labels([String])

  /// Next to the weights of a fine-tuned model: the task of its head.
  public static let fileName = "task.json"
  private static let labelsName = "labels"
  /// More than one label, and no more than a head should have.
  public static let labelCounts = 2...1000

  public var name: String {
    switch self {
    case .benchmark(let benchmark): benchmark.rawValue
    case .labels: Self.labelsName
    }
  }

  public var head: ModelHead {
    switch self {
    case .benchmark(let benchmark): benchmark.head
    case .labels(let labels): .classification(labels: labels.count)
    }
  }

  /// The members of `task.json` that name the task.
  public var members: [JSONMember] {
    let name = JSONMember("task", .string(name))
    if case .labels(let labels) = self { return [name, JSONMember("labels", .strings(labels))] }
    return [name]
  }

  /// Reads `task.json`.
  /// - Throws: `ShardError` if the file cannot be read; `TorchError` (`file`) if it names no known task.
  public init(tuned path: String) throws {
    let json = try JSONValue.parse(try FileSystem.read(path, limit: 1 << 20)).value
    guard let task = Self(json) else {
      throw TorchError(
        .file, path, "does not name a known task: \((json["task"] ?? .null).text())",
        hint: "It should be written by 'model.finetune' or 'classifier.finetune'.")
    }
    self = task
  }

  private init?(_ json: JSONValue) {
    guard let name = json["task"]?.string else { return nil }
    if let benchmark = JGLUEBenchmark(rawValue: name) {
      self = .benchmark(benchmark)
      return
    }
    let labels = json["labels"]?.array?.compactMap(\.string) ?? []
    guard name == Self.labelsName, Self.labelCounts.contains(labels.count) else { return nil }
    self = .labels(labels)
  }
}

/// In a job: the name of a benchmark, or an object with the labels.
extension TunedTask: Codable {
  private enum Key: String, CodingKey { case labels }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .benchmark(let benchmark): try benchmark.encode(to: encoder)
    case .labels(let labels):
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(labels, forKey: .labels)
    }
  }

  public init(from decoder: any Decoder) throws {
    if let container = try? decoder.container(keyedBy: Key.self) {
      self = .labels(try container.decode([String].self, forKey: .labels))
    } else {
      self = .benchmark(try JGLUEBenchmark(from: decoder))
    }
  }
}

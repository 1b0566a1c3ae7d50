public import ShardKit

/// What a model is fine-tuned for.
public enum TunedTask: Equatable, Sendable {
  case benchmark(JGLUEBenchmark)
  case texts(TextTask)

  /// Next to the weights of a fine-tuned model: the task of its head.
  public static let fileName = "task.json"
  private static let labelsName = "labels"
  /// More than one label, and no more than a head should have.
  public static let labelCounts = 2...1000

  public var name: String {
    switch self {
    case .benchmark(let benchmark): benchmark.rawValue
    case .texts(.singleLabel): Self.labelsName
    case .texts(let task): task.kind.rawValue
    }
  }

  public var head: ModelHead {
    switch self {
    case .benchmark(let benchmark): benchmark.head
    case .texts(let task): task.head
    }
  }

  /// The members of `task.json` that name the task.
  public var members: [JSONMember] {
    let name = JSONMember("task", .string(name))
    guard case .texts(let task) = self, !task.labels.isEmpty else { return [name] }
    return [name, JSONMember("labels", .strings(task.labels))]
  }

  /// Reads `task.json`.
  /// - Throws: `ShardError` if the file cannot be read; `TorchError` (`file`) if it names no known task.
  public init(tuned path: String) throws {
    let json = try JSONValue.parse(try FileSystem.read(path, limit: 1 << 20)).value
    guard let task = Self(json) else {
      throw TorchError(
        .file, path, "does not name a known task: \((json["task"] ?? .null).text())",
        hint: "It should be written by 'model.finetune', 'classifier.finetune' or 'huggingface.read'.")
    }
    self = task
  }

  private init?(_ json: JSONValue) {
    guard let name = json["task"]?.string else { return nil }
    if let benchmark = JGLUEBenchmark(rawValue: name) {
      self = .benchmark(benchmark)
      return
    }
    guard let kind = name == Self.labelsName ? .singleLabel : TextTask.Kind(rawValue: name) else { return nil }
    let labels = json["labels"]?.array?.compactMap(\.string) ?? []
    let isSane =
      switch kind {
      case .singleLabel: Self.labelCounts.contains(labels.count)
      case .multiLabel: (1...Self.labelCounts.upperBound).contains(labels.count)
      case .regression: labels.isEmpty
      }
    guard isSane else { return nil }
    self = .texts(TextTask(kind, labels: labels))
  }
}

/// In a job: the name of a benchmark, or an object with the kind of task and its labels.
extension TunedTask: Codable {
  private enum Key: String, CodingKey { case kind, labels }

  public func encode(to encoder: any Encoder) throws {
    switch self {
    case .benchmark(let benchmark): try benchmark.encode(to: encoder)
    case .texts(let task):
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(task.kind, forKey: .kind)
      try container.encode(task.labels, forKey: .labels)
    }
  }

  public init(from decoder: any Decoder) throws {
    if let container = try? decoder.container(keyedBy: Key.self) {
      let kind = try container.decode(TextTask.Kind.self, forKey: .kind)
      self = .texts(TextTask(kind, labels: try container.decode([String].self, forKey: .labels)))
    } else {
      self = .benchmark(try JGLUEBenchmark(from: decoder))
    }
  }
}

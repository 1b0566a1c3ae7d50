public import ShardKit

/// What a fine-tuned encoder says of a text, or of a pair of texts.
public enum TextTask: Equatable, Sendable {
  /// One of these labels.
  case singleLabel([String])
  /// Any number of these labels.
  case multiLabel([String])
  /// A number.
  case regression

  public enum Kind: String, CaseIterable, Codable, Sendable {
    case singleLabel = "single-label"
    case multiLabel = "multi-label"
    case regression
  }

  /// - Parameter labels: none for a number.
  public init(_ kind: Kind, labels: [String] = []) {
    switch kind {
    case .singleLabel: self = .singleLabel(labels)
    case .multiLabel: self = .multiLabel(labels)
    case .regression: self = .regression
    }
  }

  public var kind: Kind {
    switch self {
    case .singleLabel: .singleLabel
    case .multiLabel: .multiLabel
    case .regression: .regression
    }
  }

  /// In the order of the head's outputs; none for a number.
  public var labels: [String] {
    switch self {
    case .singleLabel(let labels), .multiLabel(let labels): labels
    case .regression: []
    }
  }

  public var head: ModelHead {
    switch self {
    case .singleLabel(let labels): .classification(labels: labels.count)
    case .multiLabel(let labels): .multiLabel(labels: labels.count)
    case .regression: .regression
    }
  }

  /// Numbers that the head gives for a text.
  public var outputs: Int { max(1, labels.count) }

  /// What training compares the outputs with: the label's place, 0 or 1 for each label, or the number. nil if the value is
  /// of another kind, or names a label that the task has not.
  /// - Parameter value: the member `label` of an example.
  public func targets(_ value: JSONValue) -> [Double]? {
    switch self {
    case .singleLabel(let labels):
      return value.string.flatMap { name in labels.firstIndex { $0.isExactly(name) } }.map { [Double($0)] }
    case .multiLabel(let labels):
      guard let items = value.array else { return nil }
      var flags = [Double](repeating: 0, count: labels.count)
      for item in items {
        guard let name = item.string, let place = labels.firstIndex(where: { $0.isExactly(name) }) else { return nil }
        flags[place] = 1
      }
      return flags
    case .regression: return value.double.map { [$0] }
    }
  }
}

/// A condition on a column, such as `language_score >= 0.8`. Null never fulfills one.
///
/// With a number it compares numbers; with anything else, texts by their bytes.
public struct ParquetCondition: Equatable, Sendable {
  public enum Comparison: String, CaseIterable, Sendable {
    // Longer signs first: a sign may begin with another.
    case atLeast = ">="
    case atMost = "<="
    case equal = "=="
    case different = "!="
    case above = ">"
    case below = "<"
  }

  /// The keys that lead to the column.
  public let path: [String]
  public let comparison: Comparison
  private let text: [UInt8]
  private let number: Double?

  /// Reads `FIELD SIGN VALUE`, with spaces around the sign; a dot in FIELD leads into a structure. nil: it is none.
  public init?(_ written: String) {
    for comparison in Comparison.allCases {
      guard let sign = written.firstRange(of: " \(comparison.rawValue) ") else { continue }
      let field = written[..<sign.lowerBound].split(separator: " ").joined(separator: " ")
      path = field.split(separator: ".").map(String.init)
      let value = String(written[sign.upperBound...])
      guard !path.isEmpty, !value.isEmpty else { return nil }
      self.comparison = comparison
      text = Array(value.utf8)
      number = text.withUnsafeBytes { parseDecimal($0) }
      return
    }
    return nil
  }

  /// Whether a value fulfills it.
  public func holds(_ value: UnsafeRawBufferPointer, _ kind: ParquetRows.Kind) -> Bool {
    switch (kind, number) {
    case (.number, .some(let number)): parseDecimal(value).map { holds($0, number) } ?? false
    // A text that looks like a number is one: ids, years.
    case (.string, .some), (.string, .none), (.bool, .none): holdsText(value)
    default: false
    }
  }

  private func holdsText(_ value: UnsafeRawBufferPointer) -> Bool {
    text.withUnsafeBytes { own in
      switch comparison {
      case .equal: value.elementsEqual(own)
      case .different: !value.elementsEqual(own)
      case .below: value.lexicographicallyPrecedes(own)
      case .above: own.lexicographicallyPrecedes(value)
      case .atMost: !own.lexicographicallyPrecedes(value)
      case .atLeast: !value.lexicographicallyPrecedes(own)
      }
    }
  }

  private func holds(_ value: Double, _ own: Double) -> Bool {
    switch comparison {
    case .equal: value == own
    case .different: value != own
    case .below: value < own
    case .above: value > own
    case .atMost: value <= own
    case .atLeast: value >= own
    }
  }

  /// Whether a value between two bounds can fulfill it. Bounds of another type say nothing.
  func mayHold(_ bounds: ParquetFile.Bounds) -> Bool {
    switch (bounds, number) {
    case (.numbers(let least, let most), .some(let own)):
      switch comparison {
      case .equal: least <= own && own <= most
      case .different: least != own || most != own
      case .below, .atMost: holds(least, own)
      case .above, .atLeast: holds(most, own)
      }
    case (.texts(let least, let most), _):
      switch comparison {
      case .equal: !text.lexicographicallyPrecedes(least) && !most.lexicographicallyPrecedes(text)
      // Bounds of texts may be cut off.
      case .different: true
      case .below, .atMost: least.withUnsafeBytes { holdsText($0) }
      case .above, .atLeast: most.withUnsafeBytes { holdsText($0) }
      }
    default: true
    }
  }
}

extension ParquetFile {
  /// Between what the values of a column are in a row group.
  enum Bounds: Equatable {
    case numbers(Double, Double)
    case texts([UInt8], [UInt8])
  }

  /// Numbers of the row groups that may have rows that fulfill all conditions, by the bounds that the file states.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func groups(where conditions: [ParquetCondition]) throws(ShardError) -> [Int] {
    var found = Array((groups ?? []).indices)
    for condition in conditions {
      let bounds = try bounds(of: condition.path)
      found.removeAll { group in
        guard bounds.indices.contains(group), let bounds = bounds[group] else { return false }
        return !condition.mayHold(bounds)
      }
    }
    return found
  }

  func bounds(of path: [String]) throws(ShardError) -> [Bounds?] {
    guard let text = statistics(of: path), let json = try? JSONValue.parse(Array(text.utf8)).value else {
      throw Self.damaged(self.path, library)
    }
    return (json.array ?? []).map { group in
      guard let least = group["min"], let most = group["max"] else { return nil }
      if let least = least.string, let most = most.string { return .texts(Array(least.utf8), Array(most.utf8)) }
      guard let least = least.double, let most = most.double else { return nil }
      // An integer beyond 2^53 has no exact double.
      return .numbers(least.nextDown, most.nextUp)
    }
  }
}

import PipelineKit
import ShardKit

/// Exact quantiles over any number of tables, by radix selection: each pass over the tables finds 8 more bits of every
/// value sought, so the memory is 2 KiB per group and never grows with the documents.
struct GateQuantiles {
  struct TooManyGroups: Error {
    var quantile: GateQuantile
    var maximum: Int

    /// As a mistake in the rules that ask for the quantile.
    var inRules: StageError {
      StageError(
        .options, "require",
        "the quantile of '\(quantile.column)' by '\(quantile.group ?? "")' has more than \(maximum) groups",
        hint: "Group by a field of few values, such as source or domain.")
    }
  }

  private struct Key: Hashable {
    var quantile: GateQuantile
    /// Two forms of one character are two groups, as they are two values.
    var group: ExactText
  }

  /// What is known of one value sought.
  fileprivate struct Search {
    /// The leading bits of the value, as an unsigned number that orders as the values do.
    var prefix: UInt64 = 0
    /// The weight that remains to be reached among the values with this prefix.
    var rest = 0.0
    var weights = [Double](repeating: 0, count: 256)
  }

  private let maximumGroups: Int
  /// The groups sought; nil: all.
  private let chosen: Set<ExactText>?
  private var places: [Key: Int] = [:]
  private var searches: [Search] = []

  private init(maximumGroups: Int, among chosen: Set<ExactText>?) {
    (self.maximumGroups, self.chosen) = (maximumGroups, chosen)
  }

  /// - Parameters:
  ///   - maximumGroups: of all quantiles; more are too many to be meant.
  ///   - chosen: the groups whose quantiles are wanted; nil: all.
  ///   - tables: calls its argument with every table, in a fixed order; called eight times.
  /// - Returns: by quantile and group; groups without a value have none.
  /// - Throws: what `tables` throws; `TooManyGroups`.
  static func find(
    _ quantiles: Set<GateQuantile>, maximumGroups: Int = 100_000, among chosen: Set<ExactText>? = nil,
    in tables: ((SignalTable) throws -> Void) throws -> Void
  ) throws -> [GateQuantile: [ExactText: Double]] {
    guard !quantiles.isEmpty else { return [:] }
    var all = GateQuantiles(maximumGroups: maximumGroups, among: chosen)
    for pass in 0..<8 {
      try tables { table in
        for quantile in quantiles { try all.add(quantile, table, pass: pass) }
      }
      for (key, place) in all.places { all.searches[place].narrow(to: key.quantile.fraction, isFirst: pass == 0) }
    }
    var found: [GateQuantile: [ExactText: Double]] = [:]
    for (key, place) in all.places {
      found[key.quantile, default: [:]][key.group] = Self.value(all.searches[place].prefix)
    }
    return found
  }

  private mutating func add(_ quantile: GateQuantile, _ table: SignalTable, pass: Int) throws {
    guard let values = table.numbers(quantile.column) else { return }
    let groups = quantile.group.flatMap { table.texts($0) }
    let weights = quantile.weight.flatMap { table.numbers($0) }
    let names = (groups?.values ?? [""]).map { ExactText($0) }
    let isSought = names.map { chosen?.contains($0) ?? true }
    var slots = [Int](repeating: -1, count: names.count)
    let shift = UInt64(56 - 8 * pass)
    for (row, value) in values.enumerated() where value.isFinite {
      let weight = weights?[row] ?? 1
      let code = groups.map { Int($0.codes[row]) } ?? 0
      guard weight > 0, weight.isFinite, isSought[code] else { continue }
      if slots[code] < 0 { slots[code] = try slot(Key(quantile: quantile, group: names[code])) }
      let ordered = Self.order(value)
      // A shift by 64 leaves nothing, which equals the empty prefix.
      guard ordered >> (shift + 8) == searches[slots[code]].prefix else { continue }
      searches[slots[code]].weights[Int(ordered >> shift & 0xFF)] += weight
    }
  }

  private mutating func slot(_ key: Key) throws -> Int {
    if let place = places[key] { return place }
    guard searches.count < maximumGroups else { throw TooManyGroups(quantile: key.quantile, maximum: maximumGroups) }
    places[key] = searches.count
    searches.append(Search())
    return searches.count - 1
  }

  /// An unsigned number that orders as the numbers do.
  private static func order(_ value: Double) -> UInt64 {
    let bits = (value == 0 ? 0 : value).bitPattern
    return bits >> 63 == 1 ? ~bits : bits | 1 << 63
  }

  private static func value(_ order: UInt64) -> Double {
    Double(bitPattern: order >> 63 == 1 ? order & ~(1 << 63) : ~order)
  }
}

extension GateQuantiles.Search {
  fileprivate mutating func narrow(to fraction: Double, isFirst: Bool) {
    if isFirst { rest = fraction * weights.reduce(0, +) }
    var below = 0.0
    var chosen = (digit: 0, below: 0.0)
    for (digit, weight) in weights.enumerated() where weight > 0 {
      chosen = (digit, below)
      below += weight
      if below >= rest { break }
    }
    rest -= chosen.below
    prefix = prefix << 8 | UInt64(chosen.digit)
    weights = [Double](repeating: 0, count: 256)
  }
}

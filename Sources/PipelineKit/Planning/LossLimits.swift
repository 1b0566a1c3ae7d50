import ShardKit

/// The options of a stage that do not affect its output, except that documents may be lost because of their values: a
/// bound on memory, a timeout, a number of attempts.
///
/// A task that has lost documents records the values that may be the reason. Its result is used only while they stay.
public struct LossLimits: Sendable {
  private struct Limit {
    var name: String
    var value: JSONValue
    /// Names of the drops or warnings.
    var reasons: Set<String>
  }

  private var limits: [Limit] = []

  /// None: nothing is lost.
  init() {}

  init(_ fields: [OptionField]) {
    limits = fields.filter { !$0.losing.isEmpty }.map { Limit(name: $0.name, value: $0.value, reasons: $0.losing) }
  }

  /// What to record with a task; nil if it has lost nothing.
  func deciding(_ manifest: TaskManifest) -> [String: JSONValue]? {
    let lost = Set(manifest.ledger.dropped.keys).union(manifest.warnings.keys)
    let found = limits.filter { !$0.reasons.isDisjoint(with: lost) }
    return found.isEmpty ? nil : Dictionary(uniqueKeysWithValues: found.map { ($0.name, $0.value) })
  }

  /// Why a result with this record cannot be used any more, one sentence per option.
  func changes(since recorded: [String: JSONValue]?) -> [String] {
    limits.compactMap { limit in
      guard let before = recorded?[limit.name]?.text(), before != limit.value.text() else { return nil }
      let reasons = limit.reasons.sorted().map { "'\($0)'" }.joined(separator: " or ")
      return "option '\(limit.name)' changed: \(before) → \(limit.value.text()); documents were lost with the former "
        + "value (\(reasons))"
    }
  }
}

import PipelineKit
import ShardKit

/// How much of each domain a mix keeps, given the present amounts. Pure arithmetic; `MixSelection` selects documents.
struct MixTargets: Sendable {
  /// The form of the mix. Amounts are in the unit of the mix (documents, characters, tokens).
  enum Form: Sendable {
    /// A domain's maximum fraction of the mix; other domains are kept entirely.
    case caps([String: Double])
    /// A domain's fraction of the mix; unnamed domains divide the remainder in proportion.
    case shares([String: Double])
    /// The multiple taken of each domain, as in `new = ceil(old × ratio)`; unnamed domains are kept entirely.
    case ratios([String: Double])
  }

  var form: Form
  /// The total amount of the mix; 0 for as much as the form allows.
  var budget: UInt64
  /// Maximum number of uses per document; above 1 allows upsampling.
  var maximumRepeats: Double

  /// The target amount of each domain.
  /// - Parameter present: the present amount of each domain.
  func amounts(of present: [String: UInt64]) throws(StageError) -> [String: UInt64] {
    switch form {
    case .caps(let caps): try capped(present, caps)
    case .shares(let shares): try shared(present, shares)
    case .ratios(let ratios):
      try scaled(present) { domain, _ in
        ratios[domain] ?? 1
      } rounding: {
        $0.rounded(.up)
      }
    }
  }

  // MARK: Caps

  /// The largest mix in which every cap holds: `amount = cap × mix` for domains at their cap, everything for others.
  ///
  /// With B the set of domains at their cap, mix = Σ(others) / (1 − Σ caps of B). Starting with an empty B, mix only
  /// shrinks and B only grows, so there are at most as many rounds as domains.
  private func capped(
    _ present: [String: UInt64], _ caps: [String: Double]
  ) throws(StageError) -> [String: UInt64] {
    var binding: [String: Double] = [:]
    var mix = Double(present.values.reduce(0, +))
    while true {
      let before = binding.count
      for (domain, amount) in present {
        if let cap = caps[domain], Double(amount) > cap * mix { binding[domain] = cap }
      }
      if binding.count == before { break }
      let others = present.reduce(0.0) { binding[$1.key] != nil ? $0 : $0 + Double($1.value) }
      mix = others / (1 - Self.sum(binding))
    }
    guard mix > 0 || present.values.allSatisfy({ $0 == 0 }) else {
      throw StageError(
        .check, "caps", "cannot be met: without \(binding.keys.sorted().joined(separator: ", ")) nothing is left",
        hint: "Raise a cap, or add documents of other domains.")
    }
    let scale = budget > 0 && mix > 0 ? Double(budget) / mix : 1
    return try scaled(present) { domain, amount in
      binding[domain].map { $0 * mix / Double(amount) * scale } ?? scale
    } rounding: {
      $0.rounded(.down)
    }
  }

  // MARK: Shares

  private func shared(_ present: [String: UInt64], _ shares: [String: Double]) throws(StageError) -> [String: UInt64] {
    let named = Self.sum(shares)
    let rest = present.reduce(0) { shares[$1.key] == nil ? $0 + $1.value : $0 }
    for (domain, share) in shares.sorted(by: { $0.key < $1.key }) where share > 0 && present[domain, default: 0] == 0 {
      throw StageError(
        .check, "shares", "no document has the domain '\(domain)'",
        hint: "The domains are \(present.keys.sorted().joined(separator: ", ")).")
    }
    guard rest > 0 || named > 1 - 1e-9 else {
      throw StageError(
        .check, "shares", "sum to \(named), and no other domain can fill the remainder",
        hint: "Make the shares sum to 1.")
    }
    func share(_ domain: String, _ amount: UInt64) -> Double {
      shares[domain] ?? (1 - named) * Double(amount) / Double(rest)
    }
    // Limited by the domain that runs out first.
    let largest = present.reduce(Double.infinity) { size, domain in
      let share = share(domain.key, domain.value)
      return share > 1e-12 ? min(size, Double(domain.value) * maximumRepeats / share) : size
    }
    let mix = budget > 0 ? Double(budget) : largest
    return try scaled(present) {
      share($0, $1) * mix / Double($1)
    } rounding: {
      $0.rounded(.down)
    }
  }

  // MARK: Amounts

  /// In one order, so that it is the same to the bit.
  static func sum(_ parts: [String: Double]) -> Double {
    parts.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }
  }

  private func scaled(
    _ present: [String: UInt64], _ ratio: (String, UInt64) -> Double, rounding: (Double) -> Double
  ) throws(StageError) -> [String: UInt64] {
    var amounts: [String: UInt64] = [:]
    for (domain, amount) in present.sorted(by: { $0.key < $1.key }) {
      let ratio = amount == 0 ? 0 : ratio(domain, amount)
      // A ratio that differs from 1 only by rounding is 1: the domain is kept entirely.
      if abs(ratio - 1) < 1e-12 {
        amounts[domain] = amount
        continue
      }
      guard ratio <= maximumRepeats * (1 + 1e-12) else {
        throw StageError(
          .check, "maximumRepeats",
          "'\(domain)' would be used \(rounded(ratio, 2)) times; the limit is \(rounded(maximumRepeats, 2))",
          hint: "Raise 'maximumRepeats', lower the budget or the domain's share.")
      }
      amounts[domain] = UInt64(rounding(Double(amount) * ratio))
    }
    return amounts
  }
}

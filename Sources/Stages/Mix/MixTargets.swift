import PipelineKit

/// How much of each domain a mix keeps, from how much there is. Pure arithmetic; `MixSelection` chooses the documents.
struct MixTargets: Sendable {
  /// What the mix is to be. Amounts are in the unit of the mix (documents, characters, tokens).
  enum Form: Sendable {
    /// A domain's greatest share of the mix; other domains stay whole.
    case caps([String: Double])
    /// A domain's share of the mix; domains not named divide the rest as they are.
    case shares([String: Double])
    /// What is taken of each domain, as in `new = ceil(old × ratio)`; domains not named stay whole.
    case ratios([String: Double])
  }

  var form: Form
  /// The amount of the whole mix; 0 for as much as the form allows.
  var budget: UInt64
  /// How often a domain may be used at most; above 1 means sampling up.
  var maximumRepeats: Double

  /// The amount wanted of each domain.
  /// - Parameter present: what there is of each domain.
  func amounts(of present: [String: UInt64]) throws(StageError) -> [String: UInt64] {
    switch form {
    case .caps(let caps): try capped(present, caps)
    case .shares(let shares): try shared(present, shares)
    case .ratios(let ratios):
      try scaled(present) {
        ratios[$0] ?? 1
      } rounding: {
        $0.rounded(.up)
      }
    }
  }

  // MARK: Caps

  /// The largest mix in which every cap holds: `amount = cap × mix` where a cap binds, everything elsewhere.
  ///
  /// With the binding domains B, mix = Σ(others) / (1 − Σ caps of B). Starting from no binding cap the mix only shrinks, so
  /// that B only grows: as many rounds as domains.
  private func capped(
    _ present: [String: UInt64], _ caps: [String: Double]
  ) throws(StageError) -> [String: UInt64] {
    var binding: Set<String> = []
    var mix = Double(present.values.reduce(0, +))
    while true {
      let before = binding.count
      for (domain, amount) in present {
        if let cap = caps[domain], Double(amount) > cap * mix { binding.insert(domain) }
      }
      if binding.count == before { break }
      let others = present.reduce(0.0) { binding.contains($1.key) ? $0 : $0 + Double($1.value) }
      mix = others / (1 - binding.sorted().reduce(0) { $0 + caps[$1]! })
    }
    guard mix > 0 || present.values.allSatisfy({ $0 == 0 }) else {
      throw StageError(
        .check, "caps", "no mix keeps them: without \(binding.sorted().joined(separator: ", ")) nothing is left",
        hint: "Raise a cap, or wire documents of other domains.")
    }
    let scale = budget > 0 && mix > 0 ? Double(budget) / mix : 1
    return try scaled(present) { domain in
      binding.contains(domain) ? caps[domain]! * mix / Double(present[domain]!) * scale : scale
    } rounding: {
      $0.rounded(.down)
    }
  }

  // MARK: Shares

  private func shared(_ present: [String: UInt64], _ shares: [String: Double]) throws(StageError) -> [String: UInt64] {
    let named = shares.keys.sorted().reduce(0) { $0 + shares[$1]! }
    let rest = present.reduce(0) { shares[$1.key] == nil ? $0 + $1.value : $0 }
    for domain in shares.keys.sorted() where shares[domain]! > 0 && present[domain, default: 0] == 0 {
      throw StageError(
        .check, "shares", "no document has the domain '\(domain)'",
        hint: "The domains are \(present.keys.sorted().joined(separator: ", ")).")
    }
    guard rest > 0 || named > 1 - 1e-9 else {
      throw StageError(
        .check, "shares", "they sum to \(named), and no other domain can fill the rest",
        hint: "Let the shares sum to 1.")
    }
    func share(_ domain: String) -> Double {
      shares[domain] ?? (1 - named) * Double(present[domain]!) / Double(rest)
    }
    // As large as the domain that runs out first allows.
    let largest = present.keys.sorted().reduce(Double.infinity) { size, domain in
      let share = share(domain)
      return share > 1e-12 ? min(size, Double(present[domain]!) * maximumRepeats / share) : size
    }
    let mix = budget > 0 ? Double(budget) : largest
    return try scaled(present) {
      share($0) * mix / Double(present[$0]!)
    } rounding: {
      $0.rounded(.down)
    }
  }

  // MARK: Amounts

  private func scaled(
    _ present: [String: UInt64], _ ratio: (String) -> Double, rounding: (Double) -> Double
  ) throws(StageError) -> [String: UInt64] {
    var amounts: [String: UInt64] = [:]
    for domain in present.keys.sorted() {
      let amount = present[domain]!
      let ratio = amount == 0 ? 0 : ratio(domain)
      // A ratio of 1 in all but the last bits is 1: such a domain stays whole.
      if abs(ratio - 1) < 1e-12 {
        amounts[domain] = amount
        continue
      }
      guard ratio <= maximumRepeats * (1 + 1e-12) else {
        throw StageError(
          .check, "maximumRepeats",
          "'\(domain)' would be used \(Self.short(ratio)) times, the limit is \(Self.short(maximumRepeats))",
          hint: "Raise 'maximumRepeats', lower the budget or the domain's share.")
      }
      amounts[domain] = UInt64(rounding(Double(amount) * ratio))
    }
    return amounts
  }

  private static func short(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}

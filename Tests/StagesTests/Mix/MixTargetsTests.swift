import PipelineKit
import ShardKit
import Testing

@testable import Stages

@Suite struct MixTargetsTests {
  private func amounts(
    _ form: MixTargets.Form, _ present: [String: UInt64], budget: UInt64 = 0, repeats: Double = 1
  ) throws -> [String: UInt64] {
    try MixTargets(form: form, budget: budget, maximumRepeats: repeats).amounts(of: present)
  }

  @Test func aCapIsSolvedAgainstTheOtherDomainsTotals() throws {
    // 0.3 of a mix whose other 0.7 are 70: not 0.3 of the 170 that were there.
    #expect(
      try amounts(.caps(["news": 0.3]), ["news": 100, "wiki": 50, "law": 20])
        == ["news": 30, "wiki": 50, "law": 20])
    #expect(try amounts(.caps(["news": 0.3]), ["news": 10, "wiki": 90]) == ["news": 10, "wiki": 90])
  }

  @Test func severalCapsHoldTogether() throws {
    // Capping news makes web's share too large, which the first look does not show.
    let mix = try amounts(.caps(["news": 0.2, "web": 0.4]), ["news": 500, "web": 200, "wiki": 100, "law": 100])
    #expect(mix == ["news": 100, "web": 200, "wiki": 100, "law": 100])
    let both = try amounts(.caps(["news": 0.2, "web": 0.4]), ["news": 500, "web": 400, "wiki": 100, "law": 100])
    #expect(both == ["news": 100, "web": 200, "wiki": 100, "law": 100])
  }

  @Test func capsThatLeaveNothingAreAnError() {
    let error = #expect(throws: StageError.self) { try amounts(.caps(["news": 0.3]), ["news": 10]) }
    #expect(error?.message == "cannot be met: without news nothing is left")
    #expect(throws: Never.self) { try amounts(.caps(["news": 0.3]), [:]) }
  }

  @Test func sharesAreAsLargeAsTheScarcestDomainAllows() throws {
    #expect(try amounts(.shares(["wiki": 0.5]), ["wiki": 100, "a": 300, "b": 100]) == ["wiki": 100, "a": 75, "b": 25])
    #expect(
      try amounts(.shares(["wiki": 0.5]), ["wiki": 100, "a": 300, "b": 100], repeats: 3)
        == ["wiki": 300, "a": 225, "b": 75])
    #expect(try amounts(.shares(["wiki": 1]), ["wiki": 100, "a": 300]) == ["wiki": 100, "a": 0])
  }

  @Test func wrongSharesAreNamed() {
    func message(_ shares: [String: Double], budget: UInt64 = 0) -> String {
      do { _ = try amounts(.shares(shares), ["a": 100], budget: budget) } catch { return "\(error)" }
      return ""
    }
    #expect(message(["b": 0.5]).contains("no document has the domain 'b'"))
    #expect(message(["a": 0.5]).contains("sum to 0.5, and no other domain can fill the remainder"))
    #expect(message(["a": 1], budget: 250).contains("'a' would be used 2.5 times; the limit is 1.0"))
  }

  // MARK: The table of OLMo 2's second stage, as LLM-jp used it

  private static let olmo: [(name: String, tokens: UInt64, sourcePercent: Double, mixPercent: Double)] = [
    ("DCLM", 26_540_912_669, 3.23, 47.57), ("FLAN", 9_242_742_021, 50, 16.56), ("peS2o", 3_236_969_300, 5.15, 5.80),
    ("Wikipedia", 3_896_965_449, 100, 6.98), ("StackExchange", 1_464_772_187, 100, 2.63),
    ("Math", 11_415_049_655, 100, 20.46),
  ]
  private static let olmoTotal: UInt64 = 55_797_411_281

  private var sources: [String: UInt64] {
    Dictionary(
      uniqueKeysWithValues: Self.olmo.map {
        ($0.name, UInt64((Double($0.tokens) * 100 / $0.sourcePercent).rounded(.down)))
      })
  }

  private func percent(_ part: UInt64, _ whole: UInt64) -> Double {
    (Double(part) / Double(whole) * 10_000).rounded() / 100
  }

  @Test func ratiosGiveTheTablesTokensSharesAndTotal() throws {
    let ratios = Dictionary(uniqueKeysWithValues: Self.olmo.map { ($0.name, $0.sourcePercent / 100) })
    let mix = try amounts(.ratios(ratios), sources)
    let total = mix.values.reduce(0, +)
    #expect(Self.olmo.reduce(0) { $0 + $1.tokens } == Self.olmoTotal)
    #expect(abs(Int(total) - Int(Self.olmoTotal)) <= Self.olmo.count)
    for source in Self.olmo {
      // The table's source column has two decimals, so totals made from it are a token off at most.
      #expect(abs(Int(mix[source.name]!) - Int(source.tokens)) <= 1)
      #expect(percent(mix[source.name]!, total) == source.mixPercent, "\(source.name)")
    }
  }

  @Test func sharesWithABudgetGiveTheTablesSourceColumn() throws {
    let shares = Dictionary(
      uniqueKeysWithValues: Self.olmo.map { ($0.name, Double($0.tokens) / Double(Self.olmoTotal)) })
    let mix = try amounts(.shares(shares), sources, budget: Self.olmoTotal, repeats: 1.0001)
    for source in Self.olmo { #expect(percent(mix[source.name]!, sources[source.name]!) == source.sourcePercent) }
  }
}

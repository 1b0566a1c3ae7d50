import TextKit

/// Traits of texts as features: for each cut of a trait, `size` if its value is not below the cut, else -`size`.
///
/// The cuts of a trait divide its values into 32 parts of equal size over the documents, so that only the order of values counts. A
/// linear classifier then learns any curve over each trait.
struct TraitFeatures {
  private let cuts: [Float]
  private let size: Double
  let traits: Int
  private static let perTrait = TraitSteps.cutsPerTrait
  /// Of all trait features of a text, the sum of squares; that of its n-grams is 1.
  private static let share = 0.2

  /// None.
  init() { (cuts, size, traits) = ([], 0, 0) }

  /// - Parameter rows: the documents to take the cuts from; at least one.
  init(_ documents: CountedDocuments, rows: [Int]) {
    traits = documents.traitCount
    var cuts: [Float] = []
    for trait in 0..<traits {
      let sorted = rows.map { documents.trait(trait, of: $0) }.sorted()
      cuts += (1...Self.perTrait).map { sorted[sorted.count * $0 / (Self.perTrait + 1)] }
    }
    self.cuts = cuts
    size = traits > 0 ? (Self.share / Double(traits * Self.perTrait)).squareRoot() : 0
  }

  /// How many features there are.
  var count: Int { cuts.count }

  /// The step that each trait's value is on.
  func steps(_ values: [Float]) -> [UInt8] {
    guard traits > 0 else { return [] }
    let table = TraitSteps(cuts: cuts, steps: [])
    return values.enumerated().map { UInt8(table.step($0.offset, $0.element)) }
  }

  /// What each step of each trait adds, by the features' weights.
  func heights(_ weights: ArraySlice<Double>) -> [Double] {
    var heights: [Double] = []
    for trait in 0..<traits {
      let own = weights[(weights.startIndex + trait * Self.perTrait)...].prefix(Self.perTrait)
      var height = -own.reduce(0, +)
      heights.append(height * size)
      for weight in own {
        height += 2 * weight
        heights.append(height * size)
      }
    }
    return heights
  }

  func sum(_ heights: [Double], _ steps: ArraySlice<UInt8>) -> Double {
    var sum = 0.0
    for (trait, step) in steps.enumerated() { sum += heights[trait * (Self.perTrait + 1) + Int(step)] }
    return sum
  }

  /// Adds a document's factor to the steps that it is on.
  func add(_ factor: Double, _ steps: ArraySlice<UInt8>, to tallies: inout [Double]) {
    for (trait, step) in steps.enumerated() { tallies[trait * (Self.perTrait + 1) + Int(step)] += factor }
  }

  /// The sum of the documents' features by their factors, from what `add` has added.
  func slopes(_ tallies: [Double]) -> [Double] {
    var slopes: [Double] = []
    for trait in 0..<traits {
      let own = tallies[(trait * (Self.perTrait + 1))...].prefix(Self.perTrait + 1)
      var above = own.reduce(0, +)
      let all = above
      for tally in own.dropLast() {
        above -= tally
        slopes.append((2 * above - all) * size)
      }
    }
    return slopes
  }

  /// For a classifier with these weights.
  func table(_ weights: ArraySlice<Double>) -> TraitSteps {
    TraitSteps(cuts: cuts, steps: heights(weights).map { Float($0) })
  }
}

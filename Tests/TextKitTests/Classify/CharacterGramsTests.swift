import TestKit
import TextKit
import Testing

@Suite struct CharacterGramsTests {
  /// Occurrences of the n-grams of a text, counted in the plain way.
  static func grams(_ text: String, _ lengths: ClosedRange<Int>) -> [String: Int] {
    let scalars = Array(text.unicodeScalars)
    var counts: [String: Int] = [:]
    for length in lengths {
      for start in 0..<max(0, scalars.count - length + 1) {
        counts[String(String.UnicodeScalarView(scalars[start..<(start + length)])), default: 0] += 1
      }
    }
    return counts
  }

  private static func count(_ text: String, by counter: GramCounter) -> [Int] {
    Array(text.utf8).withUnsafeBufferPointer { counter.count($0) }
    return counter.found.map { Int(counter.occurrences($0)) }
  }

  @Test func everyNGramIsCounted() {
    let counter = GramCounter(GramShape(shortest: 2, longest: 4, bits: 24))
    for text in ["雨が降る。雨が止む。雨が、降る", "aaaaaa", "", "梅", "梅雨", "𠮷野家の𠮷田さん"] {
      #expect(Self.count(text, by: counter).sorted() == Self.grams(text, 2...4).values.sorted(), "\(text)")
    }
  }

  @Test func textsThatDifferInFormOnlyHaveTheSameFeatures() {
    let counter = GramCounter(GramShape(shortest: 1, longest: 3, bits: 20))
    func features(_ text: String) -> [UInt32] {
      _ = Self.count(text, by: counter)
      return counter.found
    }
    #expect(features("ＡＢＣ　ガイド１２") == features("abc \n\t ｶﾞｲﾄﾞ12"))
    #expect(features("abc") != features("acb"))
  }

  @Test func namesOfFeaturesAreTheirNGrams() {
    let counter = GramCounter(GramShape(shortest: 1, longest: 2, bits: 20))
    _ = Self.count("雨 だ", by: counter)
    let wanted = Set(counter.found.prefix(2).map { Int($0) })
    var names: [String] = []
    Array("大雨 だ雨".utf8).withUnsafeBufferPointer { text in
      counter.forEachGram(of: text, where: wanted.contains) { names.append($1) }
    }
    #expect(names == ["雨", "雨 ", "雨"])
  }

  @Test func theMarginIsThatOfTheFormula() {
    let shape = GramShape(shortest: 1, longest: 1, bits: 20)
    let counter = GramCounter(shape)
    _ = Self.count("雨雪風", by: counter)
    let features = counter.found.map { Int($0) }
    var (scales, weights) = ([Float](repeating: 0, count: shape.features), [Float](repeating: 0, count: shape.features))
    for (place, feature) in features.prefix(2).enumerated() {
      scales[feature] = [2, 0.5][place]
      weights[feature] = [3, -1][place]
    }
    let model = LinearClassifier(shape: shape, scales: scales, weights: weights, bias: 0.25)
    func margin(_ text: String) -> Double {
      Array(text.utf8).withUnsafeBufferPointer { model.margin(of: $0, by: counter) }
    }
    let rain = 2 * 1.7412763113750154, snow = 0.5  // 1 + ln(1 + ln 3)
    let expected = (3 * rain - snow) / (rain * rain + snow * snow).squareRoot() + 0.25
    #expect(abs(margin("雨雨雪風風風雨") - expected) < 1e-9)
    #expect(margin("風と月") == 0.25 && margin("") == 0.25)
  }

  /// By name, of a text whose first and last three characters count apart.
  private static func named(_ text: String, _ shape: GramShape) -> [[String]] {
    let counter = GramCounter(shape)
    _ = count(text, by: counter)
    var names: [Int: String] = [:]
    Array(text.utf8).withUnsafeBufferPointer { counter.forEachGram(of: $0, where: { _ in true }) { names[$0] = $1 } }
    _ = count(text, by: counter)
    var start = 0
    return counter.ends.map { end in
      defer { start = end }
      return counter.found[start..<end].map { "\(names[Int($0)]!)=\(counter.occurrences($0))" }
    }
  }

  @Test func beginningsAndEndsAreToldFromTheWholeText() {
    let shape = GramShape(shortest: 1, longest: 2, bits: 24, edge: 3)
    let parts = Self.named("雨。 雨か？！雪だ", shape)
    #expect(shape.parts.map(\.rawValue) == [0, 1, 2, 3] && parts.count == 4)
    #expect(parts[0].contains("雨=2") && parts[0].contains("か?=1") && parts[0].count == 16)
    #expect(parts[1] == ["^^雨=1", "^^雨。=1", "^^。=1", "^^。 =1", "^^ =1"])
    #expect(parts[2] == ["!$$=1", "!雪$$=1", "雪$$=1", "雪だ$$=1", "だ$$=1"])
    #expect(
      parts[3] == [
        "^雨=2", "^雨。=1", "雨。$=1", "^雨か=1", "^雨か?=1", "?!$=1", "か?!$=1", "雨か?!$=1", "^雪=1", "^雪だ=1",
        "雪だ$=1",
      ])
    #expect(Self.named("", shape) == [[], [], [], []])
    #expect(Self.named(" 梅 ", shape)[3] == ["^梅=1"])
    #expect(Self.named("梅。", GramShape(shortest: 1, longest: 1, bits: 24)) == [["梅=1", "。=1"]])
    #expect(abs(shape.parts.reduce(0) { $0 + $1.share(in: shape) } - 1) < 1e-12)
  }

  /// The values of each part are scaled so that their squares sum to the part's share.
  @Test func eachPartHasItsShareInTheMargin() {
    let shape = GramShape(shortest: 1, longest: 1, bits: 20, edge: 1)
    let counter = GramCounter(shape)
    _ = Self.count("雨雪", by: counter)
    #expect(counter.ends == [2, 3, 4, 7])
    var (scales, weights) = ([Float](repeating: 0, count: shape.features), [Float](repeating: 0, count: shape.features))
    for (place, feature) in counter.found.enumerated() {
      scales[Int(feature)] = 2
      weights[Int(feature)] = [1, 1, 3, 5, 7, 0, 0][place]
    }
    let model = LinearClassifier(shape: shape, scales: scales, weights: weights, bias: 0.5)
    let margin = Array("雨雪".utf8).withUnsafeBufferPointer { model.margin(of: $0, by: counter) }
    var expected = 0.5
    let parts: [(weights: Double, square: Double)] = [(2, 0.8 / 2), (3, 0.05), (5, 0.1), (7, 0.05 / 3)]
    for part in parts { expected += part.weights * part.square.squareRoot() }
    #expect(abs(margin - expected) < 1e-9)
  }

  @Test func traitsAreThoseOfTheNormalizedText() {
    let shape = GramShape(shortest: 1, longest: 2, bits: 20)
    let counter = GramCounter(shape)
    _ = Self.count("雨、雨　アメ（！）ｙ7だ。々", by: counter)
    let traits = Dictionary(uniqueKeysWithValues: zip(shape.traits, counter.traits))
    #expect(traits.count == 18 && shape.traits.count == counter.traits.count)
    let parts = ["characters": 14 * 14, "latin": 1, "digits": 1, "hiragana": 1, "katakana": 2, "kanji": 3, "spaces": 1]
    for (name, count) in parts { #expect(traits[name] == Float(count) / 14, "\(name)") }
    for (name, count) in ["commas": 1, "stops": 1, "marks": 1, "brackets": 2, "others": 0] {
      #expect(traits[name] == Float(count) / 14, "\(name)")
    }
    #expect(traits["hiraganaOfJapanese"] == 1 / 6 && traits["katakanaOfJapanese"] == 2 / 6)
    #expect(traits["distinct1Grams"] == 13 / 14 && traits["top1Gram"] == 2 / 14)
    #expect(traits["distinct2Grams"] == 1 && traits["top2Gram"] == 1 / 13)
    _ = Self.count("", by: counter)
    #expect(counter.traits.allSatisfy { $0 == 0 })
  }

  @Test func aTraitAddsTheStepThatItIsOn() {
    let cuts = (0..<TraitSteps.cutsPerTrait).map { Float($0 / 2) }
    let steps = TraitSteps(cuts: cuts, steps: (0...TraitSteps.cutsPerTrait).map { Float($0 * $0) })
    #expect(steps([-1]) == 0 && steps([0]) == 4 && steps([0.5]) == 4 && steps([3]) == 64)
    #expect(steps([1000]) == Double(TraitSteps.cutsPerTrait * TraitSteps.cutsPerTrait))
  }
}

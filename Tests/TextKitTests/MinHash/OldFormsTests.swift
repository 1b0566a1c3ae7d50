import Testing

@testable import TextKit

@Suite struct OldFormsTests {
  private func alike(_ old: String, _ modern: String) -> Bool {
    folded(old, oldForms: true).unicodeScalars.elementsEqual(folded(modern, oldForms: true).unicodeScalars)
  }

  @Test(arguments: [
    ("學校へ行く", "学校へ行く"), ("國語の讀本", "国語の読本"), ("ゐる", "いる"), ("をかしい", "おかしい"), ("けふ", "きょう"), ("てふてふ", "ちょうちょう"),
    ("かう言ふ", "こう言う"), ("せう", "しょう"), ("しやうがない", "しょうがない"), ("きうり", "きゅうり"), ("くわんげん", "かんげん"),
    ("ぢめん", "じめん"), ("つづく", "つずく"), ("こゝろ", "こころ"), ("たゞし", "ただし"), ("人々", "人人"), ("やつた", "やった"),
    ("ヰスキー", "イスキー"), ("思ひ出", "思い出"), ("いふ", "言ふ".replacing("言", with: "ゆ")), ("辨護", "弁護"),
  ])
  func oldAndModernSpellingsAreAlike(_ old: String, _ modern: String) {
    #expect(alike(old, modern), "\(folded(old, oldForms: true)) \(folded(modern, oldForms: true))")
  }

  @Test func withoutTheOptionTheyDiffer() {
    #expect(folded("學校") == "學校" && folded("けふ") == "けふ" && folded("こゝろ") == "こゝろ")
  }

  @Test func differentWordsStayDifferent() {
    for (a, b) in [("かく", "がく"), ("はし", "ばし"), ("学校", "学級"), ("さけ", "さか"), ("ハス", "バス")] { #expect(!alike(a, b)) }
  }

  /// No old form stands twice, and none leads to another.
  @Test func theTableIsSound() {
    let pairs = OldForms.pairs(OldForms.kanji)
    #expect(pairs.count > 450 && Set(pairs.map(\.old)).count == pairs.count)
    #expect(Set(pairs.map(\.old)).isDisjoint(with: pairs.map(\.modern)))
    #expect(OldForms.kanji.split { $0 == " " || $0 == "\n" }.allSatisfy { $0.unicodeScalars.count == 2 })
  }

  @Test func longRunsAreLinear() {
    for text in ["う", "よう", "きゆう", "ゝ", "くわ", "けう"] {
      #expect(!folded(String(repeating: text, count: 100_000), oldForms: true).isEmpty)
    }
  }
}

import TestKit

@testable import Stages
@testable import TextKit

/// What is done with texts, which are UTF-8.
let textTargets: [String: FuzzTarget] = [
  "nfkc": textReader(samples: texts, words: ["\u{3099}", "ｶﾞ", "ﷺ", "\u{0345}", "\u{1100}", "\u{1161}", "\u{11A8}"]) {
    input in
    for form in [NFKC.current, .tokenizers, .cleaning] {
      let once = form.normalize(input)
      promise(isText(once), "a normal form is UTF-8")
      promise(form.normalize(once) == once, "a normal form is its own")
    }
  },
  "cleaner": choosing(
    4, fixtures: ["cc100/ja.txt"], samples: texts,
    words: [
      "http://", "www.", "@", "03-", "+81", "（）", "()", "，", "．", "\u{200D}", "\u{85}", "\u{2028}", "　", "ホーム > ",
    ]
  ) { choice, content in
    var rules = CleaningRules()
    if choice & 1 == 1 { (rules.urls, rules.emails, rules.phones) = (.mask, .mask, .mask) }
    if choice & 2 == 2 { (rules.nfkc, rules.emails, rules.phones) = (false, .remove, .remove) }
    var (cleaner, text) = (TextCleaner(rules), mended(content))
    _ = cleaner.clean(&text)
    promise(isText(text), "a cleaned text is UTF-8")
  },
  "measures": textReader(fixtures: ["cc100/ja.txt"], samples: texts, words: ["\n", "。", "…", "http://", "NGワード"]) {
    input in
    let phrases = QualityMeasurer.Phrases(
      ads: PhraseMatcher(["広告", "PR"]), forum: PhraseMatcher(["名無し"]), ng: PhraseMatcher(["NGワード", "ア"]))
    let measurer = QualityMeasurer(phrases)
    input.withUnsafeBufferPointer { text in
      measurer.measuring(text) {
        for measure in measurer.measures { promise(!measurer.value(measure).isNaN, "a measure is a number") }
      }
      _ = (LanguageGuess.cld2(text), JapaneseScript.japanese(text), Mojibake.share(text))
    }
  },
  "signature": textReader(fixtures: ["cc100/ja.txt"], samples: texts) { input in
    var plain = SignatureHasher()
    var old = SignatureHasher(oldForms: true)
    var lanes = [UInt16](repeating: 0, count: plain.shape.hashes)
    input.withUnsafeBufferPointer {
      plain.signature($0, into: &lanes)
      old.signature($0, into: &lanes)
    }
  },
  "wordpiece": textReader(
    fixtures: ["cc100/ja.txt"], samples: texts, words: ["[UNK]", "[CLS]", "[SEP]", "[", "##", "日本", "あい", "\u{3099}"]
  ) { input in
    let session = try TokenizerSession(vocabulary)
    var ids = TokenBuffer()
    try input.withUnsafeBufferPointer { (text) throws(TokenizerError) in try session.encode(text, into: &ids) }
    let placed = try session.encodeWithPlaces(input)
    promise(placed.map(\.id) == Array(ids.ids), "places do not change ids")
    promise(placed.allSatisfy { $0.range.upperBound <= input.count }, "a token stands in the text")
  },
  "mecab": textReader(samples: texts, words: ["\u{0}", "\n", "。", "\u{2028}", "\r"]) { input in
    guard let reader = try? WordReader(.mecab) else { return }
    try input.withUnsafeBufferPointer { (text) throws(TokenizerError) in
      try reader.forEachWord(text) { promise(!$0.isEmpty, "a word is not empty") }
    }
  },
  "training-words": textReader(samples: texts) { input in
    var words = TrainingWords()
    input.withUnsafeBufferPointer { text in
      WordSplitter.forEachWord(text) { words.add($0, count: 1 + Int64($0.count % 3)) }
    }
    var trainer = WordPieceTrainer()
    (trainer.vocabularySize, trainer.minimumFrequency) = (200, 1)
    let result = try trainer.train(words)
    promise(Set(result.tokens).count == result.tokens.count, "tokens are distinct")
  },
]

private let texts = [
  "吾輩は猫である。名前はまだ無い。\n電話 03-1234-5678 http://e.org/ａ（）\r\nText, a@b.example ＡＢＣｶﾞ", "日本あいa[SEP]ab",
]

private func mended(_ bytes: [UInt8]) -> [UInt8] { Array(String(decoding: bytes, as: UTF8.self).utf8) }

private let vocabulary: WordPieceTokenizer = {
  let tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "あ", "##い", "日本", "b", "##b", "ab", "が"]
  do {
    return try WordPieceTokenizer(
      tokens: tokens.map { Array($0.utf8) }, specialTokens: ["[UNK]", "[CLS]", "[SEP]", "[MASK]"])
  } catch {
    fatalError("the vocabulary is none: \(error)")
  }
}()

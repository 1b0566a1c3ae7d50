import ShardKit
import TestKit
import Testing

@testable import TextKit

/// Every function of TextKit that reads texts, on bytes that nobody meant as text: nothing traps, and nothing takes
/// quadratic time.
@Suite struct HostileTextTests {
  /// Pieces whose borders matter.
  private static let pieces: [[UInt8]] =
    [
      [0xE3], [0x81], [0x82], [0xE3, 0x80], [0xEF, 0xBD], [0xEF], [0xBC, 0x90], [0xF0, 0x9F], [0xED, 0xA0, 0x80],
      [0xF4, 0x90, 0x80, 0x80], [0xC2], [0xC0, 0x80], [0xFF], [0x00], [0x0D],
    ]
    + [
      "か", "゛", "\u{3099}", "ﾞ", "e\u{301}", "\u{1100}\u{1161}\u{11A8}", "각", "𠮷", "👩\u{200D}👧", "\u{FEFF}", "\u{2028}",
      "http://", "www.", "@a.jp", "：／／", "ｗｗｗ．", "03-1234-", "5678", "＋81", "（", "）", "「", "」", "、", "，", "．", " ",
      "\n",
      "続きを読む", "…", "[", "]", "名無しさん", "2019/08/18", "(日)", "ID:", "A", "Ａ", "國", "けふ", "ゝ", "㌢", "ﷺ", "İ", "ß",
    ].map { Array($0.utf8) }

  private static func hostile(_ random: inout SplitMix, _ count: Int) -> [UInt8] {
    var text: [UInt8] = []
    for _ in 0..<count {
      if Int.random(in: 0..<8, using: &random) == 0 {
        text.append(UInt8.random(in: 0...255, using: &random))
      } else {
        text += pieces.randomElement(using: &random)!
      }
    }
    return text
  }

  /// Reads a text in every way.
  private final class Readers {
    private var cleaners: [TextCleaner]
    private var folder = ComparedText(), modernizer = ComparedText(oldForms: true)
    private var sketcher = SignatureHasher(shape: SignatureShape(bands: 4, rows: 4))
    private let measurer = QualityMeasurer(
      .init(ads: PhraseMatcher(["送料無料"]), forum: PhraseMatcher(["名無しさん"]), ng: PhraseMatcher(["禁止"])))
    private let tokenizer: WordPieceTokenizer
    private var ids = TokenBuffer()

    init() throws {
      var loose = CleaningRules(), strict = CleaningRules()
      strict.emails = .mask
      strict.phones = .mask
      strict.urls = .mask
      loose.nfkc = false
      loose.phones = .remove
      loose.tidiesWhitespace = false
      cleaners = [CleaningRules(), strict, loose].map { TextCleaner($0) }
      tokenizer = try SmallTokenizer().tokenizer
    }

    func clean(_ text: [UInt8]) {
      for i in cleaners.indices {
        var copy = text
        cleaners[i].clean(&copy)
        #expect(!cleaners[i].rules.nfkc || String(validating: copy, as: UTF8.self) != nil)
      }
    }

    func normalize(_ text: [UInt8]) {
      for form in [NFKC.current, .tokenizers, .cleaning] {
        #expect(String(validating: form.normalize(text), as: UTF8.self) != nil)
      }
    }

    func compare(_ text: UnsafeBufferPointer<UInt8>) {
      folder.fold(text)
      modernizer.fold(text)
      var hashes = [UInt16](repeating: 0, count: 16)
      #expect(sketcher.signature(text, into: &hashes) > 0)
      _ = TextIdentity(folded: text, by: &folder)
    }

    func measure(_ text: UnsafeBufferPointer<UInt8>) {
      measurer.measuring(text) {
        for measure in measurer.measures { #expect(measurer.value(measure).isFinite) }
      }
      _ = Mojibake.share(text)
      _ = JapaneseScript.japanese(JapaneseScript.sample(text, bytes: 7))
      #expect(UTF8Scanning.validPrefix(text) <= text.count && UTF8Scanning.scalarCount(text) <= text.count)
    }

    func tokenize(_ text: UnsafeBufferPointer<UInt8>) throws {
      ids.removeAll()
      try TokenizerSession(tokenizer).encode(text, into: &ids)
      #expect(ids.count <= text.count * 18 + 1)
      var bytes = 0
      WordSplitter.forEachWord(text) { bytes += $0.count }
      WhiteSpace.forEachWord(text) { bytes += $0.count }
      #expect(bytes <= 2 * text.count)
    }

    func read(_ text: [UInt8]) throws {
      clean(text)
      normalize(text)
      try text.withUnsafeBufferPointer { text in
        compare(text)
        measure(text)
        try tokenize(text)
      }
      var lines = text
      LineEnds.unify(&lines)
      #expect(!lines.contains(13))
    }
  }

  @Test func anyBytes() throws {
    let readers = try Readers()
    var random = SplitMix(seed: 2026)
    for piece in Self.pieces + [[]] { try readers.read(piece) }
    for _ in 0..<1500 { try readers.read(Self.hostile(&random, Int.random(in: 0..<40, using: &random))) }
  }

  /// A text cut at every byte.
  @Test func everyPrefixAndSuffix() throws {
    let readers = try Readers()
    let text = Array("か゛https://a.jp，Ｂ社😀TEL０３－１２３４－５６７８…続きを読む\r\n각e\u{301}ﾊﾟ".utf8)
    for i in 0...text.count {
      try readers.read(Array(text[..<i]))
      try readers.read(Array(text[i...]))
    }
  }

  @Test(arguments: [
    "あ", "a", " ", "\n", "0", "（", "\u{301}", "\u{3099}", "゛", "ﾞ", "😀", "w", "う", "ゝ", "\r", "@", "\u{1161}", "́̂", "。",
    "…",
  ])
  func longRunsOfOneCharacter(_ character: String) throws {
    let readers = try Readers()
    try withoutHanging(character.debugDescription) {
      try readers.read(Array(String(repeating: character, count: 100_000).utf8))
      readers.clean(Array(("か" + String(repeating: character, count: 200_000) + "か").utf8))
    }
  }
}

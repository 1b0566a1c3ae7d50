import PipelineKit
import TextKit

/// The wanted languages, and how a page's language is determined.
struct PageLanguage: Sendable {
  enum Judge: String, CaseIterable, OptionChoice { case header, text, either }

  var languages: [String]
  var judge: Judge
  var minimumFraction: Double

  /// The language in a page's archive record (`jpn,eng`, most frequent first).
  /// - Returns: the first language as a CLD2 code, and whether it is wanted.
  func header(_ codes: String) -> (code: String, isWanted: Bool) {
    let first = codes.split(separator: ",").first.map { $0.filter { $0 > " " } } ?? ""
    let code = Self.shortCodes[first] ?? first
    return (code, languages.contains(code) || languages.contains(first))
  }

  /// The fraction of a text in the wanted languages, and its most frequent language.
  func text(_ text: [UInt8]) -> (code: String, share: Double) {
    text.withUnsafeBufferPointer { text in
      let sample = JapaneseScript.sample(text, bytes: 64 << 10)
      if languages.contains("ja"),
        let share = JapaneseScript.clearlyJapanese(sample, minimumFraction: minimumFraction)
      {
        return ("ja", share)
      }
      let guess = LanguageGuess.cld2(sample)
      let share = guess.parts.filter { languages.contains($0.code) }.reduce(0) { $0 + $1.share }
      return (guess.parts.first?.code ?? "un", share)
    }
  }

  /// Maps ISO 639-3 codes, which Common Crawl uses, to CLD2 codes.
  private static let shortCodes: [String: String] = {
    let pairs = """
      afr af amh am ara ar aze az bel be ben bn bul bg cat ca ces cs cym cy dan da deu de ell el eng en epo eo est et
      eus eu fas fa fin fi fra fr gle ga glg gl guj gu hat ht hau ha heb iw hin hi hrv hr hun hu hye hy ibo ig ind id
      isl is ita it jpn ja kan kn kat ka kaz kk khm km kin rw kir ky kor ko lao lo lat la lav lv lit lt ltz lb mal ml
      mar mr mkd mk mlg mg mlt mt mon mn msa ms mya my nep ne nld nl nno nn nor no ori or pan pa pol pl por pt pus ps
      ron ro rus ru sin si slk sk slv sl snd sd som so spa es sqi sq srp sr swa sw swe sv tam ta tel te tgk tg tgl tl
      tha th tir ti tuk tk tur tr uig ug ukr uk urd ur uzb uz vie vi xho xh yid yi yor yo zho zh zul zu
      """.split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
    return Dictionary(
      uniqueKeysWithValues: stride(from: 0, to: pairs.count, by: 2).map { (pairs[$0], pairs[$0 + 1]) })
  }()
}

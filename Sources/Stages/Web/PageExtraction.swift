import NetKit
import PipelineKit
import ShardKit

/// Makes text of a page.
struct PageExtraction: Sendable {
  enum Boilerplate: String, CaseIterable, OptionChoice { case drop, keep }

  var boilerplate = Boilerplate.drop
  var removal = BoilerplateRemoval()
  var minimumCharacters = 100
  var keepsRuby = false
  var refusedDirectives: Set<String> = []
  var maximumReplacedFraction = 0.02
  var maximumPageBytes = 8 << 20

  static let defaultDirectives = ["noindex", "none", "noai"]

  struct Text: Equatable {
    var text: [UInt8]
    var title: [UInt8] = []
    /// As the page says.
    var language = ""
    var encoding = "utf-8"
    var isEncodingGuessed = false
    /// Characters of the page's blocks, and of those that were kept.
    var shownCharacters = 0
    var keptCharacters = 0
  }

  /// Why a record gives no document.
  struct Refusal: Equatable {
    var reason: String
    var value: Double?
    var threshold: Double?
    var detail: String?
  }

  enum Outcome: Equatable {
    case text(Text)
    case dropped(Refusal)

    static func dropped(
      _ reason: String, value: Double? = nil, threshold: Double? = nil, detail: String? = nil
    ) -> Outcome {
      .dropped(Refusal(reason: reason, value: value, threshold: threshold, detail: detail))
    }
  }

  /// The text of a body as HTTP gives it, after its encodings for the way.
  func text(of body: [UInt8], type: MediaType, directives: [String]) -> Outcome {
    guard body.count <= maximumPageBytes else {
      return .dropped("too-large", value: Double(body.count), threshold: Double(maximumPageBytes))
    }
    if let refused = directives.first(where: { refusedDirectives.contains($0) }) {
      return .dropped("robots-directive", detail: refused)
    }
    let page = PageEncoding.decode(body, declared: type.charset, isHTML: type.isHTML)
    guard page.replacedFraction <= maximumReplacedFraction else {
      return .dropped("undecodable", value: page.replacedFraction, threshold: maximumReplacedFraction)
    }
    return type.isHTML ? html(page) : bounded(plain(page))
  }

  /// Text that is plain already.
  func plain(_ page: DecodedPage) -> Text {
    var text = page.text
    LineEnds.unify(&text)
    if let end = text.lastIndex(where: { $0 > 32 }) { text.removeSubrange((end + 1)...) } else { text = [] }
    let first = text.firstIndex { $0 != 10 } ?? 0
    if first > 0 { text.removeSubrange(..<first) }
    let count = Self.characters(text)
    return Text(
      text: text, encoding: page.encoding, isEncodingGuessed: page.isGuessed, shownCharacters: count,
      keptCharacters: count)
  }

  private func html(_ decoded: DecodedPage) -> Outcome {
    let (shown, hidden) = HTMLReader.read(decoded.text, keepsRuby: keepsRuby)
    var page = shown
    if let refused = page.robots.first(where: { refusedDirectives.contains($0) }) {
      return .dropped("robots-directive", detail: refused)
    }
    var kept = self.kept(page)
    if !kept.contains(true), !hidden.blocks.isEmpty {
      page = hidden
      kept = self.kept(page)
    }
    guard !page.blocks.isEmpty else { return .dropped("empty") }
    guard kept.contains(true) else { return .dropped("boilerplate-only") }
    var text = Text(text: page.joined { kept[$0] })
    text.title = page.title
    text.language = page.language
    text.encoding = decoded.encoding
    text.isEncodingGuessed = decoded.isGuessed
    for (block, isKept) in zip(page.blocks, kept) {
      text.shownCharacters += block.characters
      text.keptCharacters += isKept ? block.characters : 0
    }
    return bounded(text)
  }

  private func kept(_ page: HTMLPage) -> [Bool] {
    boilerplate == .keep ? page.blocks.map { _ in true } : removal.kept(page)
  }

  func bounded(_ text: Text) -> Outcome {
    if text.text.isEmpty { return .dropped("empty") }
    guard text.keptCharacters >= minimumCharacters else {
      return .dropped("too-short", value: Double(text.keptCharacters), threshold: Double(minimumCharacters))
    }
    return .text(text)
  }

  private static func characters(_ text: [UInt8]) -> Int {
    text.reduce(0) { $0 + ($1 & 0xC0 != 0x80 && $1 > 32 ? 1 : 0) }
  }
}

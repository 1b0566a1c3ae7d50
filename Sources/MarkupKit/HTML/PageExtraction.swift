public import ShardKit
import TextKit

/// Extracts the text of a page.
public struct PageExtraction: Sendable {
  public enum Boilerplate: String, CaseIterable, Sendable { case drop, keep }

  var boilerplate = Boilerplate.drop
  var removal = BoilerplateRemoval()
  var minimumCharacters = 100
  var keepsRuby = false
  var refusedDirectives: Set<String> = []
  var maximumReplacedFraction = 0.02
  public var maximumPageBytes = 8 << 20

  public init(
    boilerplate: Boilerplate = Boilerplate.drop, removal: BoilerplateRemoval = BoilerplateRemoval(),
    minimumCharacters: Int = 100, keepsRuby: Bool = false, refusedDirectives: Set<String> = [],
    maximumReplacedFraction: Double = 0.02, maximumPageBytes: Int = 8 << 20
  ) {
    self.boilerplate = boilerplate
    self.removal = removal
    self.minimumCharacters = minimumCharacters
    self.keepsRuby = keepsRuby
    self.refusedDirectives = refusedDirectives
    self.maximumReplacedFraction = maximumReplacedFraction
    self.maximumPageBytes = maximumPageBytes
  }

  public static let defaultDirectives = ["noindex", "none", "noai"]

  public struct Text: Equatable {
    public var text: [UInt8]
    public var title: [UInt8] = []
    /// As stated by the page.
    public var language = ""
    public var encoding = "utf-8"
    public var isEncodingGuessed = false
    /// Characters of the page's blocks, and of the kept ones.
    public var shownCharacters = 0
    public var keptCharacters = 0
  }

  public enum Outcome: Equatable {
    case text(Text)
    case dropped(DropReason)
  }

  /// The text of a body as sent by HTTP, after content decoding.
  public func text(of body: [UInt8], type: MediaType, directives: [String]) -> Outcome {
    guard body.count <= maximumPageBytes else {
      return .dropped(.tooLarge(body.count, maximum: maximumPageBytes))
    }
    if let refused = directives.first(where: { refusedDirectives.contains($0) }) {
      return .dropped(DropReason("robots-directive", detail: refused))
    }
    let page = PageEncoding.decode(body, declared: type.charset, isHTML: type.isHTML)
    guard page.replacedFraction <= maximumReplacedFraction else {
      return .dropped(.undecodable(page.replacedFraction, maximum: maximumReplacedFraction))
    }
    return type.isHTML ? html(page) : bounded(plain(page))
  }

  /// Text of a plain text body.
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
      return .dropped(DropReason("robots-directive", detail: refused))
    }
    var kept = self.kept(page)
    if !kept.contains(true), !hidden.blocks.isEmpty {
      page = hidden
      kept = self.kept(page)
    }
    guard !page.blocks.isEmpty else { return .dropped(.empty) }
    guard kept.contains(true) else { return .dropped(DropReason("boilerplate-only")) }
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
    if text.text.isEmpty { return .dropped(.empty) }
    guard text.keptCharacters >= minimumCharacters else {
      return .dropped(.tooShort(text.keptCharacters, minimum: minimumCharacters))
    }
    return .text(text)
  }

  private static func characters(_ text: [UInt8]) -> Int {
    text.reduce(0) { $0 + ($1 & 0xC0 != 0x80 && $1 > 32 ? 1 : 0) }
  }
}

import CXML2
import TextKit

/// Makes blocks of text out of the events of the HTML reader.
///
/// White space is what a browser shows of it, but for line ends of the source between Japanese characters, which part
/// no words. A single `<br>` is a line end, two are a new block; a table's row is a line with its cells parted by tabs.
final class HTMLReader {
  private(set) var page = HTMLPage()
  private(set) var isTooDeep = false
  var stop: () -> Void = {}

  private let keepsRuby: Bool

  private struct Frame {
    var element: HTMLElement
    var isLink = false, isChrome = false, isForm = false, isMain = false
  }

  private enum Space { case none, space, lineEnd }

  private var frames: [Frame] = []
  /// How many frames there were when something that is not text began.
  private var skippedSince: Int?
  private var links = 0, chrome = 0, forms = 0, mains = 0, preformatted = 0, readings = 0
  private var isInsideTitle = false
  /// The block that is being read.
  private var start = 0
  private var characters = 0
  private var linkCharacters = 0
  private var space = Space.none
  private var breaks = 0
  private var awaitsCell = false

  init(keepsRuby: Bool) { self.keepsRuby = keepsRuby }

  /// Reads a page that is UTF-8 without NUL.
  /// - Returns: what could be read, and whether that is all of the page.
  static func read(_ text: [UInt8], keepsRuby: Bool) -> (page: HTMLPage, isWhole: Bool) {
    let reader = HTMLReader(keepsRuby: keepsRuby)
    reader.page.text.reserveCapacity(text.count / 4)
    let isWhole = text.withUnsafeBufferPointer { HTMLEvents.read($0, into: reader) }
    reader.closeBlock()
    return (reader.page, isWhole)
  }

  // MARK: Elements

  func start(_ name: UnsafePointer<UInt8>, _ attributes: HTMLAttributes) {
    guard frames.count < HTMLEvents.maximumDepth else {
      isTooDeep = true
      return stop()
    }
    var length = 0
    while name[length] != 0 { length += 1 }
    var frame = Frame(element: HTMLElement(name, length))
    defer { frames.append(frame) }
    guard skippedSince == nil else { return }
    if frame.element.isBlock { closeBlock() }
    enter(&frame, attributes)
  }

  private func enter(_ frame: inout Frame, _ attributes: HTMLAttributes) {
    switch frame.element {
    case .skipped: skippedSince = frames.count
    case .lineBreak: breaks += 1
    case .cell: awaitsCell = page.text.count > start
    case .link: frame.isLink = isReference(attributes)
    case .main: frame.isMain = true
    case .chrome: frame.isChrome = true
    case .header: frame.isChrome = mains == 0
    case .form: frame.isForm = true
    case .preformatted: preformatted += 1
    case .title where page.title.isEmpty: isInsideTitle = true
    case .meta: readMeta(attributes)
    case .rubyParenthesis: skippedSince = frames.count
    case .rubyReading where !keepsRuby: skippedSince = frames.count
    case .rubyReading:
      readings += 1
      if readings == 1 { append("（") }
    case .html: readLanguage(attributes)
    default: break
    }
    if frame.element.mayBeMarked || frame.element == .inline { readMarks(&frame, attributes) }
    links += frame.isLink ? 1 : 0
    chrome += frame.isChrome ? 1 : 0
    forms += frame.isForm ? 1 : 0
    mains += frame.isMain ? 1 : 0
  }

  func end() {
    guard let frame = frames.last else { return }
    if let since = skippedSince {
      frames.removeLast()
      if frames.count == since { skippedSince = nil }
      return
    }
    if frame.element.isBlock { closeBlock() }
    frames.removeLast()
    links -= frame.isLink ? 1 : 0
    chrome -= frame.isChrome ? 1 : 0
    forms -= frame.isForm ? 1 : 0
    mains -= frame.isMain ? 1 : 0
    switch frame.element {
    case .title: isInsideTitle = false
    case .preformatted: preformatted -= 1
    case .rubyReading:
      readings -= 1
      if readings == 0 { append("）") }
    default: break
    }
  }

  private func readMarks(_ frame: inout Frame, _ attributes: HTMLAttributes) {
    var isHidden = false
    var isChrome = false
    let mayBeMarked = frame.element.mayBeMarked
    attributes.forEach { name, value, count in
      switch name[0] | 0x20 {
      case UInt8(ascii: "h"): isHidden = isHidden || HTMLAttributes.equal(name, "hidden")
      case UInt8(ascii: "s") where count < 256 && HTMLAttributes.equal(name, "style"):
        isHidden = isHidden || HTMLAttributes.string(value, count).filter { $0 != " " }.contains("display:none")
      case UInt8(ascii: "c") where mayBeMarked && HTMLAttributes.equal(name, "class"),
        UInt8(ascii: "i") where mayBeMarked && HTMLAttributes.equal(name, "id"),
        UInt8(ascii: "r") where mayBeMarked && HTMLAttributes.equal(name, "role"):
        isChrome = isChrome || PageMarks.isChrome(value, min(count, 1024))
      default: break
      }
    }
    if isHidden { skippedSince = frames.count }
    // An article's own header holds its title.
    if isChrome, frame.element != .header || mains == 0 { frame.isChrome = true }
  }

  /// Whether an `a` leads anywhere; old pages have many that only name a place, and never close them.
  private func isReference(_ attributes: HTMLAttributes) -> Bool {
    var found = false
    attributes.forEach { name, _, _ in found = found || HTMLAttributes.equal(name, "href") }
    return found
  }

  private func readLanguage(_ attributes: HTMLAttributes) {
    attributes.forEach { name, value, count in
      if HTMLAttributes.equal(name, "lang") || page.language.isEmpty && HTMLAttributes.equal(name, "xml:lang") {
        page.language = String(HTMLAttributes.string(value, min(count, 35)))
      }
    }
  }

  private func readMeta(_ attributes: HTMLAttributes) {
    var name = ""
    var content = ""
    attributes.forEach { key, value, count in
      if HTMLAttributes.equal(key, "name") { name = HTMLAttributes.string(value, count).lowercased() }
      if HTMLAttributes.equal(key, "content") { content = HTMLAttributes.string(value, count) }
    }
    guard name == "robots" || name == RobotsDirectives.agent else { return }
    page.robots += RobotsDirectives.words(content)
  }

  // MARK: Text

  func text(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    guard skippedSince == nil else { return }
    if isInsideTitle { return readTitle(bytes, count) }
    if preformatted > 0 { return appendPreformatted(bytes, count) }
    var at = 0
    while at < count {
      let byte = bytes[at]
      if byte <= 0x20 {
        if byte == 10 || byte == 13 { space = .lineEnd } else if space == .none { space = .space }
        at += 1
      } else if byte == 0xC2, at + 1 < count, bytes[at + 1] == 0xA0 {
        if space == .none { space = .space }
        at += 2
      } else {
        var end = at + 1
        while end < count, bytes[end] > 0x20, bytes[end] != 0xC2 || end + 1 == count || bytes[end + 1] != 0xA0 {
          end += 1
        }
        append(UnsafeBufferPointer(start: bytes + at, count: end - at))
        at = end
      }
    }
  }

  private func append(_ text: StaticString) {
    append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// A run without white space.
  private func append(_ run: UnsafeBufferPointer<UInt8>) {
    if breaks > 1 { closeBlock() }
    if page.text.count > start {
      if awaitsCell {
        page.text.append(9)
      } else if breaks == 1 {
        page.text.append(10)
      } else if space == .space || space == .lineEnd && !(endsWide && Self.isWide(run.baseAddress!, run.count)) {
        page.text.append(32)
      }
    }
    (space, breaks, awaitsCell) = (.none, 0, false)
    page.text.append(contentsOf: run)
    count(run)
  }

  private func appendPreformatted(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    let run = UnsafeBufferPointer(start: bytes, count: count)
    if breaks > 0 { page.text.append(10) }
    (space, breaks, awaitsCell) = (.none, 0, false)
    for byte in run where byte != 13 { page.text.append(byte) }
    self.count(run)
  }

  private func count(_ run: UnsafeBufferPointer<UInt8>) {
    var count = 0
    for byte in run { count &+= byte & 0xC0 != 0x80 && byte > 32 ? 1 : 0 }
    characters += count
    if links > 0 { linkCharacters += count }
  }

  private func readTitle(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    for byte in UnsafeBufferPointer(start: bytes, count: count) where page.title.count < 4096 || byte & 0xC0 == 0x80 {
      if byte > 32 {
        page.title.append(byte)
      } else if page.title.last.map({ $0 != 32 }) ?? false {
        page.title.append(32)
      }
    }
  }

  private func closeBlock() {
    (space, breaks, awaitsCell) = (.none, 0, false)
    while page.text.count > start, page.text.last! <= 32 { page.text.removeLast() }
    var first = start
    while first < page.text.count, page.text[first] == 10 { first += 1 }
    if characters > 0 {
      page.blocks.append(
        HTMLPage.Block(
          range: first..<page.text.count, kind: kind, characters: characters, linkCharacters: linkCharacters,
          isChrome: chrome > 0, isForm: forms > 0, isMain: mains > 0))
    }
    start = page.text.count
    (characters, linkCharacters) = (0, 0)
  }

  private var kind: HTMLPage.Block.Kind {
    if preformatted > 0 { return .preformatted }
    switch frames.last(where: { $0.element.isBlock })?.element {
    case .heading: return .heading
    case .listItem: return .listItem
    case .row: return .row
    default: return .text
    }
  }

  // MARK: Japanese

  private var endsWide: Bool {
    var at = page.text.count - 1
    while at > start, page.text[at] & 0xC0 == 0x80 { at -= 1 }
    return page.text.withUnsafeBufferPointer { Self.isWide($0.baseAddress! + at, $0.count - at) }
  }

  /// Whether a text begins with a character that needs no space beside it: kana, kanji, full-width forms and marks.
  static func isWide(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    guard bytes[0] >= 0xE3, count >= 3 else { return false }
    let scalar = UTF8Scanning.scalar(at: 0, in: bytes, end: count).value
    switch scalar {
    case 0x3000...0x312F, 0x3190...0x9FFF, 0xF900...0xFAFF, 0xFF00...0xFFEF, 0x2_0000...0x3_FFFF: return true
    default: return false
    }
  }
}

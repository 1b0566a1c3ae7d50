import Glibc

/// Tokenizes a page as the HTML standard does (13.2.5), and passes tags and text to a reader.
///
/// One pass over UTF-8 bytes: no tree, no copy of the page, and for any page each byte is examined a bounded number of
/// times. Where the standard would lose the remainder of a page, less is lost here: after a title that is never closed,
/// and after a missing quote, if no other of its kind follows or the next one clearly begins a value.
struct HTMLTokenizer {
  private let bytes: UnsafePointer<UInt8>
  private let end: Int
  private let reader: HTMLReader
  private var at = 0
  private var quotes = ClosingQuotes()
  /// Position of the next end tag of a link; a link without one is ignored.
  private var nextLinkEnd = -1
  private var characters: [UInt8] = []
  /// Names of elements whose content is not markup and that have no more end tags.
  private var missingEnds: Set<UInt32> = []

  static func read(_ text: UnsafeBufferPointer<UInt8>, into reader: HTMLReader) {
    guard let base = text.baseAddress else { return }
    var tokenizer = HTMLTokenizer(base, text.count, reader)
    tokenizer.run()
  }

  private init(_ bytes: UnsafePointer<UInt8>, _ end: Int, _ reader: HTMLReader) {
    self.bytes = bytes
    self.end = end
    self.reader = reader
    characters.reserveCapacity(16)
  }

  private mutating func run() {
    while at < end {
      let next = find(UInt8(ascii: "<"), from: at) ?? end
      if next > at { text(next) }
      guard next < end else { return }
      at = next
      markup()
    }
  }

  private func find(_ byte: UInt8, from start: Int) -> Int? {
    guard start < end, let hit = memchr(bytes + start, Int32(byte), end - start) else { return nil }
    return UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - bytes
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

  // MARK: Text

  /// Passes on text up to a position, with its references.
  private mutating func text(_ stop: Int) {
    guard reader.wantsText else {
      at = stop
      return
    }
    while at < stop {
      var next = stop
      if let hit = memchr(bytes + at, Int32(UInt8(ascii: "&")), stop - at) {
        next = UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - bytes
      }
      if next > at { reader.text(bytes + at, next - at) }
      at = next
      guard at < stop else { return }
      characters.removeAll(keepingCapacity: true)
      let count = HTMLReferences.shared.read(bytes, at, stop, into: &characters)
      if count > 0 {
        characters.withUnsafeBufferPointer { reader.text($0.baseAddress!, $0.count) }
        at += count
      } else {
        reader.text(bytes + at, 1)
        at += 1
      }
    }
  }

  // MARK: Markup

  /// Handles a `<`.
  private mutating func markup() {
    guard at + 1 < end else { return literal() }
    switch bytes[at + 1] {
    case UInt8(ascii: "!"):
      if at + 3 < end, bytes[at + 2] == 0x2D, bytes[at + 3] == 0x2D { comment() } else { skipTag() }
    case UInt8(ascii: "?"): skipTag()
    case UInt8(ascii: "/"):
      guard at + 2 < end else { return literal() }
      if Self.isLetter(bytes[at + 2]) { endTag() } else { skipTag() }
    case let byte where Self.isLetter(byte): startTag()
    default: literal()
    }
  }

  private mutating func literal() {
    if reader.wantsText { reader.text(bytes + at, 1) }
    at += 1
  }

  private mutating func skipTag() { at = find(UInt8(ascii: ">"), from: at + 1).map { $0 + 1 } ?? end }

  /// Up to `-->`, or as in the standard also `--!>`; `<!-->` and `<!--->` are complete.
  private mutating func comment() {
    var next = at + 4
    if next < end, bytes[next] == 0x3E { return at = next + 1 }
    if next + 1 < end, bytes[next] == 0x2D, bytes[next + 1] == 0x3E { return at = next + 2 }
    while let hit = find(UInt8(ascii: ">"), from: next) {
      let isMarked = bytes[hit - 1] == UInt8(ascii: "!") && hit >= at + 7
      let dashes = isMarked ? hit - 1 : hit
      if dashes - 2 >= at + 4, bytes[dashes - 1] == 0x2D, bytes[dashes - 2] == 0x2D { return at = hit + 1 }
      next = hit + 1
    }
    at = end
  }

  /// Reads an element's name.
  /// - Parameter start: its first letter; on return what follows it.
  private func name(_ start: inout Int) -> HTMLName {
    let first = start
    while start < end, bytes[start] > 32, bytes[start] != 0x2F, bytes[start] != 0x3E { start += 1 }
    return HTMLName(bytes + first, start - first)
  }

  private mutating func endTag() {
    var next = at + 2
    let name = name(&next)
    // Nearly all end immediately; others may have attributes, which are ignored.
    if next < end, bytes[next] == UInt8(ascii: ">") {
      at = next + 1
    } else {
      at = next
      _ = HTMLAttributes.read(bytes, &at, end, &quotes)
    }
    reader.end(name)
  }

  private mutating func startTag() {
    let first = at + 1
    var next = first
    let name = name(&next)
    at = next
    var attributes = HTMLAttributes.read(bytes, &at, end, &quotes)
    // A tag truncated by the end of the page is ignored.
    guard bytes[at - 1] == UInt8(ascii: ">") else { return }
    if name.element == .link, attributes.holdsReference { attributes.holdsReference = linkEnds() }
    if reader.isForeign {
      reader.startForeign(name, attributes, isClosed: bytes[at - 2] == UInt8(ascii: "/"))
      if reader.isForeign { return }
    } else {
      reader.start(name, attributes)
      if name.element == .foreign, bytes[at - 2] == UInt8(ascii: "/") { reader.end(name) }
    }
    switch name.element {
    case .raw: skipRaw(name.number, bytes + first, next - first)
    case .rawText: rawText(name.number, bytes + first, next - first)
    case .title: title(name.number)
    default: break
    }
  }

  /// Whether an `</a>` follows; old pages have links that are never closed.
  private mutating func linkEnds() -> Bool {
    guard nextLinkEnd < at else { return nextLinkEnd < end }
    nextLinkEnd = at
    while let hit = find(UInt8(ascii: "<"), from: nextLinkEnd) {
      nextLinkEnd = hit
      if endsRaw(hit, Self.linkName, 1) { return true }
      nextLinkEnd += 1
    }
    nextLinkEnd = end
    return false
  }

  private nonisolated(unsafe) static let linkName: UnsafePointer<UInt8> = {
    let name: StaticString = "a"
    return name.utf8Start
  }()

  // MARK: Raw content

  /// Whether an end tag with a name is at a `<`.
  private func endsRaw(_ place: Int, _ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    place + 1 < end && bytes[place + 1] == UInt8(ascii: "/") && isNamed(place + 2, name, count)
  }

  private func isNamed(_ start: Int, _ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    guard start + count <= end else { return false }
    for offset in 0..<count where bytes[start + offset] | 0x20 != name[offset] | 0x20 { return false }
    guard start + count < end else { return true }
    let next = bytes[start + count]
    return next <= 32 || next == 0x2F || next == 0x3E
  }

  /// Where the content of an element ends.
  private mutating func rawEnd(_ number: UInt32, _ name: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    guard !missingEnds.contains(number) else { return nil }
    var next = at
    while let hit = find(UInt8(ascii: "<"), from: next) {
      if endsRaw(hit, name, count) { return hit }
      next = hit + 1
    }
    missingEnds.insert(number)
    return nil
  }

  private mutating func skipRaw(_ number: UInt32, _ name: UnsafePointer<UInt8>, _ count: Int) {
    if number == Self.script { return skipScript(name, count) }
    if let stop = rawEnd(number, name, count) {
      at = stop
      skipTag()
    } else if number == Self.style {
      at = end
    }
  }

  private static let script = HTMLName.named("script")
  private static let style = HTMLName.named("style")
  private static let plaintext = HTMLName.named("plaintext")

  /// A script may contain another one within `<!--`, whose end tag is not its own (13.2.5.20 and on).
  private mutating func skipScript(_ name: UnsafePointer<UInt8>, _ count: Int) {
    var isEscaped = false
    var isWithin = false
    while let hit = find(UInt8(ascii: "<"), from: at) {
      if isEscaped, holdsDashes(at, hit) { (isEscaped, isWithin) = (false, false) }
      at = hit + 1
      if endsRaw(hit, name, count) {
        if !isWithin { return skipTag() }
        isWithin = false
      } else if isEscaped, !isWithin, isNamed(hit + 1, name, count) {
        isWithin = true
      } else if !isEscaped, hit + 3 < end, bytes[hit + 1] == 0x21, bytes[hit + 2] == 0x2D, bytes[hit + 3] == 0x2D {
        isEscaped = true
      }
    }
    at = end
  }

  /// Whether a comment within a script ends in a range.
  private func holdsDashes(_ start: Int, _ stop: Int) -> Bool {
    var next = start
    while next < stop, let found = memchr(bytes + next, Int32(UInt8(ascii: ">")), stop - next) {
      let hit = UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - bytes
      if hit >= start + 2, bytes[hit - 1] == 0x2D, bytes[hit - 2] == 0x2D { return true }
      next = hit + 1
    }
    return false
  }

  /// Passes on text unchanged, up to its end tag.
  private mutating func rawText(_ number: UInt32, _ name: UnsafePointer<UInt8>, _ count: Int) {
    let stop = number == Self.plaintext ? end : rawEnd(number, name, count)
    // If no text is wanted, a `plaintext` would also consume the end tag of its parent.
    guard let stop, reader.wantsText || number != Self.plaintext else { return }
    if reader.wantsText, stop > at { reader.text(bytes + at, stop - at) }
    at = stop
  }

  /// A title ends with its end tag; one that is never closed, with the next tag of any name.
  private mutating func title(_ number: UInt32) {
    let word: StaticString = "title"
    guard let stop = rawEnd(number, word.utf8Start, word.utf8CodeUnitCount) ?? find(UInt8(ascii: "<"), from: at) else {
      return
    }
    if reader.wantsTitle {
      let title = UnsafeBufferPointer(start: bytes + at, count: stop - at)
      reader.readTitle(HTMLReferences.shared.decoded(title, isAttribute: false))
    }
    at = stop
  }
}

import CKernels
import Glibc
import ShardKit

/// Reads pages as MediaWiki writes them, without libxml2, which takes many times as long.
///
/// What it reads, libxml2 reads equally: valid UTF-8 without carriage returns; elements of lower-case names, in fields
/// none; attributes in double quotes; the references that MediaWiki writes. All else, and what is not well-formed, is
/// left to libxml2, from the page's beginning on.
struct WikiPageScanner {
  enum Outcome: Equatable {
    /// The page is complete; the place behind it.
    case page(end: Int)
    /// It goes on behind the bytes.
    case incomplete
    /// It is not in this form.
    case unusual
  }

  /// What a mark leads to: the place behind it, or an outcome.
  private enum Step {
    case next(Int)
    case page(end: Int)
    case incomplete, unusual
  }

  private static let level = pl_simd_widest()
  private static let longestTag = 4096
  private static let deepest = 16
  private static let references: [(name: [UInt8], byte: UInt8)] = [
    (Array("&lt;".utf8), 0x3C), (Array("&gt;".utf8), 0x3E), (Array("&amp;".utf8), 0x26), (Array("&quot;".utf8), 0x22),
    (Array("&#039;".utf8), 0x27),
  ]

  private let base: UnsafePointer<UInt8>
  private let end: Int
  private let parser: WikiDumpParser
  private var scan = pl_scan()
  /// The names of the open elements, the page's first.
  private var open: [Range<Int>] = []
  /// The names of a tag's attributes.
  private var attributes: [Range<Int>] = []

  /// Reads the page that begins at a place, if one does, into the parser.
  static func scan(_ bytes: UnsafeRawBufferPointer, into parser: WikiDumpParser) -> Outcome {
    guard let base = bytes.bindMemory(to: UInt8.self).baseAddress else { return .incomplete }
    var scanner = WikiPageScanner(base: base, end: bytes.count, parser: parser)
    let outcome = scanner.page()
    if case .page = outcome { return outcome }
    parser.abandonPage()
    return outcome
  }

  /// The lines that end in bytes.
  static func lines(_ bytes: UnsafeRawBufferPointer) -> Int {
    bytes.bindMemory(to: UInt8.self).baseAddress.map { pl_count_lines(level, $0, bytes.count) } ?? 0
  }

  private init(base: UnsafePointer<UInt8>, end: Int, parser: WikiDumpParser) {
    self.base = base
    self.end = end
    self.parser = parser
  }

  private mutating func page() -> Outcome {
    var i = 0
    while true {
      let mark = pl_find_markup(Self.level, base, i, end, &scan)
      if mark == end { return .incomplete }
      if open.isEmpty, mark > i { return .unusual }
      parser.text(UnsafeBufferPointer(start: base + i, count: mark - i))
      switch tagOrReference(mark) {
      case .next(let place): i = place
      case .page(let end): return .page(end: end)
      case .incomplete: return .incomplete
      case .unusual: return .unusual
      }
    }
  }

  private mutating func tagOrReference(_ i: Int) -> Step {
    if base[i] == UInt8(ascii: "&") {
      guard let found = reference(i) else { return end - i < 8 ? .incomplete : .unusual }
      if open.isEmpty { return .unusual }
      withUnsafePointer(to: found.byte) { parser.text(UnsafeBufferPointer(start: $0, count: 1)) }
      return .next(found.end)
    }
    guard base[i] == UInt8(ascii: "<") else { return .unusual }
    guard i + 1 < end else { return .incomplete }
    return base[i + 1] == UInt8(ascii: "/") ? endTag(i + 2) : startTag(i + 1)
  }

  private func reference(_ i: Int) -> (byte: UInt8, end: Int)? {
    for (name, byte) in Self.references where end - i >= name.count && memcmp(base + i, name, name.count) == 0 {
      return (byte, i + name.count)
    }
    return nil
  }

  /// The end of the lower-case letters and digits, of which the first is a letter.
  private func nameEnd(_ start: Int) -> Int {
    var i = start
    while i < end, base[i] &- 0x61 < 26 || i > start && base[i] &- 0x30 < 10 { i += 1 }
    return i
  }

  private mutating func endTag(_ start: Int) -> Step {
    guard let name = open.last else { return .unusual }
    guard start + name.count < end else { return .incomplete }
    guard memcmp(base + start, base + name.lowerBound, name.count) == 0,
      base[start + name.count] == UInt8(ascii: ">")
    else { return .unusual }
    let place = start + name.count + 1
    if open.count > 1 {
      close()
      return .next(place)
    }
    // Invalid UTF-8 is for libxml2 to report.
    guard isUTF8(UnsafeRawBufferPointer(start: base, count: place)) else { return .unusual }
    close()
    return .page(end: place)
  }

  private mutating func close() {
    let name = open.removeLast()
    parser.end(WikiDumpElement(base + name.lowerBound, name.count), depth: open.count + 2)
  }

  private mutating func startTag(_ start: Int) -> Step {
    let name = start..<nameEnd(start)
    // A page's element, and none in a field, where it would be part of the text.
    let isPage = name.count == 4 && memcmp(base + start, "page", 4) == 0
    guard !name.isEmpty, open.isEmpty == isPage, open.count < Self.deepest, parser.field == .none else {
      return name.upperBound == end ? .incomplete : .unusual
    }
    var i = name.upperBound
    attributes.removeAll(keepingCapacity: true)
    while i < end, i - start < Self.longestTag {
      switch base[i] {
      case UInt8(ascii: ">"):
        begin(name)
        return .next(i + 1)
      case UInt8(ascii: "/"):
        guard i + 1 < end else { return .incomplete }
        guard base[i + 1] == UInt8(ascii: ">"), !isPage else { return .unusual }
        begin(name)
        close()
        return .next(i + 2)
      case UInt8(ascii: " "):
        if i + 1 < end, base[i + 1] == UInt8(ascii: "/") || base[i + 1] == UInt8(ascii: ">") {
          i += 1
          continue
        }
        let step = attribute(i + 1)
        guard case .next(let place) = step else { return step }
        i = place
      default: return .unusual
      }
    }
    return i < end ? .unusual : .incomplete
  }

  private mutating func begin(_ name: Range<Int>) {
    open.append(name)
    parser.begin(WikiDumpElement(base + name.lowerBound, name.count), depth: open.count + 1)
  }

  /// An attribute of a tag, whose value is not used. Its name is unlike those before it, and without a prefix other than
  /// that of `xml:space`.
  private mutating func attribute(_ start: Int) -> Step {
    var nameEnd = nameEnd(start)
    if nameEnd < end, base[nameEnd] == UInt8(ascii: ":"), nameEnd - start == 3, memcmp(base + start, "xml", 3) == 0 {
      nameEnd = self.nameEnd(nameEnd + 1)
    }
    guard nameEnd + 1 < end else { return .incomplete }
    let name = start..<nameEnd
    guard !name.isEmpty, base[nameEnd - 1] != UInt8(ascii: ":"), !isTaken(name), base[nameEnd] == UInt8(ascii: "="),
      base[nameEnd + 1] == UInt8(ascii: "\"")
    else { return .unusual }
    attributes.append(name)
    var i = nameEnd + 2
    while i < end, base[i] != UInt8(ascii: "\"") {
      switch base[i] {
      case UInt8(ascii: "&"):
        guard let found = reference(i) else { return end - i < 8 ? .incomplete : .unusual }
        i = found.end
      // A lead byte of U+FFFE and U+FFFF, and of others.
      case 0..<0x20, UInt8(ascii: "<"), 0xEF: return .unusual
      default: i += 1
      }
    }
    return i < end ? .next(i + 1) : .incomplete
  }

  private func isTaken(_ name: Range<Int>) -> Bool {
    if name.count >= 5, memcmp(base + name.lowerBound, "xmlns", 5) == 0 { return true }
    return attributes.contains {
      $0.count == name.count && memcmp(base + $0.lowerBound, base + name.lowerBound, name.count) == 0
    }
  }
}

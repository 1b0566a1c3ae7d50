import Glibc
import TextKit

/// The attributes of a tag that matter for text; of repeated names the first counts.
struct HTMLAttributes {
  typealias Value = UnsafeBufferPointer<UInt8>

  /// As written in the page: references are not decoded.
  var classes: Value?, id: Value?, role: Value?, style: Value?, language: Value?, name: Value?, content: Value?
  var holdsReference = false
  var isHidden = false

  /// Reads attributes up to the end of their tag.
  /// - Parameter at: after the name of the element; on return after the tag's `>`, or at the end of the page.
  static func read(
    _ bytes: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int, _ quotes: inout ClosingQuotes
  ) -> HTMLAttributes {
    var found = HTMLAttributes()
    while true {
      while at < end, bytes[at] <= 32 || bytes[at] == UInt8(ascii: "/") { at += 1 }
      guard at < end else { return found }
      if bytes[at] == UInt8(ascii: ">") {
        at += 1
        return found
      }
      let start = at
      at += 1
      while at < end, bytes[at] > 32, bytes[at] != 0x3E, bytes[at] != 0x3D, bytes[at] != 0x2F { at += 1 }
      let count = at - start
      found.take(bytes + start, count, value(bytes, &at, end, &quotes))
    }
  }

  private static func value(
    _ bytes: UnsafePointer<UInt8>, _ at: inout Int, _ end: Int, _ quotes: inout ClosingQuotes
  ) -> Value {
    var next = at
    while next < end, bytes[next] <= 32 { next += 1 }
    guard next < end, bytes[next] == UInt8(ascii: "=") else { return Value(start: bytes + at, count: 0) }
    at = next + 1
    while at < end, bytes[at] <= 32 { at += 1 }
    guard at < end else { return Value(start: bytes + at, count: 0) }
    let start = at
    if bytes[at] == 0x22 || bytes[at] == 0x27, let close = quotes.close(bytes, at, end) {
      let tagEnd = forgotten(bytes, start, close, end)
      at = tagEnd ?? close + 1
      return Value(start: bytes + start + 1, count: (tagEnd ?? close) - start - 1)
    }
    while at < end, bytes[at] > 32, bytes[at] != UInt8(ascii: ">") { at += 1 }
    return Value(start: bytes + start, count: at - start)
  }

  /// The end of the tag if its closing quote is missing: the next quote begins a value in another tag if it follows
  /// a `=` and is followed by a character that cannot follow a value.
  private static func forgotten(_ bytes: UnsafePointer<UInt8>, _ open: Int, _ close: Int, _ end: Int) -> Int? {
    guard bytes[close - 1] == UInt8(ascii: "="), close + 1 < end, bytes[close + 1] > 32,
      bytes[close + 1] != UInt8(ascii: ">"), bytes[close + 1] != UInt8(ascii: "/")
    else { return nil }
    let first = (open + 1..<close).first { bytes[$0] == UInt8(ascii: ">") || bytes[$0] == UInt8(ascii: "<") }
    guard let first, bytes[first] == UInt8(ascii: ">") else { return nil }
    return memchr(bytes + first, Int32(UInt8(ascii: "<")), close - first) == nil ? nil : first
  }

  @inline(__always)
  private mutating func take(_ name: UnsafePointer<UInt8>, _ count: Int, _ value: Value) {
    switch (count, name[0] | 0x20) {
    case (2, UInt8(ascii: "i")) where Self.equal(name, "id"): if id == nil { id = value }
    case (4, UInt8(ascii: "h")) where Self.equal(name, "href"): holdsReference = true
    case (4, UInt8(ascii: "r")) where Self.equal(name, "role"): if role == nil { role = value }
    case (4, UInt8(ascii: "l")) where Self.equal(name, "lang"): language = value
    case (4, UInt8(ascii: "n")) where Self.equal(name, "name"): if self.name == nil { self.name = value }
    case (5, UInt8(ascii: "c")) where Self.equal(name, "class"): if classes == nil { classes = value }
    case (5, UInt8(ascii: "s")) where Self.equal(name, "style"): if style == nil { style = value }
    case (6, UInt8(ascii: "h")) where Self.equal(name, "hidden"): isHidden = true
    case (7, UInt8(ascii: "c")) where Self.equal(name, "content"): if content == nil { content = value }
    case (8, UInt8(ascii: "x")) where Self.equal(name, "xml:lang"): if language == nil { language = value }
    default: break
    }
  }

  private static func equal(_ name: UnsafePointer<UInt8>, _ word: StaticString) -> Bool {
    for offset in 0..<word.utf8CodeUnitCount where name[offset] | 0x20 != word.utf8Start[offset] | 0x20 { return false }
    return true
  }

  static func string(_ value: Value?, maximumBytes: Int = 1024) -> String {
    guard let value else { return "" }
    let part = UTF8Scanning.wholePrefix(value, limit: maximumBytes)
    return String(decoding: HTMLReferences.shared.decoded(part, isAttribute: true), as: UTF8.self)
  }

  /// Whether the style hides the element.
  var isStyledAway: Bool {
    guard let style, style.count >= 12, style.count < 512 else { return false }
    let wanted: StaticString = "display:none"
    var matched = 0
    for byte in style where byte > 32 {
      if byte | 0x20 == wanted.utf8Start[matched] {
        matched += 1
        if matched == wanted.utf8CodeUnitCount { return true }
      } else {
        // Its first letter occurs only once, so no other match can begin within a partial one.
        matched = byte | 0x20 == wanted.utf8Start[0] ? 1 : 0
      }
    }
    return false
  }
}

/// Finds the end of a quoted value. A quote without a second one of its kind is not a quote.
struct ClosingQuotes {
  /// There are no such quotes after these positions, so that searching stays linear.
  private var lastDouble = Int.max
  private var lastSingle = Int.max

  mutating func close(_ bytes: UnsafePointer<UInt8>, _ open: Int, _ end: Int) -> Int? {
    let isDouble = bytes[open] == 0x22
    if open >= (isDouble ? lastDouble : lastSingle) { return nil }
    if let hit = memchr(bytes + open + 1, Int32(bytes[open]), end - open - 1) {
      return UnsafePointer(hit.assumingMemoryBound(to: UInt8.self)) - bytes
    }
    if isDouble { lastDouble = open } else { lastSingle = open }
    return nil
  }
}

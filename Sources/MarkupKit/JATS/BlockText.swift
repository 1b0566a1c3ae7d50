import TextKit

/// Converts a block's characters from the XML to text: collapses white space, joins lines broken between two Chinese or
/// Japanese characters, and removes citations.
enum BlockText {
  /// Enclose a citation's marker while a block is read. XML has no such characters.
  static let citationStart: UInt8 = 1
  static let citationEnd: UInt8 = 2

  static func finished(_ raw: [UInt8], isPreformatted: Bool) -> [UInt8] {
    if isPreformatted { return trimmedLines(raw) }
    var text = spaced(raw)
    if text.contains(citationStart) { text = CitationTidying.tidied(text) }
    if text.last == 32 { text.removeLast() }
    return text
  }

  private static func trimmedLines(_ raw: [UInt8]) -> [UInt8] {
    var text = raw.filter { $0 > 2 && $0 != 13 }
    while let last = text.last, last == 32 || last == 10 || last == 9 { text.removeLast() }
    return Array(text.drop { $0 == 10 })
  }

  private static func spaced(_ raw: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(raw.count)
    var space = (isThere: false, hasLineEnd: false)
    var lastIsCJK = false
    /// Position after a Chinese or Japanese character where a line was broken before a marker.
    var spaceBeforeMark: Int?
    raw.withUnsafeBufferPointer { raw in
      UTF8Scanning.forEachScalar(raw) { scalar, start, end in
        if isSpace(scalar) {
          space = (true, space.hasLineEnd || scalar == 10 || scalar == 13)
          return
        }
        let isMark = scalar <= 2
        let isCJK = isChineseOrJapanese(scalar)
        let isBroken = space.hasLineEnd && lastIsCJK
        // A space before a marker stays before it; one inside, at its end, belongs to what follows.
        if space.isThere && scalar != UInt32(citationEnd) {
          if !out.isEmpty, !(isBroken && isCJK) {
            if isMark && isBroken { spaceBeforeMark = out.count }
            out.append(32)
          }
          space = (false, false)
        }
        if !isMark {
          if isCJK, let place = spaceBeforeMark { out.remove(at: place) }
          spaceBeforeMark = nil
        }
        out.append(contentsOf: raw[start..<end])
        if !isMark { lastIsCJK = isCJK }
      }
    }
    return out
  }

  /// White space and fixed-width spaces, but not the ideographic space, which is a character of its text.
  private static func isSpace(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 9, 10, 13, 32, 0xA0, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F: true
    default: false
    }
  }

  static func isChineseOrJapanese(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x2E80...0x312F, 0x31A0...0x9FFF, 0xF900...0xFAFF, 0xFE30...0xFE4F, 0xFF01...0xFF65, 0xFF66...0xFF9F,
      0x1B000...0x1B16F, 0x20000...0x3FFFF:
      true
    default: false
    }
  }

  /// Whether a paragraph is only a DOI, as some publishers add after each section of an article:
  /// `DOI: http://dx.doi.org/10.7554/eLife.00005.002`.
  static func isIdentifier(_ text: [UInt8]) -> Bool {
    guard text.count <= 256 else { return false }
    var rest = String(decoding: text, as: UTF8.self).lowercased()[...]
    for lead in ["digital object identifier", "doi", ":", "https://", "http://", "dx.", "www.", "doi.org/", "doi:"] {
      rest = rest.drop { $0 == " " }
      if rest.hasPrefix(lead) { rest = rest.dropFirst(lead.count) }
    }
    rest = rest.drop { $0 == " " }
    let parts = rest.split(separator: "/", maxSplits: 1)
    guard parts.count == 2, parts[0].hasPrefix("10."), parts[0].utf8.count >= 7, !parts[1].isEmpty else { return false }
    return parts[0].dropFirst(3).allSatisfy { $0.isASCII && ($0.isNumber || $0 == ".") } && !parts[1].contains(" ")
  }

  /// Superscript or subscript digits and signs in Unicode; nil if a character has no such form.
  static func script(_ text: ArraySlice<UInt8>, isRaised: Bool) -> [UInt8]? {
    guard !text.isEmpty, text.count <= 16 else { return nil }
    var out: [UInt8] = []
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      guard let form = scriptForm(scalar, isRaised: isRaised) else { return nil }
      UTF8Scanning.append(form, to: &out)
    }
    return out
  }

  private static func scriptForm(_ scalar: Unicode.Scalar, isRaised: Bool) -> UInt32? {
    switch scalar {
    case "1" where isRaised: return 0xB9
    case "2" where isRaised: return 0xB2
    case "3" where isRaised: return 0xB3
    case "0"..."9": return (isRaised ? 0x2070 : 0x2080) + (scalar.value - 48)
    case "+": return isRaised ? 0x207A : 0x208A
    case "-", "\u{2212}", "\u{2013}": return isRaised ? 0x207B : 0x208B
    default: return nil
    }
  }
}

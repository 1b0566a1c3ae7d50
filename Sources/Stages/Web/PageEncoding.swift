import ShardKit
import TextKit

/// A page's bytes as UTF-8.
struct DecodedPage: Equatable {
  var text: [UInt8]
  /// In lower case: `utf-8`, `shift_jis`, `euc-jp`, `iso-2022-jp`, or as ICU knows it.
  var encoding: String
  /// No declaration told the encoding, or none that fits the bytes.
  var isGuessed = false
  /// The part of the characters that are none.
  var replacedFraction = 0.0
}

/// Finds and undoes a page's encoding: byte order mark, HTTP, `<meta>`, and else what the bytes can be.
///
/// Bytes that are UTF-8 with more than a few characters outside ASCII are UTF-8 whatever is declared, and a declaration
/// that many of the bytes contradict is not believed: wrong ones are common, chance agreement is not.
struct PageEncoding {
  /// A declaration under which a larger part of the characters are none is not believed.
  private static let believedFraction = 0.005

  /// - Parameter declared: what the HTTP answer says.
  static func decode(_ bytes: [UInt8], declared: String?, isHTML: Bool) -> DecodedPage {
    bytes.withUnsafeBufferPointer { bytes in
      var page = choose(bytes, declared: declared, isHTML: isHTML)
      clean(&page.text)
      return page
    }
  }

  private static func choose(
    _ bytes: UnsafeBufferPointer<UInt8>, declared: String?, isHTML: Bool
  ) -> DecodedPage {
    if let (name, mark) = byteOrderMark(bytes),
      let page = decode(UnsafeBufferPointer(rebasing: bytes[mark...]), as: name)
    {
      return page
    }
    let labels = [declared, isHTML ? metaLabel(bytes) : nil].compactMap { $0.flatMap(normalized) }
    var isUTF8 = false
    let highBytes = bytes.reduce(0) { $0 + Int($1 >> 7) }
    if highBytes == 0, !labels.contains("iso-2022-jp"), !holdsShift(bytes) {
      return DecodedPage(text: Array(bytes), encoding: "utf-8")
    }
    if highBytes > 0, let text = utf8(bytes) {
      isUTF8 = true
      let isDeclared = labels.contains("utf-8")
      if isDeclared || highBytes >= 8 || labels.isEmpty {
        return DecodedPage(text: text, encoding: "utf-8", isGuessed: !isDeclared)
      }
    }
    var best: DecodedPage?
    // Servers say Latin-1 of anything: it is believed last.
    for label in labels where label != "windows-1252" && !(label == "utf-8" && isUTF8) {
      guard let page = decode(bytes, as: label) else { continue }
      if page.replacedFraction <= believedFraction { return page }
      if page.replacedFraction < best?.replacedFraction ?? 2 { best = page }
    }
    var guess = self.guess(bytes)
    guess.isGuessed = !(guess.encoding == "windows-1252" && labels.contains("windows-1252"))
    if let best, best.replacedFraction <= guess.replacedFraction || guess.encoding == "windows-1252" { return best }
    return guess
  }

  private static func byteOrderMark(_ bytes: UnsafeBufferPointer<UInt8>) -> (String, Int)? {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return ("utf-8", 3) }
    if bytes.starts(with: [0xFE, 0xFF]) { return ("utf-16be", 2) }
    return bytes.starts(with: [0xFF, 0xFE]) ? ("utf-16le", 2) : nil
  }

  // MARK: Labels

  /// Names as the WHATWG's Encoding Standard groups them: what is called Shift_JIS is code page 932.
  static func normalized(_ label: String) -> String? {
    let name = label.lowercased().filter { $0 > " " && $0 != "\"" && $0 != "'" && $0 != ";" }
    switch name {
    case "": return nil
    case "utf-8", "utf8", "unicode-1-1-utf-8", "utf_8": return "utf-8"
    case "shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms_kanji", "csshiftjis", "cp932", "ms932",
      "shift_jis-2004", "sjis-win", "windows-932":
      return "shift_jis"
    case "euc-jp", "x-euc-jp", "euc_jp", "eucjp", "cseucpkdfmtjapanese", "eucjp-win", "x-euc": return "euc-jp"
    case "iso-2022-jp", "csiso2022jp", "jis", "iso-2022-jp-ms": return "iso-2022-jp"
    case "iso-8859-1", "iso8859-1", "latin1", "us-ascii", "ascii", "windows-1252", "cp1252", "iso_8859-1", "l1":
      return "windows-1252"
    // Where a label can be read as ASCII, the page is not UTF-16.
    case "utf-16", "utf-16le", "utf-16be": return "utf-8"
    case "gb2312", "gbk": return "gb18030"
    default: return name
    }
  }

  /// The `charset` of a `<meta>` or the `encoding` of an XML declaration in the first 4 KiB.
  static func metaLabel(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
    let head = Array(bytes.prefix(4096)).map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    if head.starts(with: "<?xml".utf8), let end = head.firstIndex(of: 0x3E),
      let label = value(of: "encoding", in: head[..<end])
    {
      return label
    }
    var at = 0
    while let tag = head[at...].firstRange(of: Array("<meta".utf8)) {
      let end = head[tag.upperBound...].firstIndex(of: 0x3E) ?? head.count
      if let label = value(of: "charset", in: head[tag.upperBound..<end]) { return label }
      at = end
    }
    return nil
  }

  private static func value(of key: String, in tag: ArraySlice<UInt8>) -> String? {
    guard let place = tag.firstRange(of: Array(key.utf8)) else { return nil }
    let rest = tag[place.upperBound...].drop { $0 <= 32 }
    guard rest.first == 0x3D else { return nil }
    let label = rest.dropFirst().drop { $0 <= 32 || $0 == 0x22 || $0 == 0x27 }
      .prefix { $0 > 32 && $0 != 0x22 && $0 != 0x27 && $0 != 0x3B && $0 != 0x2F && $0 != 0x3F }
    return label.isEmpty ? nil : String(decoding: label, as: UTF8.self)
  }

  // MARK: Decoding

  static func decode(_ bytes: UnsafeBufferPointer<UInt8>, as name: String) -> DecodedPage? {
    let found: (utf8: [UInt8], replaced: Int)?
    switch name {
    case "utf-8": found = utf8(bytes).map { ($0, 0) } ?? CharacterEncoding.decode(bytes, as: "UTF-8")
    case "shift_jis": found = CP932.shared.decode(bytes)
    default: found = CharacterEncoding.decode(bytes, as: name)
    }
    guard let found else { return nil }
    let characters = found.utf8.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) }
    return DecodedPage(
      text: found.utf8, encoding: name, replacedFraction: Double(found.replaced) / Double(max(1, characters)))
  }

  /// The bytes themselves where they are UTF-8; the last character of a page that was cut off may be broken.
  private static func utf8(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    if (try? UTF8Span(validating: bytes.span)) != nil { return Array(bytes) }
    let valid = UTF8Scanning.validPrefix(bytes)
    let isCut = bytes.count - valid <= 3 && bytes[..<valid].contains { $0 >= 0x80 }
    return isCut ? Array(bytes[..<valid]) : nil
  }

  /// ESC $ @ or ESC $ B, which nothing but ISO-2022-JP holds.
  private static func holdsShift(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var at = 0
    while at + 2 < bytes.count, let escape = bytes[at...].firstIndex(of: 0x1B), escape + 2 < bytes.count {
      if bytes[escape + 1] == 0x24, bytes[escape + 2] == 0x40 || bytes[escape + 2] == 0x42 { return true }
      at = escape + 1
    }
    return false
  }

  /// By what the bytes can be: of Shift_JIS and EUC-JP the one that gives more kana and fewer faults.
  private static func guess(_ bytes: UnsafeBufferPointer<UInt8>) -> DecodedPage {
    if holdsShift(bytes), let page = decode(bytes, as: "iso-2022-jp") { return page }
    if let page = decode(bytes, as: "utf-8"), page.replacedFraction < 0.01 { return page }
    let sample = UnsafeBufferPointer(rebasing: bytes.prefix(1 << 16))
    let scores = ["shift_jis", "euc-jp"].compactMap { name in decode(sample, as: name).map { (name, score($0)) } }
    if let best = scores.max(by: { $0.1 < $1.1 }), best.1 > 0, let page = decode(bytes, as: best.0) { return page }
    return decode(bytes, as: "windows-1252") ?? DecodedPage(text: [], encoding: "", replacedFraction: 1)
  }

  private static func score(_ page: DecodedPage) -> Int {
    var score = 0
    let text = page.text
    for at in 0..<max(0, text.count - 2) {
      if text[at] == 0xE3, text[at + 1] &- 0x81 < 3 { score += 1 }
      // Half-width kana, which EUC-JP read as Shift_JIS is full of; U+FFFD.
      if text[at] == 0xEF, text[at + 1] == 0xBD || text[at + 1] == 0xBE { score -= 2 }
      if text[at] == 0xEF, text[at + 1] == 0xBF, text[at + 2] == 0xBD { score -= 10 }
    }
    return score
  }

  /// Control characters become spaces: NUL would end the page for its reader.
  private static func clean(_ text: inout [UInt8]) {
    text.withUnsafeMutableBufferPointer { text in
      for at in text.indices where text[at] < 32 && text[at] != 10 && text[at] != 13 && text[at] != 9 { text[at] = 32 }
    }
  }
}

import ShardKit

/// A page's bytes as UTF-8.
public struct DecodedPage: Equatable {
  public var text: [UInt8]
  /// In lower case: `utf-8`, `shift_jis`, `euc-jp`, `iso-2022-jp`, or an ICU name.
  public var encoding: String
  /// The encoding was guessed: there was no declaration, or none that fits the bytes.
  public var isGuessed = false
  /// The fraction of undecodable characters.
  public var replacedFraction = 0.0
}

/// Determines a page's encoding and decodes it: byte order mark, HTTP, `<meta>`, or else a guess from the bytes.
///
/// Bytes that are UTF-8 with more than a few non-ASCII characters count as UTF-8 whatever is declared, and a
/// declaration that many of the bytes contradict is ignored: wrong declarations are common, chance agreement is not.
public struct PageEncoding {
  /// A declaration is ignored if it leaves a larger fraction of characters undecodable.
  private static let believedFraction = 0.005

  /// - Parameter declared: the encoding in the HTTP response.
  public static func decode(_ bytes: [UInt8], declared: String?, isHTML: Bool) -> DecodedPage {
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
    let labels = labels(bytes, declared: declared, isHTML: isHTML)
    if let page = wide(bytes, labels.first) { return page }
    let highBytes = bytes.reduce(0) { $0 + Int($1 >> 7) }
    if highBytes == 0 { return sevenBit(bytes, labels) }
    var isUTF8 = false
    if let text = utf8(bytes) {
      isUTF8 = true
      let isDeclared = labels.contains("utf-8")
      if isDeclared || highBytes >= 8 || labels.isEmpty {
        return DecodedPage(text: text, encoding: "utf-8", isGuessed: !isDeclared)
      }
    }
    return byLabel(bytes, isUTF8 ? labels.filter { $0 != "utf-8" } : labels)
  }

  /// ASCII, or ISO-2022-JP, whose escape sequences occur in no other encoding, whatever the label.
  private static func sevenBit(_ bytes: UnsafeBufferPointer<UInt8>, _ labels: [String]) -> DecodedPage {
    let isDeclared = labels.contains("iso-2022-jp")
    if isDeclared || holdsShift(bytes), var page = decode(bytes, as: "iso-2022-jp"),
      isDeclared || page.replacedFraction <= believedFraction
    {
      page.isGuessed = !isDeclared
      return page
    }
    return DecodedPage(text: Array(bytes), encoding: "utf-8")
  }

  /// By the first label that fits the bytes, or else by a guess.
  private static func byLabel(_ bytes: UnsafeBufferPointer<UInt8>, _ labels: [String]) -> DecodedPage {
    var best: DecodedPage?
    // Servers declare Latin-1 for anything, so it is tried last.
    for label in labels where label != "windows-1252" {
      guard let page = decode(bytes, as: label), EncodingGuess.fits(label, page, bytes) else { continue }
      if page.replacedFraction <= believedFraction { return page }
      if page.replacedFraction < best?.replacedFraction ?? 2 { best = page }
    }
    var guess = EncodingGuess.guess(bytes)
    guess.isGuessed = !(guess.encoding == "windows-1252" && labels.contains("windows-1252"))
    if let best, best.replacedFraction <= guess.replacedFraction || guess.encoding == "windows-1252" { return best }
    return guess
  }

  private static func byteOrderMark(_ bytes: UnsafeBufferPointer<UInt8>) -> (String, Int)? {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return ("utf-8", 3) }
    // Checked before UTF-16, whose mark is a prefix of this one.
    if bytes.starts(with: [0xFF, 0xFE, 0, 0]) { return ("utf-32le", 4) }
    if bytes.starts(with: [0, 0, 0xFE, 0xFF]) { return ("utf-32be", 4) }
    if bytes.starts(with: [0xFE, 0xFF]) { return ("utf-16be", 2) }
    return bytes.starts(with: [0xFF, 0xFE]) ? ("utf-16le", 2) : nil
  }

  /// UTF-16 without a mark: declared by HTTP or undeclared, with zero bytes at the positions typical of UTF-16 only.
  private static func wide(_ bytes: UnsafeBufferPointer<UInt8>, _ label: String?) -> DecodedPage? {
    guard label?.hasPrefix("utf-16") ?? true else { return nil }
    let sample = bytes.prefix(4096)
    guard sample.contains(0) else { return nil }
    var zeros = (even: 0, odd: 0)
    for (number, byte) in sample.enumerated() where byte == 0 {
      if number % 2 == 0 { zeros.even += 1 } else { zeros.odd += 1 }
    }
    // At least the markup of a page is ASCII.
    let least = max(4, sample.count / 40)
    var name: String?
    if zeros.odd >= least, zeros.even * 8 < zeros.odd { name = "utf-16le" }
    if zeros.even >= least, zeros.odd * 8 < zeros.even { name = "utf-16be" }
    guard let name, var page = decode(bytes, as: name), page.replacedFraction <= believedFraction else { return nil }
    page.isGuessed = label == nil
    return page
  }

  // MARK: Decoding

  public static func decode(_ bytes: UnsafeBufferPointer<UInt8>, as name: String) -> DecodedPage? {
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

  /// The bytes themselves if they are UTF-8; the last character of a truncated page may be incomplete.
  static func utf8(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    if (try? UTF8Span(validating: bytes.span)) != nil { return Array(bytes) }
    let valid = UTF8Scanning.validPrefix(bytes)
    let isCut = bytes.count - valid <= 3 && bytes[..<valid].contains { $0 >= 0x80 }
    return isCut ? Array(bytes[..<valid]) : nil
  }

  /// ESC $ @ or ESC $ B, which occur only in ISO-2022-JP.
  static func holdsShift(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var at = 0
    while at + 2 < bytes.count, let escape = bytes[at...].firstIndex(of: 0x1B), escape + 2 < bytes.count {
      if bytes[escape + 1] == 0x24, bytes[escape + 2] == 0x40 || bytes[escape + 2] == 0x42 { return true }
      at = escape + 1
    }
    return false
  }

  /// Control characters become spaces: NUL would end the page for its reader.
  private static func clean(_ text: inout [UInt8]) {
    text.withUnsafeMutableBufferPointer { text in
      for at in text.indices where text[at] < 32 && text[at] != 10 && text[at] != 13 && text[at] != 9 { text[at] = 32 }
    }
  }
}

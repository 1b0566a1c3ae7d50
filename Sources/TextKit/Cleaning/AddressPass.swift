import CKernels

/// Finds web and mail addresses in one pass over the text as written.
///
/// It runs before NFKC, which would turn `，Ｂ` after an address into `,B`, so that it would look like part of the
/// address. An address is ASCII; only if its beginning is written in full-width characters may it contain both.
struct AddressPass {
  let rules: CleaningRules
  private let text: UnsafeBufferPointer<UInt8>
  /// The text from here on has not been copied yet; no address extends back past it.
  private var run = 0
  private(set) var out: [UInt8]
  private(set) var counts: CleaningCounts

  init(rules: CleaningRules, text: UnsafeBufferPointer<UInt8>, out: [UInt8], counts: CleaningCounts) {
    self.rules = rules
    self.text = text
    self.out = out
    self.counts = counts
  }

  /// Returns whether the text contained addresses; if not, nothing is written.
  mutating func find() -> Bool {
    guard let bytes = text.baseAddress, rules.urls != .keep || rules.emails != .keep else { return false }
    let end = text.count, level = Kernels.level
    var scan = pl_scan()
    var i = 0
    while case let place = pl_find_address(level, bytes, i, end, &scan), place < end { i = look(place) }
    guard run > 0 else { return false }
    out.append(contentsOf: UnsafeBufferPointer(rebasing: text[run...]))
    return true
  }

  private mutating func look(_ i: Int) -> Int {
    let (letter, width) = Self.letter(text, i)
    switch letter {
    case 0x3A where rules.urls != .keep: return scheme(i, width) ?? i + width
    case 0x77 where rules.urls != .keep: return bareHost(i, width) ?? i + width
    case 0x40 where rules.emails != .keep: return mail(i, width) ?? i + width
    default: return i + width
    }
  }

  private mutating func replace(_ range: Range<Int>, with mask: String, _ treatment: CleaningRules.Treatment) {
    out.append(contentsOf: UnsafeBufferPointer(rebasing: text[run..<range.lowerBound]))
    if treatment == .mask { out.append(contentsOf: mask.utf8) }
    run = range.upperBound
  }
}

// MARK: Characters of either width

extension AddressPass {
  /// The ASCII character at `i`, or the ASCII equivalent of a full-width character (U+FF01…U+FF5E); 0 for others.
  private static func letter(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> (letter: UInt8, width: Int) {
    guard i < text.count else { return (0, 1) }
    if text[i] < 0x80 { return (text[i], 1) }
    guard text[i] == 0xEF, i + 2 < text.count else { return (0, 1) }
    switch (text[i + 1], text[i + 2]) {
    case (0xBC, 0x81...0xBF): return (text[i + 2] - 0x60, 3)
    case (0xBD, 0x80...0x9E): return (text[i + 2] - 0x20, 3)
    default: return (0, 3)
    }
  }

  private func letter(_ i: Int) -> (letter: UInt8, width: Int) { Self.letter(text, i) }

  /// The character that ends at `end`.
  private func letter(before end: Int) -> (letter: UInt8, width: Int) {
    guard end > run else { return (0, 1) }
    if text[end - 1] < 0x80 { return (text[end - 1], 1) }
    return end >= run + 3 && text[end - 3] == 0xEF ? letter(end - 3) : (0, 1)
  }
}

// MARK: Web addresses

extension AddressPass {
  private static let schemes = ["https", "http", "ftp"].map { Array($0.utf8) }

  /// At a colon: `http://…`, `https://…`, `ftp://…`. Returns the end of the address.
  private mutating func scheme(_ colon: Int, _ width: Int) -> Int? {
    let first = letter(colon + width), second = letter(colon + width + first.width)
    guard first.letter == 0x2F, second.letter == 0x2F else { return nil }
    let body = colon + width + first.width + second.width
    for scheme in Self.schemes {
      guard let start = self.start(of: scheme, endingAt: colon) else { continue }
      guard !isWithinWord(start) else { return nil }
      return address(start, body, isWide: body - start > scheme.count + 3)
    }
    return nil
  }

  /// The start of a word, in any case and width, that ends at `end`.
  private func start(of word: [UInt8], endingAt end: Int) -> Int? {
    var start = end
    for expected in word.reversed() {
      let (letter, width) = letter(before: start)
      guard letter | 0x20 == expected else { return nil }
      start -= width
    }
    return start
  }

  /// Whether the scheme is preceded by a letter or digit of the same width; capitals before a small letter do not count
  /// (`URLhttps://…`).
  private func isWithinWord(_ start: Int) -> Bool {
    let before = letter(before: start), first = letter(start)
    guard start > run, before.letter.isASCIIAlphanumeric, before.width == first.width else { return false }
    return !(before.letter &- 0x41 < 26 && first.letter &- 0x61 < 26)
  }

  /// `www.…`, not inside a word or an address.
  private mutating func bareHost(_ i: Int, _ width: Int) -> Int? {
    let second = letter(i + width), third = letter(i + 2 * width), dot = letter(i + 3 * width)
    guard second.letter == 0x77, second.width == width, third.letter == 0x77, third.width == width,
      dot.letter == 0x2E
    else { return nil }
    let body = i + 3 * width + dot.width
    let before = letter(before: i).letter
    guard letter(body).letter.isASCIIAlphanumeric, !before.isASCIIAlphanumeric, !"./-_@".utf8.contains(before) else {
      return nil
    }
    return address(i, body, isWide: width + dot.width > 2)
  }

  private mutating func address(_ start: Int, _ body: Int, isWide: Bool) -> Int? {
    let first = letter(body)
    let end = addressEnd(body, isWide: isWide || first.width == 3 && first.letter.isASCIIAlphanumeric)
    guard end > body else { return nil }
    counts[.urls] += text[start..<end].count { !$0.isContinuation }
    replace(start..<end, with: "<url>", rules.urls)
    return end
  }

  /// Up to the first character that cannot be in an address, without punctuation that belongs to the sentence. Brackets
  /// belong to the address if they are balanced in it.
  private func addressEnd(_ body: Int, isWide: Bool) -> Int {
    var end = body, kept = body, round = 0, square = 0
    scan: while end < text.count {
      let (letter, width) = letter(end)
      guard width == 1 ? Self.isAddressByte[Int(letter)] : isWide && Self.isWideAddressByte[Int(letter)] else { break }
      switch letter {
      case 0x28: round += 1
      case 0x29: round -= 1
      case 0x5B: square += 1
      case 0x5D: square -= 1
      default: break
      }
      if round < 0 || square < 0 { break scan }
      end += width
      if !".,;:!?'([".utf8.contains(letter) { kept = end }
    }
    return kept
  }

  private static let isAddressByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "-._~:/?#[]@!$&'()*+,;=%|".utf8.contains(byte)
  }
  /// Without trailing sentence and clause punctuation.
  private static let isWideAddressByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "-._~:/?#@&=+%".utf8.contains(byte)
  }
}

// MARK: Mail addresses

extension AddressPass {
  /// At an @: `local@label.label`, each side in the width of the character next to the @.
  private mutating func mail(_ at: Int, _ width: Int) -> Int? {
    guard let start = localStart(at), let end = domainEnd(at + width) else { return nil }
    counts[.emails] += text[start..<end].count { !$0.isContinuation }
    replace(start..<end, with: "<email>", rules.emails)
    return end
  }

  /// The first letter or digit of the local part.
  private func localStart(_ at: Int) -> Int? {
    let width = letter(before: at).width
    var start = at, found: Int?
    for _ in 0..<64 {
      let before = letter(before: start)
      guard start > run, before.width == width,
        (width == 1 ? Self.isLocalByte : Self.isWideLocalByte)[Int(before.letter)]
      else { break }
      start -= width
      if before.letter.isASCIIAlphanumeric { found = start }
    }
    return found
  }

  private static let isLocalByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "!#$%&'*+/=?^_`{|}~.-".utf8.contains(byte)
  }
  private static let isWideLocalByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "+_.-".utf8.contains(byte)
  }

  /// Labels separated by dots, the last one with at least two letters; nil if there is no such name.
  private func domainEnd(_ start: Int) -> Int? {
    let width = letter(start).width
    var end = start, label = 0, letters = 0, found: Int?
    var isFirst = true
    while end < text.count, end - start < 255 * width {
      let (letter, itsWidth) = letter(end)
      guard itsWidth == width else { break }
      if letter == 0x2E {
        if label == 0 { break }
        (label, letters, isFirst) = (0, 0, false)
      } else if letter.isASCIIAlphanumeric || letter == 0x2D {
        label += 1
        letters += letter.isASCIILetter ? 1 : 0
      } else {
        break
      }
      end += width
      if !isFirst, label >= 2, letters == label { found = end }
    }
    return found
  }
}

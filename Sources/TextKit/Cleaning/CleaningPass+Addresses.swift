// Web and mail addresses, telephone numbers.
extension CleaningPass {
  /// A colon: `http://…`, `https://…`, `ftp://…`.
  mutating func schemeColon(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    guard i + 3 < text.count, text[i + 1] == 0x2F, text[i + 2] == 0x2F else { return i + 1 }
    flush(text, i)
    for scheme in ["https", "http", "ftp"] {
      let start = out.count - scheme.utf8.count
      guard start >= lineStart, zip(out[start...], scheme.utf8).allSatisfy({ $0 | 0x20 == $1 }) else { continue }
      guard start == lineStart || !out[start - 1].isASCIIAlphanumeric else { return i + 1 }
      return address(text, start: start, from: i, body: i + 3)
    }
    return i + 1
  }

  /// `www.…`, not within a word or an address.
  mutating func bareHost(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    guard i + 4 < text.count, text[i + 1] == 0x77, text[i + 2] == 0x77, text[i + 3] == 0x2E,
      text[i + 4].isASCIIAlphanumeric
    else { return i + 1 }
    flush(text, i)
    if out.count > lineStart, let last = out.last,
      last.isASCIIAlphanumeric || "./-_@".utf8.contains(last)
    {
      return i + 1
    }
    return address(text, start: out.count, from: i, body: i + 4)
  }

  /// Removes or masks an address that begins at `start` in the output and goes on from `from` in the input.
  private mutating func address(
    _ text: UnsafeBufferPointer<UInt8>, start: Int, from i: Int, body: Int
  ) -> Int {
    let end = Self.addressEnd(text, body)
    guard end > body else { return i + 1 }
    counts[.urls] += out.count - start + end - i
    out.removeLast(out.count - start)
    if rules.urls == .mask { out.append(contentsOf: "<url>".utf8) }
    flush(text, i, resume: end)
    return end
  }

  /// Up to the first byte that no address has, less punctuation that belongs to the sentence. Round brackets
  /// belong to the address where they are balanced in it.
  private static func addressEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var end = start, depth = 0
    scan: while end < text.count {
      switch text[end] {
      case 0x28: depth += 1
      case 0x29:
        if depth == 0 { break scan }
        depth -= 1
      default: if !isAddressByte[Int(text[end])] { break scan }
      }
      end += 1
    }
    while end > start, ".,;:!?'(".utf8.contains(text[end - 1]) { end -= 1 }
    return end
  }

  private static let isAddressByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "-._~:/?#[]@!$&'*+,;=%|".utf8.contains(byte)
  }

  /// An @: `local@label.label`, the local part in the output, the rest ahead.
  mutating func atSign(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    flush(text, i)
    var start = out.count
    while start > lineStart, out.count - start < 64, Self.isLocalByte[Int(out[start - 1])] { start -= 1 }
    while start < out.count, !out[start].isASCIIAlphanumeric { start += 1 }
    guard start < out.count, let end = Self.domainEnd(text, i + 1) else { return i + 1 }
    counts[.emails] += out.count - start + end - i
    out.removeLast(out.count - start)
    if rules.emails == .mask { out.append(contentsOf: "<email>".utf8) }
    flush(text, i, resume: end)
    return end
  }

  private static let isLocalByte = ByteTable { byte in
    byte.isASCIIAlphanumeric || "!#$%&'*+/=?^_`{|}~.-".utf8.contains(byte)
  }

  /// Labels with a dot between them, the last one of two letters or more; nil if there is no such name.
  private static func domainEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
    var end = start, label = start, found: Int?
    while end < text.count, end - start < 255 {
      let byte = text[end]
      if byte == 0x2E {
        if end == label { break }
        label = end + 1
      } else if !byte.isASCIIAlphanumeric && byte != 0x2D {
        break
      }
      end += 1
      let isLast = label > start && end - label >= 2
      if isLast, text[label..<end].allSatisfy(\.isASCIILetter) { found = end }
    }
    return found
  }

  /// A digit or +: a Japanese telephone number that no letter or digit touches.
  mutating func number(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    let end = Self.digitsEnd(text, i)
    guard let digits = Self.phoneDigits(text, i, end), !isInWord(before: i, text) else {
      return max(end, i + 1)
    }
    flush(text, i)
    if rules.phones == .mask {
      var seen = 0
      for byte in text[i..<end] {
        seen += byte.isASCIIDigit ? 1 : 0
        out.append(byte.isASCIIDigit && seen > digits - 4 ? 0x58 : byte)
      }
      counts[.phones] += 4
    } else {
      counts[.phones] += text[i..<end].count { !$0.isContinuation }
    }
    flush(text, i, resume: end)
    return end
  }

  private func isInWord(before i: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard i > 0 else { return false }
    let byte = text[i - 1]
    return byte.isASCIIAlphanumeric || "-./_=+".utf8.contains(byte)
  }

  /// The end of a run of digits with single separators (hyphen, U+2010…2015, U+2212, brackets, a space).
  private static func digitsEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var end = start + 1
    var i = end, separators = 0
    while i < text.count, i - start < 40 {
      if text[i].isASCIIDigit {
        i += 1
        end = i
        separators = 0
        continue
      }
      guard separators < 2, let width = separatorWidth(text, i) else { break }
      separators += width
      i += width
    }
    return end
  }

  private static func separatorWidth(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    if "-() ".utf8.contains(text[i]) { return 1 }
    guard text[i] == 0xE2, i + 2 < text.count else { return nil }
    let (scalar, _) = UTF8Scanning.scalar(at: i, in: text.baseAddress!, end: text.count)
    return 0x2010...0x2015 ~= scalar || scalar == 0x2212 ? 3 : nil
  }

  /// How many digits the number has, if it is one of a telephone.
  private static func phoneDigits(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
    if end < text.count, text[end].isASCIIAlphanumeric || text[end] == 0x5F { return nil }
    let digits = text[start..<end].filter(\.isASCIIDigit)
    if text[start] == 0x2B {
      return digits.starts(with: [0x38, 0x31]) && 11...13 ~= digits.count ? digits.count : nil
    }
    let isNational = digits.first == 0x30 && digits.count >= 2 && digits[1] != 0x30
    return isNational && 10...11 ~= digits.count ? digits.count : nil
  }
}

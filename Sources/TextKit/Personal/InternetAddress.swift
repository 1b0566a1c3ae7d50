/// An IPv4 address in a text: four numbers of 0…255 with dots between them, in either width.
///
/// Versions and numbers of sections look the same: small numbers need a word for networks, and a word for versions
/// decides against them.
struct IPv4Address {
  let range: Range<Int>
  private let octets: [Int]

  init?(_ text: UnsafeBufferPointer<UInt8>, at start: Int) {
    var octets: [Int] = [], i = start
    while octets.count < 4 {
      guard let (value, end) = Self.octet(text, i) else { return nil }
      octets.append(value)
      i = end
      if octets.count == 4 { break }
      let dot = PhoneUnit(text, i)
      guard dot.kind == .dot else { return nil }
      i += dot.width
    }
    self.octets = octets
    range = start..<i
    guard octets[0] > 0 || octets == [0, 0, 0, 0], Self.standsAlone(text, range), isAddress(text) else { return nil }
  }

  private static func octet(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> (value: Int, end: Int)? {
    var value = 0, count = 0, i = start
    while case let unit = PhoneUnit(text, i), unit.kind == .digit {
      if count == 3 || count > 0 && value == 0 { return nil }
      value = value * 10 + Int(unit.digit)
      count += 1
      i += unit.width
    }
    return count > 0 && value <= 255 ? (value, i) : nil
  }

  private static func standsAlone(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
    let before = PhoneUnit.before(text, range.lowerBound)
    let after = PhoneUnit(text, range.upperBound)
    switch before.kind {
    case .digit, .letter, .dot, .dash, .underscore, .plus: return false
    default: break
    }
    switch after.kind {
    case .digit, .letter, .underscore: return false
    case .dot, .dash:
      let beyond = PhoneUnit(text, range.upperBound + after.width).kind
      return beyond != .digit && beyond != .letter
    default: return true
    }
  }

  private func isAddress(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    if Self.networks.stand(in: text, before: range.lowerBound, within: 60) { return true }
    if Self.versions.stand(in: text, before: range.lowerBound, within: 45) { return false }
    let before = PhoneUnit.before(text, range.lowerBound)
    if before.kind == .slash, PhoneUnit.before(text, range.lowerBound - before.width).kind == .letter { return false }
    // 1.2.3.4, 10.0.0.1, 3.10.12.0
    let isSmall = octets.allSatisfy { $0 < 40 } || octets[2] == 0 && octets[3] == 0
    return !isSmall || octets[0] == 127
  }

  private static let networks = NearbyWords(
    "ip ipv4 ipv6 アドレス ホスト host サーバ server ping http:// https:// ftp:// ネットワーク gateway dns 利用者 投稿者 アクセス元 接続元 client from"
  )
  private static let versions = NearbyWords(
    """
    ver version v バージョン ヴァージョン 版 build ビルド release リリース ファームウェア firmware ドライバ driver update アップデート chrome firefox safari opera
    edge 節 項 章 条 図 表 第 section
    """)

  var isSpecial: Bool {
    let (a, b, c) = (octets[0], octets[1], octets[2])
    switch a {
    case 0, 10, 127, 224...255: return true
    case 100: return 64...127 ~= b
    case 169: return b == 254
    case 172: return 16...31 ~= b
    case 192: return b == 168 || b == 0 && (c == 0 || c == 2) || b == 88 && c == 99
    case 198: return b == 18 || b == 19 || b == 51 && c == 100
    case 203 where b == 0 && c == 113: return true
    default: return Self.resolvers.contains(octets)
    }
  }

  /// And what texts make up as examples.
  private static let resolvers: Set<[Int]> = [
    [1, 2, 3, 4], [123, 45, 67, 89], [8, 8, 8, 8], [8, 8, 4, 4], [1, 1, 1, 1], [1, 0, 0, 1], [9, 9, 9, 9],
    [208, 67, 222, 222], [208, 67, 220, 220],
  ]
}

/// An IPv6 address in a text (RFC 4291), in ASCII: eight groups, or fewer with `::`.
struct IPv6Address {
  let range: Range<Int>
  private let groups: [UInt16]
  /// A prefix, as in `2001:db8::/32`.
  private let isPrefix: Bool

  /// The address whose first colon is at `colon`.
  init?(_ text: UnsafeBufferPointer<UInt8>, colon: Int, from floor: Int) {
    var start = colon
    while start > floor, colon - start < 5, text[start - 1].isHexDigit { start -= 1 }
    guard colon - start <= 4, Self.mayFollow(text, start) else { return nil }
    var groups: [UInt16] = [], gaps = 0, digits = 0, i = start
    while groups.count < 8, let (value, end) = Self.group(text, i) {
      groups.append(value)
      digits += text[i..<end].contains(where: \.isASCIIDigit) ? 1 : 0
      i = end
      guard i < text.count, text[i] == 0x3A else { break }
      if i + 1 < text.count, text[i + 1] == 0x3A {
        guard gaps == 0 else { return nil }
        gaps = 1
        i += 2
      } else if i + 1 < text.count, text[i + 1].isHexDigit {
        i += 1
      } else {
        break
      }
    }
    guard gaps == 1 ? groups.count <= 7 && groups.count >= 1 : groups.count == 8, digits > 0,
      Self.mayPrecede(text, i), groups[0] >= 0x100
    else { return nil }
    range = start..<i
    self.groups = groups
    isPrefix = text[i - 1] == 0x3A
  }

  private static func group(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> (value: UInt16, end: Int)? {
    var value: UInt16 = 0, i = start
    while i < text.count, i - start < 4, let digit = text[i].hexValue {
      value = value << 4 | UInt16(digit)
      i += 1
    }
    return i > start ? (value, i) : nil
  }

  private static func mayFollow(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    let before = PhoneUnit.before(text, start).kind
    return before != .letter && before != .digit && before != .underscore && before != .dot
      && !(start > 0 && text[start - 1] == 0x3A)
  }

  private static func mayPrecede(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    let after = PhoneUnit(text, end).kind
    return after != .letter && after != .digit && after != .underscore
      && !(end + 1 < text.count && text[end] == 0x3A && text[end + 1].isHexDigit)
  }

  /// All that is no global unicast address (2000::/3), what is for documentation (2001:db8::/32, 3fff::/20), prefixes,
  /// and public resolvers.
  var isSpecial: Bool {
    let second = groups.count > 1 ? groups[1] : 0
    if isPrefix || groups[0] >> 13 != 1 { return true }
    if groups[0] == 0x2001 && second == 0xDB8 || groups[0] == 0x3FFF && second < 0x1000 { return true }
    return Self.resolvers.contains { groups.starts(with: $0) }
  }

  private static let resolvers: [[UInt16]] = [
    [0x2001, 0x4860, 0x4860], [0x2606, 0x4700, 0x4700], [0x2620, 0xFE], [0x2620, 0x119],
  ]
}

extension UInt8 {
  fileprivate var hexValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x37
    case 0x61...0x66: self - 0x57
    default: nil
    }
  }
  fileprivate var isHexDigit: Bool { hexValue != nil }
}

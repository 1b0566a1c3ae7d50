/// Percent encoding (RFC 3986): of every byte but letters, digits, `-`, `.`, `_` and `~`.
public enum PercentEncoding {
  /// - Parameter others: further characters of ASCII that stay as they are.
  public static func encode(_ text: some StringProtocol, keeping others: String = "") -> String {
    encode(text.utf8, keeping: others)
  }

  public static func encode(_ bytes: some Collection<UInt8>, keeping others: String = "") -> String {
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    for byte in bytes {
      if isPlain(byte) || others.utf8.contains(byte) { out.append(byte) } else { append(byte, to: &out) }
    }
    return String(decoding: out, as: UTF8.self)
  }

  /// A percent sign without two following digits is kept.
  public static func decode(_ text: some StringProtocol) -> [UInt8] {
    let bytes = Array(text.utf8)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var i = 0
    while i < bytes.count {
      if bytes[i] == UInt8(ascii: "%"), i + 2 < bytes.count, let high = digit(bytes[i + 1]),
        let low = digit(bytes[i + 2])
      {
        out.append(high << 4 | low)
        i += 3
      } else {
        out.append(bytes[i])
        i += 1
      }
    }
    return out
  }

  /// The normal form of encodings that RFC 3986 (6.2.2) defines as equivalent: unreserved characters are decoded, other
  /// encodings use upper-case digits, bytes outside ASCII are encoded. A percent sign without two following digits is
  /// kept. An encoded digit after it stays encoded, because decoding it would create a new encoding.
  public static func normalized(_ bytes: some Collection<UInt8>) -> [UInt8] {
    let bytes = Array(bytes)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var at = 0
    /// The position after the last percent sign that was kept.
    var percent = -3
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "%"), at + 2 < bytes.count, let high = digit(bytes[at + 1]),
        let low = digit(bytes[at + 2])
      {
        let byte = high << 4 | low
        let wouldJoin = out.count - percent < 2 && digit(byte) != nil
        if isPlain(byte) && !wouldJoin { out.append(byte) } else { append(byte, to: &out) }
        at += 3
      } else {
        if bytes[at] < 0x80 { out.append(bytes[at]) } else { append(bytes[at], to: &out) }
        if bytes[at] == UInt8(ascii: "%") { percent = out.count }
        at += 1
      }
    }
    return out
  }

  private static let digits = Array("0123456789ABCDEF".utf8)

  public static func append(_ byte: UInt8, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "%"))
    out.append(digits[Int(byte >> 4)])
    out.append(digits[Int(byte & 15)])
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      true
    default: false
    }
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}

import CCurl
import Glibc

/// An IPv4 or IPv6 address, and whether it belongs to the public internet.
struct NetworkAddress: Equatable {
  /// 4 or 16 bytes.
  let bytes: [UInt8]

  init?(_ bytes: [UInt8]) {
    guard bytes.count == 4 || bytes.count == 16 else { return nil }
    self.bytes = bytes
  }

  /// Parses `127.0.0.1`, `::1`, `[::1]`, also with a zone.
  init?(_ text: String) {
    var text = text[...]
    if text.first == "[", text.last == "]" { text = text.dropFirst().dropLast() }
    text = text.prefix { $0 != "%" }
    var out = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, String(text), &out) == 1 {
      bytes = Array(out[..<4])
    } else if inet_pton(AF_INET6, String(text), &out) == 1 {
      bytes = out
    } else {
      return nil
    }
  }

  var text: String {
    var out = [CChar](repeating: 0, count: 64)
    inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &out, socklen_t(out.count))
    return String(decoding: out.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
  }

  /// Whether the first `count` bits equal those of another address.
  func matches(_ other: NetworkAddress, bits: Int) -> Bool {
    guard bytes.count == other.bytes.count, (0...bytes.count * 8).contains(bits) else { return false }
    let whole = bits / 8
    guard bytes[..<whole] == other.bytes[..<whole] else { return false }
    let rest = bits % 8
    return rest == 0 || (bytes[whole] ^ other.bytes[whole]) >> (8 - UInt8(rest)) == 0
  }

  /// The kind of an address outside the public internet: "private", "loopback", …
  /// Registries: IANA's special-purpose addresses for IPv4 and IPv6.
  var special: String? {
    if let inner = embedded { return inner.special }
    let table = bytes.count == 4 ? Self.special4 : Self.special6
    if let found = table.first(where: { matches($0.network, bits: $0.bits) }) { return found.name }
    // All public unicast IPv6 addresses are in 2000::/3.
    return bytes.count == 16 && bytes[0] & 0xE0 != 0x20 ? "reserved" : nil
  }

  /// The IPv4 address within a mapped, NAT64 or 6to4 address.
  private var embedded: NetworkAddress? {
    guard bytes.count == 16 else { return nil }
    let zero = bytes[..<10].allSatisfy { $0 == 0 }
    if zero && bytes[10] == 0xFF && bytes[11] == 0xFF { return NetworkAddress(Array(bytes[12...])) }
    if bytes[..<12] == [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0] { return NetworkAddress(Array(bytes[12...])) }
    if bytes[0] == 0x20 && bytes[1] == 0x02 { return NetworkAddress(Array(bytes[2..<6])) }
    return nil
  }

  private typealias Range = (network: NetworkAddress, bits: Int, name: String)

  private static func range(_ text: String, _ bits: Int, _ name: String) -> Range {
    (NetworkAddress(text)!, bits, name)
  }

  private static let special4: [Range] = [
    range("0.0.0.0", 8, "local"), range("10.0.0.0", 8, "private"), range("100.64.0.0", 10, "private"),
    range("127.0.0.0", 8, "loopback"), range("169.254.0.0", 16, "link-local"), range("172.16.0.0", 12, "private"),
    range("192.0.0.0", 24, "reserved"), range("192.0.2.0", 24, "documentation"), range("192.168.0.0", 16, "private"),
    range("198.18.0.0", 15, "benchmark"), range("198.51.100.0", 24, "documentation"),
    range("203.0.113.0", 24, "documentation"), range("224.0.0.0", 4, "multicast"), range("240.0.0.0", 4, "reserved"),
  ]

  private static let special6: [Range] = [
    range("::", 128, "local"), range("::1", 128, "loopback"), range("fe80::", 10, "link-local"),
    range("fc00::", 7, "private"), range("ff00::", 8, "multicast"), range("2001::", 32, "tunnel"),
    range("2001:db8::", 32, "documentation"),
  ]
}

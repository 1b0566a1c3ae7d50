import ShardKit
import TextKit

/// Host and target of a web address as documents and lists have it: with or without a scheme, in any case, with user,
/// port and trailing dots, in ASCII or not. Never fails: what has no host has an empty one.
struct WebAddress {
  /// In lower case and Punycode, without user, port, brackets and trailing dots.
  let host: String
  /// Path and query in normal form, from the first slash; empty if there are none.
  let target: String

  init(_ text: String) {
    let bytes = Array(text.utf8).filter { $0 > 0x20 }
    var start = 0
    if let colon = bytes.firstRange(of: Array("://".utf8)) {
      start = colon.upperBound
    } else if bytes.starts(with: "//".utf8) {
      start = 2
    }
    let end = bytes[start...].firstIndex { "/?#\\".utf8.contains($0) } ?? bytes.endIndex
    host = Self.host(bytes[start..<end])
    let rest = bytes[end...].prefix { $0 != 0x23 }
    target = String(decoding: PercentEncoding.normalized(rest), as: UTF8.self)
  }

  private static func host(_ authority: ArraySlice<UInt8>) -> String {
    let place = authority[(authority.lastIndex(of: 0x40).map { $0 + 1 } ?? authority.startIndex)...]
    if place.first == 0x5B {
      return String(decoding: place.dropFirst().prefix { $0 != 0x5D }, as: UTF8.self).lowercased()
    }
    let written = String(decoding: place.prefix { $0 != 0x3A }, as: UTF8.self)
    return domain(String(decoding: PercentEncoding.decode(written), as: UTF8.self))
  }

  /// A domain's name in lower case and Punycode, without trailing dots.
  static func domain(_ text: String) -> String {
    var name = (Punycode.ascii(host: text) ?? text.lowercased())[...]
    while name.last == "." { name = name.dropLast() }
    return String(name)
  }

  /// The host and the domains above it: `a.b.jp`, `b.jp`, `jp`. At most 64.
  var domains: [Substring] {
    var out: [Substring] = [], rest = host[...]
    while !rest.isEmpty, out.count < 64 {
      out.append(rest)
      guard let dot = rest.utf8.firstIndex(of: 0x2E) else { break }
      rest = rest[rest.utf8.index(after: dot)...]
    }
    return out
  }
}

/// A `Content-Type` (RFC 9110, 8.3), and detection of a body's type without one.
public struct MediaType: Equatable, Sendable {
  /// In lower case, without parameters.
  public var name: String
  public var charset: String?

  public init(_ field: String) {
    let parts = field.split(separator: ";", omittingEmptySubsequences: false)
    // Some omit the semicolon, or send the field twice, which makes it a list.
    name = Self.first(parts[0]).lowercased()
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard charset == nil, pair.count == 2, pair[0].filter({ $0 > " " }).lowercased() == "charset" else { continue }
      charset = Self.first(pair[1])
    }
  }

  private static func first(_ text: Substring) -> String {
    String(text.split(whereSeparator: { $0 <= " " || $0 == "," }).first ?? "")
  }

  public var isHTML: Bool { name == "text/html" || name.hasSuffix("/xhtml+xml") || name.hasSuffix(".xhtml+xml") }
  public var isText: Bool { isHTML || name == "text/plain" }
  private var isXML: Bool { name == "application/xml" || name == "text/xml" }
  private var saysNothing: Bool {
    ["", "application/octet-stream", "unknown/unknown", "application/unknown", "*/*"].contains(name)
  }

  /// The stated type, or else the detected one.
  public static func of(_ body: [UInt8], said: String?, identified: String?) -> MediaType {
    var type = MediaType(said ?? "")
    if type.saysNothing, let identified, !MediaType(identified).name.isEmpty { type.name = MediaType(identified).name }
    switch sniffed(body) {
    case .page where type.name == "text/plain" || type.isXML || type.saysNothing: type.name = "text/html"
    case .tags where type.saysNothing: type.name = "text/html"
    default: break
    }
    return type
  }

  // MARK: Detection

  private enum Look {
    /// It begins with something specific to pages: `<html` or the document type.
    case page
    /// It begins with some HTML element or comment.
    case tags
    case other
  }

  private static let tags = [
    "head", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b", "body", "br", "p", "meta",
    "link", "center", "frameset", "noscript", "main", "article", "section",
  ].map { Array($0.utf8) }

  /// By the first 4 KiB after a byte order mark, an XML declaration and comments (after the WHATWG's MIME Sniffing).
  private static func sniffed(_ body: [UInt8]) -> Look {
    // Reads UTF-16 as if it were ASCII.
    let head = body.prefix(4096).filter { $0 != 0 }.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    var rest = head[...]
    for mark: [UInt8] in [[0xEF, 0xBB, 0xBF], [0xFE, 0xFF], [0xFF, 0xFE]] where rest.starts(with: mark) {
      rest = rest.dropFirst(mark.count)
    }
    var hasComment = false
    while true {
      rest = rest.drop { $0 <= 32 }
      if rest.starts(with: "<!--".utf8) {
        guard let end = rest.firstRange(of: Array("-->".utf8)) else { return .tags }
        (rest, hasComment) = (rest[end.upperBound...], true)
      } else if rest.starts(with: "<?xml".utf8), let end = rest.firstIndex(of: UInt8(ascii: ">")) {
        rest = rest[(end + 1)...]
      } else {
        return look(rest, hasComment)
      }
    }
  }

  private static func look(_ rest: ArraySlice<UInt8>, _ hasComment: Bool) -> Look {
    if rest.starts(with: "<!doctype".utf8) {
      let name = rest.dropFirst(9).drop { $0 <= 32 }
      return name.starts(with: "html".utf8) ? .page : .other
    }
    guard rest.first == UInt8(ascii: "<") else { return hasComment ? .tags : .other }
    let name = rest.dropFirst().prefix { $0 > 32 && $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: "/") }
    if name.elementsEqual("html".utf8) { return .page }
    return tags.contains { name.elementsEqual($0) } ? .tags : .other
  }
}

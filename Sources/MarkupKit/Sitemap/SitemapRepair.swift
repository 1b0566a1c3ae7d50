import ShardKit
import TextKit

/// Repairs common errors in sitemaps that would stop the XML parser.
///
/// White space before the declaration, `&` that does not begin a reference (and names that only HTML defines), control
/// characters, and bytes that are not UTF-8, which are percent-encoded as in a URL. All in one pass.
enum SitemapRepair {
  static func mended(_ bytes: [UInt8]) -> [UInt8] {
    let start = bytes.firstIndex { $0 > 32 } ?? bytes.count
    let isUTF8 = (try? UTF8Span(validating: bytes.span)) != nil
    // A file in another encoding, or with two bytes per character, is left to the parser.
    let mayBeEncoded = !isUTF8 && isSaidToBeUTF8(bytes[start...])
    guard isUTF8 || mayBeEncoded else { return Array(bytes[start...]) }
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var at = start
    var literalEnd = start
    while at < bytes.count {
      let byte = bytes[at]
      if byte == UInt8(ascii: "<"), at >= literalEnd, bytes[at...].starts(with: "<![CDATA[".utf8) {
        literalEnd = end(of: at, in: bytes)
      }
      if byte == UInt8(ascii: "&"), at >= literalEnd, !isReference(bytes[(at + 1)...]) {
        out += Array("&amp;".utf8)
      } else if byte < 32, byte != 9, byte != 10, byte != 13 {
        out.append(32)
      } else if byte >= 0x80, mayBeEncoded {
        let count = length(bytes, at)
        if count > 0 { out += bytes[at..<(at + count)] } else { PercentEncoding.append(byte, to: &out) }
        at += max(1, count) - 1
      } else {
        out.append(byte)
      }
      at += 1
    }
    return out
  }

  private static func isSaidToBeUTF8(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.starts(with: "<?xml".utf8) else { return !bytes.prefix(4).contains { $0 == 0 || $0 >= 0xFE } }
    let head = bytes.prefix(200).prefix { $0 != UInt8(ascii: ">") }
    let text = String(decoding: head, as: UTF8.self).lowercased()
    return text.firstRange(of: "encoding") == nil || text.firstRange(of: "utf-8") != nil
  }

  /// Where a CDATA section ends.
  private static func end(of start: Int, in bytes: [UInt8]) -> Int {
    var at = start + 9
    while at + 2 < bytes.count, bytes[at] != 0x5D || bytes[at + 1] != 0x5D || bytes[at + 2] != 0x3E { at += 1 }
    return at + 2 < bytes.count ? at : bytes.count
  }

  /// A number, or one of XML's five predefined names, and a semicolon.
  private static func isReference(_ rest: ArraySlice<UInt8>) -> Bool {
    guard let end = rest.prefix(12).firstIndex(of: UInt8(ascii: ";")) else { return false }
    let name = rest[..<end]
    if name.first == UInt8(ascii: "#") { return isNumber(name.dropFirst()) }
    return ["amp", "lt", "gt", "quot", "apos"].contains { name.elementsEqual($0.utf8) }
  }

  /// The number of a character that is allowed in XML.
  private static func isNumber(_ digits: ArraySlice<UInt8>) -> Bool {
    let isHex = digits.first == UInt8(ascii: "x")
    let text = String(decoding: isHex ? digits.dropFirst() : digits, as: UTF8.self)
    guard !text.hasPrefix("+"), !text.hasPrefix("-"), let value = UInt32(text, radix: isHex ? 16 : 10) else {
      return false
    }
    return Unicode.Scalar(value) != nil && (value >= 32 || value == 9 || value == 10 || value == 13)
      && value != 0xFFFE && value != 0xFFFF
  }

  /// The length of the character at a position; 0 if there is none.
  private static func length(_ bytes: [UInt8], _ at: Int) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
      let (value, length) = UTF8Scanning.scalar(at: at, in: bytes.baseAddress!, end: bytes.count)
      return value == UTF8Scanning.malformed ? 0 : length
    }
  }
}

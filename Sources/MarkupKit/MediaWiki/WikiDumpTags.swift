import Glibc

/// Watches the tags of a dump as its bytes go by.
///
/// libxml2 compares the attributes of a tag with one another, so a tag of 100,000 attributes would take minutes. Those of
/// dumps have a few; a tag beyond `longestBytes` is a fault. In well-formed XML every `<` begins a tag, a comment or the
/// like, and texts hold none.
struct WikiDumpTags {
  static let longestBytes = 1 << 16

  /// Bytes of the tag that is open, its `<` included; 0 between tags.
  private var openBytes = 0
  /// Whether what is open is a comment, a declaration or a CDATA section, which may be of any length.
  private var isDeclaration = false

  /// The place in `bytes` at which a tag becomes too long; nil where none does.
  mutating func overlong(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var index = 0
    while index < bytes.count {
      let wanted: Int32 = openBytes > 0 ? 0x3E : 0x3C
      if openBytes == 1 { isDeclaration = bytes[index] == UInt8(ascii: "!") || bytes[index] == UInt8(ascii: "?") }
      let hit = memchr(base + index, wanted, bytes.count - index).map { UnsafeRawPointer($0) - base }
      let end = hit ?? bytes.count
      if openBytes > 0, !isDeclaration, openBytes + end - index > Self.longestBytes {
        return min(end, index + Self.longestBytes - openBytes)
      }
      if openBytes > 0 {
        openBytes = hit == nil ? min(openBytes + end - index, Self.longestBytes) : 0
      } else if hit != nil {
        openBytes = 1
      }
      index = end + 1
    }
    return nil
  }
}

import Glibc

/// Watches XML on its way to a parser for start tags with too many attributes.
///
/// libxml2 compares each attribute of an element with all before it, so an element of 200,000 takes it minutes. No
/// format that is read here has more than a few dozen. Text comes in pieces of any size; comments, CDATA sections and
/// processing instructions are passed over.
public struct XMLTagBound {
  public static let maximumAttributes = 256

  private enum Place { case text, opened, marked, tag, comment, section, instruction }

  private var place = Place.text
  private var quote: UInt8 = 0
  private var attributes = 0
  /// The last two bytes, for ends of several bytes.
  private var last: (UInt8, UInt8) = (0, 0)

  public init() {}

  /// Whether these bytes, behind all before them, hold a start tag past the bound.
  public mutating func isExceeded(by bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress else { return false }
    var at = 0
    while at < bytes.count {
      if place == .text {
        guard let hit = memchr(base + at, 0x3C, bytes.count - at) else { return false }
        at = UnsafeRawPointer(hit) - base + 1
        place = .opened
        continue
      }
      step(bytes[at])
      if attributes > Self.maximumAttributes { return true }
      at += 1
    }
    return false
  }

  @inline(__always)
  private mutating func step(_ byte: UInt8) {
    switch place {
    case .text: break
    case .opened:
      attributes = 0
      quote = 0
      last = (0, 0)
      place = byte == 0x21 ? .marked : byte == 0x3F ? .instruction : byte == 0x3E ? .text : .tag
    case .marked: place = byte == 0x2D ? .comment : byte == 0x5B ? .section : .text
    case .tag: stepInTag(byte)
    case .comment: stepTo(byte, end: 0x2D)
    case .section: stepTo(byte, end: 0x5D)
    case .instruction:
      if byte == 0x3E, last.1 == 0x3F { place = .text }
      last = (last.1, byte)
    }
  }

  @inline(__always)
  private mutating func stepInTag(_ byte: UInt8) {
    if quote != 0 {
      if byte == quote { quote = 0 }
      return
    }
    switch byte {
    case 0x22, 0x27: quote = byte
    case 0x3D: attributes += 1
    case 0x3E: place = .text
    default: break
    }
  }

  /// To `-->` or `]]>`.
  @inline(__always)
  private mutating func stepTo(_ byte: UInt8, end: UInt8) {
    if byte == 0x3E, last == (end, end) { place = .text }
    last = (last.1, byte)
  }
}

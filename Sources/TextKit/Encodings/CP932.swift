import ShardKit

/// Decodes Microsoft's code page 932, which texts labeled "Shift_JIS" actually use, to UTF-8.
///
/// The mapping is that of Python's `cp932`: NEC's row 13 and selected IBM characters, IBM's extensions (FA–FC),
/// the user-defined rows (F0–F9) as U+E000–E757, 5C and 7E as ASCII, 81 60 as U+FF5E and 81 7C as U+FF0D.
public struct CP932: Sendable {
  public static let shared = CP932()

  /// By lead and trail byte: UTF-8 in the low three bytes, first byte lowest, and its length in the highest.
  private let pairs: [UInt32]
  private let singles: [UInt32]

  private init() {
    var pairs = [UInt32](repeating: 0, count: 1 << 16)
    JISTables.forEachCell(of: JISTables.shared, JISTables.cp932) { _, row, cell, scalar in
      pairs[Self.code(row: row, cell: cell)] = packed(scalar)
    }
    for row in 95...114 {
      for cell in 1...94 {
        pairs[Self.code(row: row, cell: cell)] = packed(Unicode.Scalar(UInt32(0xE000 + (row - 95) * 94 + cell - 1))!)
      }
    }
    var singles = [UInt32](repeating: 0, count: 256)
    singles[0x80] = packed("\u{80}")
    singles[0xA0] = packed("\u{F8F0}")
    for byte in 0xA1...0xDF { singles[byte] = packed(Unicode.Scalar(UInt32(0xFF61 + byte - 0xA1))!) }
    for byte in 0xFD...0xFF { singles[byte] = packed(Unicode.Scalar(UInt32(0xF8F1 + byte - 0xFD))!) }
    self.pairs = pairs
    self.singles = singles
  }

  /// The two bytes of a JIS row and cell.
  private static func code(row: Int, cell: Int) -> Int {
    let lead = (row - 1) / 2 + (row <= 62 ? 0x81 : 0xC1)
    let trail = row % 2 == 1 ? cell + 0x3F + (cell > 63 ? 1 : 0) : cell + 0x9E
    return lead << 8 | trail
  }

  /// Decodes all of `bytes`; a byte that starts no character becomes U+FFFD and is counted.
  func decode(_ bytes: UnsafeBufferPointer<UInt8>) -> (utf8: [UInt8], replaced: Int) {
    var replaced = 0
    // One byte becomes at most three, and every character is stored as four bytes, of which some count.
    let utf8 = [UInt8](unsafeUninitializedCapacity: bytes.count * 3 + 4) { out, count in
      pairs.withUnsafeBufferPointer { pairs in
        singles.withUnsafeBufferPointer { singles in
          (count, replaced) = Self.decode(bytes, into: UnsafeMutableRawPointer(out.baseAddress!), pairs, singles)
        }
      }
    }
    return (utf8, replaced)
  }

  private static func decode(
    _ bytes: UnsafeBufferPointer<UInt8>, into out: UnsafeMutableRawPointer,
    _ pairs: UnsafeBufferPointer<UInt32>, _ singles: UnsafeBufferPointer<UInt32>
  ) -> (count: Int, replaced: Int) {
    var replaced = 0
    var at = 0
    var written = 0
    while at < bytes.count {
      let byte = bytes[at]
      if byte < 0x80 {
        out.storeBytes(of: byte, toByteOffset: written, as: UInt8.self)
        written += 1
        at += 1
        continue
      }
      var entry = at + 1 < bytes.count ? pairs[Int(byte) << 8 | Int(bytes[at + 1])] : 0
      at += entry == 0 ? 1 : 2
      if entry == 0 {
        entry = singles[Int(byte)]
        if entry == 0 {
          entry = replacement
          replaced += 1
        }
      }
      out.storeBytes(of: entry & 0xFF_FFFF, toByteOffset: written, as: UInt32.self)
      written += Int(entry >> 24)
    }
    return (written, replaced)
  }

  private static let replacement = packed("\u{FFFD}")
}

private func packed(_ scalar: Unicode.Scalar) -> UInt32 {
  var entry: UInt32 = 0
  var count: UInt32 = 0
  for byte in UTF8.encode(scalar)! {
    entry |= UInt32(byte) << (8 * count)
    count += 1
  }
  return entry | count << 24
}

extension JISTables {
  /// Calls `body` with plane, row, cell and scalar of every assigned cell of one of the tables.
  static func forEachCell(of tables: String..., body: (Int, Int, Int, Unicode.Scalar) -> Void) {
    for line in tables.joined(separator: "\n").utf8.split(separator: 10) {
      guard let dash = line.firstIndex(of: 0x2D), let space = line.firstIndex(of: 0x20) else { continue }
      let plane = Int(Substring(line[..<dash]))!
      let row = Int(Substring(line[line.index(after: dash)..<space]))!
      var cell = 0
      for scalar in Substring(line[line.index(after: space)...]).unicodeScalars {
        cell += 1
        if scalar != "." { body(plane, row, cell, scalar) }
      }
    }
  }
}

extension CP932 {
  /// Decodes a complete text: as UTF-8 if the bytes are valid UTF-8, otherwise as code page 932.
  ///
  /// Japanese in code page 932 is never valid UTF-8 by chance beyond a few characters.
  public func decodeText(_ bytes: UnsafeBufferPointer<UInt8>) -> (utf8: [UInt8], replaced: Int) {
    let isUTF8 = (try? UTF8Span(validating: bytes.span)) != nil
    return isUTF8 ? (Array(bytes), 0) : decode(bytes)
  }

  public func decodeAny(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    String(decoding: decodeText(bytes).utf8, as: UTF8.self)
  }
}

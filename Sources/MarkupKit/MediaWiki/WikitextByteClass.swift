/// Which bytes end a run of plain text: one table a pass.
enum WikitextByteClass {
  /// Markup and controls.
  nonisolated(unsafe) static let markup = table { byte in
    byte < 0x20 && byte != 0x09 || byte == 0x7F || "[]{}<&'_".utf8.contains(byte)
  }

  /// Spaces, controls, parentheses, and the lead byte of the wide ones.
  nonisolated(unsafe) static let line = table { byte in
    byte <= 0x20 || byte == 0x28 || byte == 0x29 || byte == 0x7F || byte == 0xEF
  }

  private static func table(_ ends: (UInt8) -> Bool) -> UnsafePointer<UInt8> {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    for byte in 0..<256 { table[byte] = ends(UInt8(byte)) ? 1 : 0 }
    return UnsafePointer(table)
  }
}

/// Letters in another case.
extension WikitextRenderer {
  /// Changes the case of what was written from `start` on.
  mutating func changeCase(_ change: WikitextCase, from start: Int) {
    var index = start
    while index < out.count {
      guard let (scalar, length) = scalar(at: index) else {
        if change.isFirstOnly, out.base[index] >= 0x80 { return }
        index += 1
        continue
      }
      let other = change.changed(scalar)
      if other != scalar, let form = Unicode.Scalar(other) {
        for (offset, byte) in UTF8.encode(form)!.enumerated() where offset < length { out.base[index + offset] = byte }
      }
      if change.isFirstOnly { return }
      index += length
    }
  }

  /// The letter at `index` of the output; nil for marks and bytes that begin none.
  private func scalar(at index: Int) -> (UInt32, Int)? {
    let bytes = out.base, left = out.count - index
    switch bytes[index] {
    case 0x20..<0x7F: return (UInt32(bytes[index]), 1)
    case 0xC2...0xDF where left >= 2: return (UInt32(bytes[index] & 0x1F) << 6 | UInt32(bytes[index + 1] & 0x3F), 2)
    case 0xEF where left >= 3:
      return (0xF000 | UInt32(bytes[index + 1] & 0x3F) << 6 | UInt32(bytes[index + 2] & 0x3F), 3)
    default: return nil
    }
  }
}

/// Where the Zstandard frames of a file end, found by the headers of their blocks, without decompressing (RFC 8878, 3.1).
///
/// Headers are walked in steps, as one frame may have millions of blocks.
struct ZstdFrames {
  private let bytes: UnsafeRawBufferPointer
  private var steps = 0

  /// Headers between two calls of `check`.
  private static let stepsPerCheck = 256
  private static let magic: UInt32 = 0xFD2F_B528
  /// Without the four bits that are the user's.
  private static let skippable: UInt32 = 0x184D_2A50

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// Where a frame ends that begins at a place; nil if it is damaged, cut off or of another format.
  /// - Parameter check: called now and then; what it throws stops the walk.
  /// - Throws: what `check` throws.
  mutating func end(from start: Int, _ check: () throws -> Void) throws -> Int? {
    try step(check)
    guard start + 5 <= bytes.count else { return nil }
    let magic = little(start)
    if magic & 0xFFFF_FFF0 == Self.skippable { return skippableEnd(from: start) }
    guard magic == Self.magic else { return nil }
    let descriptor = bytes[start + 4]
    // A bit that must not be set.
    guard descriptor & 8 == 0 else { return nil }
    let isSingleSegment = descriptor & 32 != 0
    let dictionary = [0, 1, 2, 4][Int(descriptor & 3)]
    let content = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    let header = 5 + (isSingleSegment ? 0 : 1) + dictionary + content
    guard let last = try blocksEnd(from: start + header, check) else { return nil }
    let end = last + (descriptor & 4 != 0 ? 4 : 0)
    return end <= bytes.count ? end : nil
  }

  private func skippableEnd(from start: Int) -> Int? {
    guard start + 8 <= bytes.count else { return nil }
    let end = start + 8 + Int(little(start + 4))
    return end <= bytes.count ? end : nil
  }

  /// Where the last of the blocks ends that begin at a place.
  private mutating func blocksEnd(from start: Int, _ check: () throws -> Void) throws -> Int? {
    var at = start
    while at + 3 <= bytes.count {
      try step(check)
      let header = Int(bytes[at]) | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2]) << 16
      // Stored, one byte repeated, compressed, or of no kind that there is.
      switch header >> 1 & 3 {
      case 1: at += 4
      case 3: return nil
      default: at += 3 + header >> 3
      }
      guard at <= bytes.count else { return nil }
      if header & 1 != 0 { return at }
    }
    return nil
  }

  private func little(_ place: Int) -> UInt32 {
    UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
  }

  private mutating func step(_ check: () throws -> Void) throws {
    steps += 1
    if steps % Self.stepsPerCheck == 0 { try check() }
  }
}

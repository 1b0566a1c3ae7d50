import Glibc
public import ShardKit

/// The pages of a dump that begin in some of its bzip2 blocks: from the first `<page>` in them to the first behind them.
///
/// A `<page>` across the border of two parts begins in the first of them, and the other one does not see it as one.
public final class WikiDumpBlocks: ByteSource, PartlyDamagedSource {
  private enum State { case beforePages, inPages, behindBlocks, ended }

  public var name: String { blocks.name }
  private static let marker = Array("<page>".utf8)
  private let blocks: Bzip2Blocks
  private let end: Int64
  private var state: State
  /// The last bytes read and not handed out, in which a `<page>` may begin.
  private var held: [UInt8] = []

  /// - Throws: `ShardError` if the file cannot be opened, or if there is no memory (`.io`).
  public init(_ path: String, _ partition: WikiDumpPartition) throws(ShardError) {
    end = partition.isLast ? .max : partition.end
    blocks = try Bzip2Blocks(path, from: partition.start)
    state = partition.start == 0 ? .inPages : .beforePages
  }

  /// Decompresses into the buffer; 0 means the end of the pages.
  /// - Throws: as `Bzip2Blocks.read(into:)` does.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    while state != .ended {
      let room = UnsafeMutableRawBufferPointer(rebasing: buffer[held.count...])
      let count = try blocks.read(into: room)
      if count == 0 {
        if state == .beforePages { held = [] }
        state = .ended
        break
      }
      buffer.copyBytes(from: held)
      let wanted = range(in: UnsafeRawBufferPointer(rebasing: buffer[..<(held.count + count)]))
      if wanted.isEmpty { continue }
      if wanted.lowerBound > 0 { memmove(buffer.baseAddress!, buffer.baseAddress! + wanted.lowerBound, wanted.count) }
      return wanted.count
    }
    defer { held = [] }
    buffer.copyBytes(from: held)
    return held.count
  }

  /// Leaves the block that failed. False where none of these blocks follows it.
  func skipDamaged() throws(ShardError) -> Bool {
    held = []
    if state == .behindBlocks || state == .ended { return false }
    return try blocks.skipDamaged()
  }

  /// Which of the bytes, the held ones and those read just now, are handed out.
  private func range(in bytes: UnsafeRawBufferPointer) -> Range<Int> {
    let heldBefore = held.count
    held = []
    var start = 0, searched = 0
    let isBehind = blocks.place >= end
    if state == .beforePages {
      guard let first = Self.place(in: bytes, from: 0), !isBehind || first < heldBefore else {
        if isBehind { state = .ended } else { hold(bytes, from: 0) }
        return 0..<0
      }
      (start, searched) = (first, first + 1)
    }
    state = isBehind ? .behindBlocks : .inPages
    guard isBehind else { return start..<bytes.count }
    guard let next = Self.place(in: bytes, from: searched) else { return start..<hold(bytes, from: searched) }
    state = .ended
    return start..<next
  }

  private static func place(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    var index = start
    while index + marker.count <= bytes.count,
      let hit = memchr(bytes.baseAddress! + index, 0x3C, bytes.count - marker.count + 1 - index)
    {
      index = UnsafeRawPointer(hit) - bytes.baseAddress!
      if memcmp(bytes.baseAddress! + index, marker, marker.count) == 0 { return index }
      index += 1
    }
    return nil
  }

  /// Holds the end of the bytes if a `<page>` may begin there; returns where.
  @discardableResult
  private func hold(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    for place in max(start, bytes.count - Self.marker.count + 1)..<max(start, bytes.count) {
      let tail = bytes[place...]
      if Self.marker.starts(with: tail) {
        held = Array(tail)
        return place
      }
    }
    return bytes.count
  }
}

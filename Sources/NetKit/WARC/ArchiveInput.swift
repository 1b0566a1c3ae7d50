import ShardKit

/// The bytes of an archive, in segments. A segment ends before a gzip member that begins a record, at damage, and at
/// the end of the file.
///
/// A record with a wrong length never extends beyond its segment, and damage only affects one segment.
final class ArchiveInput {
  enum End: Equatable {
    case open
    /// The next member begins with a record.
    case member
    case file
    case broken(ShardError)
  }

  let source: any ByteSource
  private(set) var end = End.open
  /// Bytes skipped so far.
  private(set) var passed = 0
  /// Whether the file consists of parts, so that a segment that ends is complete.
  let hasParts: Bool

  private let parts: (any PartedSource)?
  private let format: ArchiveFormat
  private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
  private var start = 0
  private var stop = 0
  /// The first bytes of the next segment, and the damage after them.
  private var ahead: [UInt8] = []
  private var failureAhead: ShardError?

  init(_ source: any ByteSource, _ format: ArchiveFormat) {
    self.source = source
    self.format = format
    parts = source as? any PartedSource
    hasParts = parts != nil
    if let parts, !parts.nextPart() { end = .file }
  }

  deinit { buffer.deallocate() }

  /// The bytes of the segment that were read but not skipped; valid until more is read.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[start..<stop]) }

  func skip(_ count: Int) {
    start += count
    passed += count
  }

  /// Reads until this many bytes are available; false if the segment has fewer.
  func need(_ count: Int) throws(ShardError) -> Bool {
    while stop - start < count {
      guard try fill() else { return false }
    }
    return true
  }

  /// Reads more; false at the end of the segment. Only throws errors that are not damage of the archive.
  func fill() throws(ShardError) -> Bool {
    guard end == .open else { return false }
    makeRoom()
    do throws(ShardError) {
      let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[stop...]))
      stop += count
      if count > 0 { return true }
    } catch {
      end = .broken(try Self.damage(error))
      return false
    }
    guard let parts, parts.nextPart() else {
      end = .file
      return false
    }
    try lookAhead()
    if end != .open { return false }
    append(ahead)
    return true
  }

  /// Skips to the next segment; false if there is none.
  func nextSegment() -> Bool {
    (start, stop) = (0, 0)
    switch end {
    case .open, .file: return false
    case .broken:
      guard let parts, parts.nextPart() else {
        end = .file
        return false
      }
      end = .open
    case .member:
      end = failureAhead.map { .broken($0) } ?? .open
      failureAhead = nil
      append(ahead)
    }
    return true
  }

  private static func damage(_ error: ShardError) throws(ShardError) -> ShardError {
    guard error.code == .malformed || error.code == .truncated else { throw error }
    return error
  }

  /// Checks whether the new part begins with a record.
  private func lookAhead() throws(ShardError) {
    ahead = []
    var block = [UInt8](repeating: 0, count: ArchiveFormat.signatureBytes)
    do throws(ShardError) {
      while ahead.count < ArchiveFormat.signatureBytes {
        let room = ArchiveFormat.signatureBytes - ahead.count
        let count = try read(&block, room)
        if count == 0 { break }
        ahead += block[..<count]
      }
    } catch {
      failureAhead = try Self.damage(error)
      end = .member
    }
    if ahead.withUnsafeBytes({ format.mayBegin($0, at: 0) }) { end = .member }
  }

  private func read(_ block: inout [UInt8], _ count: Int) throws(ShardError) -> Int {
    var result: Result<Int, ShardError> = .success(0)
    block.withUnsafeMutableBytes { bytes in
      result = Result { () throws(ShardError) in
        try source.read(into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
      }
    }
    return try result.get()
  }

  private func append(_ bytes: [UInt8]) {
    makeRoom()
    for byte in bytes {
      buffer[stop] = byte
      stop += 1
    }
  }

  /// Frees at least a quarter of the buffer, so that moving the remaining bytes takes no longer than reading did.
  private func makeRoom() {
    guard buffer.count - stop < buffer.count / 4 else { return }
    let count = stop - start
    if count <= buffer.count / 2 {
      buffer.baseAddress!.copyMemory(from: buffer.baseAddress! + start, byteCount: count)
    } else {
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count * 2, alignment: 64)
      larger.baseAddress!.copyMemory(from: buffer.baseAddress! + start, byteCount: count)
      buffer.deallocate()
      buffer = larger
    }
    (start, stop) = (0, count)
  }
}

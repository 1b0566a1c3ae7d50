import ShardKit

/// The bytes of an archive, in segments: a segment ends where a gzip member begins a record, at damage, and at the end.
///
/// However wrong a record's length is, it never reaches beyond its segment, and damage costs no other one.
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
  /// Bytes passed over so far.
  private(set) var passed = 0
  /// The file is made of parts, so that a segment that ends is whole.
  let hasParts: Bool

  private let parts: (any PartedSource)?
  private let format: ArchiveFormat
  private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
  private var start = 0
  private var stop = 0
  /// The first bytes of the next segment, and the damage behind them.
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

  /// What is read of the segment and not yet passed over; valid until more is read.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[start..<stop]) }

  func skip(_ count: Int) {
    start += count
    passed += count
  }

  /// Reads until there are so many bytes; false where the segment has fewer.
  func need(_ count: Int) throws(ShardError) -> Bool {
    while stop - start < count {
      guard try fill() else { return false }
    }
    return true
  }

  /// Reads more; false at the end of the segment. Throws what is no fault of the archive.
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

  /// Goes to the next segment, past what is left of this one; false where there is none.
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

  /// Whether the part that was begun begins a record.
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

  /// At least a quarter of the buffer is free afterwards: moving the rest costs no more than reading did.
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

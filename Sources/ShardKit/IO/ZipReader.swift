import CZlib
import Glibc

/// The members of a zip archive, through its central directory: stored and deflated ones, zip64 sizes included.
///
/// Nothing that an archive says is trusted: its number of entries, each member's size and what it really unpacks to
/// are bounded, and CRC-32 is checked. Names are bytes (Japanese archives use code page 932). Format: PKWARE APPNOTE.
public struct ZipReader {
  public struct Entry: Equatable, Sendable {
    public var name: [UInt8]
    public var compressedBytes: Int
    public var bytes: Int
    var offset: Int
    var method: Int
    var isEncrypted: Bool
    var checksum: UInt32
    public var isDirectory: Bool { name.last == UInt8(ascii: "/") }
  }

  public let name: String
  public let entries: [Entry]
  private let storage: Storage

  private enum Storage {
    case file(String, bytes: Int)
    case memory([UInt8])
  }

  private static let maximumEntries = 1 << 20
  private static let maximumDirectoryBytes = 256 << 20

  public init(path: String) throws(ShardError) {
    guard let status = FileSystem.status(path) else { throw FileSystem.error(path, "cannot be opened", number: ENOENT) }
    try self.init(.file(path, bytes: Int(status.bytes)), name: path)
  }

  public init(_ bytes: [UInt8], name: String) throws(ShardError) { try self.init(.memory(bytes), name: name) }

  private init(_ storage: Storage, name: String) throws(ShardError) {
    self.storage = storage
    self.name = name
    entries = try Self.directory(storage, name)
  }

  /// Unpacks one member.
  public func read(_ entry: Entry, limit: Int) throws(ShardError) -> [UInt8] {
    func fail(_ code: ShardError.Code, _ message: String, hint: String? = nil) -> ShardError {
      ShardError(code, "\(name), member \(String(decoding: entry.name, as: UTF8.self))", message, hint: hint)
    }
    guard entry.bytes <= limit else { throw fail(.tooLarge, "unpacks to \(entry.bytes) bytes, the limit is \(limit)") }
    guard !entry.isEncrypted else { throw fail(.unsupported, "is encrypted") }
    let head = try Self.bytes(storage, name, entry.offset, 30)
    guard head.starts(with: [0x50, 0x4B, 3, 4]) else { throw fail(.malformed, "has no local header") }
    let start = entry.offset + 30 + head.number(26, 2) + head.number(28, 2)
    let packed = try Self.bytes(storage, name, start, entry.compressedBytes)
    let out: [UInt8]
    switch entry.method {
    case 0: out = packed
    case 8:
      guard let inflated = inflate(packed, to: entry.bytes) else {
        throw fail(.malformed, "its data are damaged or not of the size it states", hint: "Fetch the archive again.")
      }
      out = inflated
    default: throw fail(.unsupported, "is packed with method \(entry.method)", hint: "Pack it again with deflate.")
    }
    let checksum = out.withUnsafeBufferPointer { UInt32(crc32_z(0, $0.baseAddress, $0.count)) }
    guard out.count == entry.bytes, checksum == entry.checksum else {
      throw fail(.malformed, "its data do not match their checksum", hint: "Fetch the archive again.")
    }
    return out
  }

  // MARK: Directory

  private static func directory(_ storage: Storage, _ name: String) throws(ShardError) -> [Entry] {
    let (offset, bytes, count) = try locate(storage, name)
    guard count <= maximumEntries, bytes <= maximumDirectoryBytes else {
      throw ShardError(.tooLarge, name, "the zip archive has \(count) members, the limit is \(maximumEntries)")
    }
    let directory = try self.bytes(storage, name, offset, bytes)
    var entries: [Entry] = []
    var at = 0
    while entries.count < count {
      guard at + 46 <= directory.count, directory[at...].starts(with: [0x50, 0x4B, 1, 2]) else { throw damaged(name) }
      let (nameLength, extraLength) = (directory.number(at + 28, 2), directory.number(at + 30, 2))
      let end = at + 46 + nameLength + extraLength + directory.number(at + 32, 2)
      guard end <= directory.count else { throw damaged(name) }
      var entry = Entry(
        name: Array(directory[(at + 46)..<(at + 46 + nameLength)]), compressedBytes: directory.number(at + 20, 4),
        bytes: directory.number(at + 24, 4), offset: directory.number(at + 42, 4), method: directory.number(at + 10, 2),
        isEncrypted: directory.number(at + 8, 2) & 1 != 0, checksum: UInt32(directory.number(at + 16, 4)))
      let extra = at + 46 + nameLength
      guard entry.takeZip64(directory[extra..<(extra + extraLength)]) else { throw damaged(name) }
      entries.append(entry)
      at = end
    }
    return entries
  }

  /// Finds the end record, and the zip64 one before it where its fields are too small.
  private static func locate(_ storage: Storage, _ name: String) throws(ShardError) -> (
    offset: Int, bytes: Int, count: Int
  ) {
    let total = size(storage)
    let tailBytes = min(total, 22 + 65535)
    let tail = try bytes(storage, name, total - tailBytes, tailBytes)
    var at = tail.count - 22
    while at >= 0 && !tail[at...].starts(with: [0x50, 0x4B, 5, 6]) { at -= 1 }
    guard at >= 0 else {
      throw ShardError(
        .malformed, name, "this is no whole zip archive: it has no end record", hint: "Fetch or copy it again.")
    }
    var count = tail.number(at + 10, 2)
    var length = tail.number(at + 12, 4)
    var offset = tail.number(at + 16, 4)
    if count == 0xFFFF || length == 0xFFFF_FFFF || offset == 0xFFFF_FFFF, at >= 20,
      tail[(at - 20)...].starts(with: [0x50, 0x4B, 6, 7])
    {
      let end = try bytes(storage, name, tail.number(at - 12, 8), 56)
      guard end.starts(with: [0x50, 0x4B, 6, 6]) else { throw damaged(name) }
      (count, length, offset) = (end.number(32, 8), end.number(40, 8), end.number(48, 8))
    }
    return (offset, length, count)
  }

  private static func damaged(_ name: String) -> ShardError {
    ShardError(.malformed, name, "the directory of the zip archive is damaged", hint: "Fetch or copy it again.")
  }

  // MARK: Bytes

  private static func size(_ storage: Storage) -> Int {
    switch storage {
    case .file(_, let bytes): bytes
    case .memory(let bytes): bytes.count
    }
  }

  private static func bytes(
    _ storage: Storage, _ name: String, _ offset: Int, _ count: Int
  ) throws(ShardError) -> [UInt8] {
    let (end, overflows) = offset.addingReportingOverflow(count)
    guard offset >= 0, count >= 0, !overflows, end <= size(storage) else {
      throw ShardError(
        .truncated, name, "the zip archive points to bytes behind its end", hint: "Fetch or copy it again.")
    }
    switch storage {
    case .memory(let bytes): return Array(bytes[offset..<end])
    case .file(let path, _):
      let read = try FileSource(path, offset: Int64(offset), length: Int64(count)).readAll(reserving: count)
      guard read.count == count else { throw ShardError(.truncated, name, "the file became shorter while it was read") }
      return read
    }
  }

  /// Raw deflate to exactly `count` bytes; nil where the data say otherwise.
  private func inflate(_ packed: [UInt8], to count: Int) -> [UInt8]? {
    var stream = z_stream()
    guard inflateInit2_(&stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
    defer { inflateEnd(&stream) }
    guard packed.count < 1 << 31, count < 1 << 31 else { return nil }
    var finished = false
    let out = [UInt8](unsafeUninitializedCapacity: max(1, count)) { out, written in
      packed.withUnsafeBufferPointer { packed in
        stream.next_in = UnsafeMutablePointer(mutating: packed.baseAddress)
        stream.avail_in = UInt32(packed.count)
        stream.next_out = out.baseAddress
        stream.avail_out = UInt32(max(1, count))
        finished = CZlib.inflate(&stream, Z_FINISH) == Z_STREAM_END
        written = min(Int(stream.total_out), max(1, count))
      }
    }
    return finished && out.count == count ? out : nil
  }
}

extension ZipReader.Entry {
  /// Sizes and offset that did not fit their fields stand in extra field 1. False where it is too short.
  fileprivate mutating func takeZip64(_ extra: ArraySlice<UInt8>) -> Bool {
    guard bytes == 0xFFFF_FFFF || compressedBytes == 0xFFFF_FFFF || offset == 0xFFFF_FFFF else { return true }
    let extra = Array(extra)
    var at = 0
    while at + 4 <= extra.count {
      let end = at + 4 + extra.number(at + 2, 2)
      guard end <= extra.count else { return false }
      if extra.number(at, 2) == 1 {
        var field = at + 4
        func take(_ value: inout Int) -> Bool {
          guard value == 0xFFFF_FFFF else { return true }
          guard field + 8 <= end else { return false }
          value = extra.number(field, 8)
          field += 8
          return value >= 0
        }
        return take(&bytes) && take(&compressedBytes) && take(&offset)
      }
      at = end
    }
    return false
  }
}

extension [UInt8] {
  /// A little-endian number; a highest bit set in eight bytes makes it negative, which every use refuses.
  fileprivate func number(_ offset: Int, _ count: Int) -> Int {
    var value: UInt64 = 0
    for i in 0..<count { value |= UInt64(self[offset + i]) << (8 * UInt64(i)) }
    return Int(bitPattern: UInt(value))
  }
}

import CZlib
import Glibc

/// The members of a zip archive, from its central directory: stored and deflated, including zip64 sizes.
///
/// Nothing in an archive is trusted: the number of entries, each member's size and its actual unpacked size are
/// bounded, overlapping members are rejected, and CRC-32 is checked. Names are bytes (Japanese archives use code page
/// 932). Format: PKWARE APPNOTE.
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

    /// Deflate packs at most 1,032 bytes into one, and adds little to incompressible data: impossible sizes are never
    /// allocated or read.
    var isPlausible: Bool {
      if method == 0 { return compressedBytes == bytes }
      return bytes / 1032 <= compressedBytes && compressedBytes / 2 <= bytes + 4096
    }
  }

  public let name: String
  public let entries: [Entry]
  private let storage: Storage

  enum Storage {
    case file(String, bytes: Int)
    case memory([UInt8])

    var bytes: Int {
      switch self {
      case .file(_, let bytes): bytes
      case .memory(let bytes): bytes.count
      }
    }
  }

  /// Reads the directory of an archive on disk.
  /// - Throws: `ShardError` if the file cannot be read, such as `.notFound`; as `init(_:name:)` does.
  public init(path: String) throws(ShardError) {
    guard let status = FileSystem.status(path) else { throw FileSystem.error(path, "cannot be opened", number: ENOENT) }
    try self.init(.file(path, bytes: Int(status.bytes)), name: path)
  }

  /// Reads the directory of an archive in memory.
  /// - Throws: `ShardError` if the directory is damaged (`.malformed`, `.truncated`) or too large (`.tooLarge`).
  public init(_ bytes: [UInt8], name: String) throws(ShardError) { try self.init(.memory(bytes), name: name) }

  private init(_ storage: Storage, name: String) throws(ShardError) {
    self.storage = storage
    self.name = name
    entries = try ZipDirectory(storage, name).entries()
  }

  /// Unpacks one member.
  /// - Throws: `ShardError`: `.tooLarge` beyond `limit`, `.unsupported`, damage (`.malformed`, `.truncated`), or `.io`.
  public func read(_ entry: Entry, limit: Int) throws(ShardError) -> [UInt8] {
    func fail(_ code: ShardErrorCode, _ message: String, hint: String? = nil) -> ShardError {
      ShardError(code, "\(name), member \(String(decoding: entry.name, as: UTF8.self))", message, hint: hint)
    }
    guard entry.bytes <= limit else { throw fail(.tooLarge, "unpacks to \(entry.bytes) bytes; the limit is \(limit)") }
    guard !entry.isEncrypted else { throw fail(.unsupported, "is encrypted") }
    guard entry.isPlausible else {
      throw fail(.malformed, "\(entry.compressedBytes) bytes cannot unpack to \(entry.bytes)")
    }
    let head = try Self.bytes(storage, name, entry.offset, 30)
    guard head.starts(with: [0x50, 0x4B, 3, 4]) else { throw fail(.malformed, "has no local header") }
    let start = entry.offset + 30 + head.number(26, 2) + head.number(28, 2)
    let packed = try Self.bytes(storage, name, start, entry.compressedBytes)
    let out: [UInt8]
    switch entry.method {
    case 0: out = packed
    case 8:
      guard let inflated = inflate(packed, to: entry.bytes) else {
        throw fail(
          .malformed, "its data are damaged or do not have the stated size", hint: "Download the archive again.")
      }
      out = inflated
    default: throw fail(.unsupported, "is packed with method \(entry.method)", hint: "Repack it with deflate.")
    }
    let checksum = out.withUnsafeBufferPointer { UInt32(crc32_z(0, $0.baseAddress, $0.count)) }
    guard out.count == entry.bytes, checksum == entry.checksum else {
      throw fail(.malformed, "its data do not match their checksum", hint: "Download the archive again.")
    }
    return out
  }

  // MARK: Bytes

  static func bytes(
    _ storage: Storage, _ name: String, _ offset: Int, _ count: Int
  ) throws(ShardError) -> [UInt8] {
    let (end, overflows) = offset.addingReportingOverflow(count)
    guard offset >= 0, count >= 0, !overflows, end <= storage.bytes else {
      throw ShardError(
        .truncated, name, "the zip archive points past its end", hint: "Download or copy it again.")
    }
    switch storage {
    case .memory(let bytes): return Array(bytes[offset..<end])
    case .file(let path, _):
      let read = try FileSource(path, offset: Int64(offset), length: Int64(count)).readAll(reserving: count)
      guard read.count == count else { throw ShardError(.truncated, name, "the file became shorter while it was read") }
      return read
    }
  }

  /// Raw deflate to exactly `count` bytes; nil if the data do not match.
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

import Glibc

/// A stream of bytes to read.
public protocol ByteSource: AnyObject {
  /// The origin of the bytes, for messages.
  var name: String { get }
  /// Fills part or all of the buffer; 0 means the end. All data before an error has been delivered.
  /// - Throws: `ShardError` if the bytes cannot be read or contradict their format.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int
}

extension ByteSource {
  /// All bytes up to the end.
  /// - Throws: `ShardError` (`.tooLarge`) if there are more than `limit`; what `read(into:)` throws.
  public func readAll(limit: Int = .max, reserving: Int = 0) throws(ShardError) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(reserving)
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { block.deallocate() }
    while true {
      let count = try read(into: block)
      if count == 0 { return out }
      guard out.count + count <= limit else { throw ShardError(.tooLarge, name, "has more than \(limit) bytes") }
      out.append(contentsOf: block[..<count])
    }
  }
}

/// A file, or a range of its bytes.
public final class FileSource: ByteSource {
  public let name: String
  private let descriptor: Int32
  /// Smaller files are read ahead whole.
  private static let readAhead = 128 << 10
  /// Bytes read so far, counted from the start of the range.
  public private(set) var position: Int64 = 0
  private let start: Int64
  private let length: Int64

  /// Opens a file, or a range of its bytes.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if it is not a regular file.
  public init(_ path: String, offset: Int64 = 0, length: Int64 = .max) throws(ShardError) {
    name = path
    start = offset
    self.length = length
    let file = try RegularFile.open(path)
    descriptor = file.descriptor
    if file.bytes > Self.readAhead { posix_fadvise(descriptor, off_t(offset), 0, POSIX_FADV_SEQUENTIAL) }
  }

  deinit { close(descriptor) }

  /// Reads at the current position; 0 means the end of the range or the file.
  /// - Throws: `ShardError` (`.io`) if the file cannot be read.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    let wanted = Int(min(Int64(buffer.count), length - position))
    guard wanted > 0 else { return 0 }
    while true {
      let count = pread(descriptor, buffer.baseAddress, wanted, off_t(start + position))
      if count >= 0 {
        position += Int64(count)
        return count
      }
      if errno != EINTR { throw FileSystem.error(name, "cannot be read") }
    }
  }
}

/// Bytes in memory.
public final class MemorySource: ByteSource {
  public let name: String
  private let bytes: [UInt8]
  private var position = 0

  public init(_ bytes: [UInt8], name: String = "memory") {
    self.bytes = bytes
    self.name = name
  }

  /// Copies the next bytes; 0 means the end.
  /// - Throws: nothing; the declaration is the protocol's.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    let count = min(buffer.count, bytes.count - position)
    bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count])) }
    position += count
    return count
  }
}

public enum Compression: String, Sendable, CaseIterable {
  case none, zstd, gzip, bzip2, xz, lz4

  /// Detected from the first bytes of a file, so that a wrong extension does no harm.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if it is not a regular file.
  public static func detect(_ path: String) throws(ShardError) -> Compression {
    detect(try FileSource(path, length: 6).readAll())
  }

  /// The same for bytes in memory.
  public static func detect(_ bytes: [UInt8]) -> Compression {
    var head = Array(bytes.prefix(6))
    head.append(contentsOf: repeatElement(0, count: 6 - head.count))
    if head.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) || (head[0] & 0xF0 == 0x50 && head[1...3] == [0x2A, 0x4D, 0x18]) {
      return .zstd
    }
    if head.starts(with: [0x1F, 0x8B]) { return .gzip }
    if head.starts(with: [0x04, 0x22, 0x4D, 0x18]) { return .lz4 }
    if head.starts(with: [0x42, 0x5A, 0x68]) { return .bzip2 }
    if head.starts(with: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]) { return .xz }
    return .none
  }
}

/// Opens a file for reading, decompressing by its content (zstd, gzip, bzip2, xz, lz4 or none).
/// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if it is not a regular file.
public func openSource(_ path: String) throws(ShardError) -> any ByteSource {
  let compression = try Compression.detect(path)
  return try decompress(FileSource(path), compression)
}

/// Wraps a stream in its decompressor; concatenated members and frames are read as one stream.
/// - Throws: `ShardError` (`.io`) if there is not enough memory for the decoder.
public func decompress(_ source: any ByteSource, _ compression: Compression) throws(ShardError) -> any ByteSource {
  switch compression {
  case .none: source
  case .zstd: try ZstdSource(source)
  case .gzip: try GzipSource(source)
  case .bzip2: try Bzip2Source(source)
  case .xz: try XZSource(source)
  case .lz4: try LZ4Source(source)
  }
}

import CZlib
import CZstd
import Glibc

/// A stream of bytes to write.
public protocol ByteSink: AnyObject {
  /// Writes bytes; they may be buffered.
  /// - Throws: `ShardError` if they cannot be written, such as `.diskFull` or `.io`.
  func write(_ bytes: UnsafeRawBufferPointer) throws(ShardError)
  /// Writes buffered bytes, then makes the file durable and visible under its name.
  /// - Throws: `ShardError` if the file cannot be written, synced or renamed, such as `.diskFull` or `.io`.
  func commit() throws(ShardError)
}

extension ByteSink {
  /// Writes bytes.
  /// - Throws: what the sink throws.
  public func write(_ bytes: [UInt8]) throws(ShardError) {
    try bytes.withUnsafeBufferPointer { (b) throws(ShardError) in try write(UnsafeRawBufferPointer(b)) }
  }

  /// Writes text as UTF-8.
  /// - Throws: what the sink throws.
  public func write(_ text: String) throws(ShardError) { try write(Array(text.utf8)) }

  /// Writes all bytes of a source, up to its end.
  /// - Throws: what the source or the sink throws.
  public func copy(from source: any ByteSource) throws(ShardError) {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { block.deallocate() }
    while true {
      let count = try source.read(into: block)
      if count == 0 { return }
      try write(UnsafeRawBufferPointer(rebasing: block[..<count]))
    }
  }
}

/// A file that appears complete or not at all: written to `.NAME.partial`, synced, then renamed.
///
/// Without `commit`, the partial file is removed. Whoever publishes the set of files syncs the directory.
public final class FileSink: ByteSink {
  public let path: String
  private let partial: String
  private let descriptor: Int32
  private var digester = Digester()
  private var buffer: [UInt8] = []
  private var committed = false
  /// Bytes written so far.
  public private(set) var bytes: Int64 = 0

  /// Creates the partial file, or empties an old one.
  /// - Throws: `ShardError` if it cannot be created, such as `.notFound` (no folder), `.permission` or `.diskFull`.
  public init(_ path: String) throws(ShardError) {
    self.path = path
    let name = ArchivePath.lastPart(of: path)
    partial = "\(Substring(path.utf8.dropLast(name.utf8.count))).\(name).partial"
    descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be written") }
    buffer.reserveCapacity(Self.block)
  }

  deinit {
    close(descriptor)
    if !committed { unlink(partial) }
  }

  private static let block = 1 << 18

  /// Digest of everything written; valid after `commit`.
  public var digest: Digest { digester.finish() }

  /// Writes bytes, in blocks.
  /// - Throws: `ShardError` if the file cannot be written, such as `.diskFull` or `.io`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(ShardError) {
    self.bytes += Int64(bytes.count)
    if buffer.count + bytes.count > Self.block { try flush() }
    if bytes.count >= Self.block { return try put(bytes) }
    buffer.append(contentsOf: bytes)
  }

  private func flush() throws(ShardError) {
    try buffer.withUnsafeBufferPointer { (b) throws(ShardError) in try put(UnsafeRawBufferPointer(b)) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws(ShardError) {
    let direct = DirectWriting.write(bytes, to: descriptor, at: self.bytes - Int64(bytes.count)) {
      digester.update(bytes)
    }
    var rest = UnsafeRawBufferPointer(rebasing: bytes[direct...])
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileSystem.error(path, "cannot be written")
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Writes buffered bytes, syncs the file and renames it into place.
  /// - Throws: `ShardError` if it cannot be written, synced or renamed, such as `.diskFull`, `.permission` or `.io`.
  public func commit() throws(ShardError) {
    try flush()
    guard fsync(descriptor) == 0 else { throw FileSystem.error(path, "cannot be synced") }
    FaultPoint.reach("file.written")
    try FileSystem.rename(partial, to: path)
    committed = true
  }
}

/// Compresses into another sink as one zstd frame with a checksum.
public final class ZstdSink: ByteSink {
  private let sink: any ByteSink
  /// Nil if allocation failed; the first write reports that.
  private let stream: OpaquePointer?
  private let out: UnsafeMutableRawBufferPointer

  public init(_ sink: any ByteSink, level: Int = 3) {
    self.sink = sink
    stream = ZSTD_createCCtx()
    ZSTD_CCtx_setParameter(stream, ZSTD_c_compressionLevel, Int32(level))
    ZSTD_CCtx_setParameter(stream, ZSTD_c_checksumFlag, 1)
    out = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 64)
  }

  deinit {
    ZSTD_freeCCtx(stream)
    out.deallocate()
  }

  /// Compresses bytes.
  /// - Throws: `ShardError` (`.io`) if zstd fails or memory runs out; what the other sink throws.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(ShardError) { try run(bytes, ZSTD_e_continue) }

  /// Ends the frame and commits the other sink.
  /// - Throws: `ShardError` (`.io`) if zstd fails or memory runs out; what the other sink throws.
  public func commit() throws(ShardError) {
    try run(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end)
    try sink.commit()
  }

  private func run(_ bytes: UnsafeRawBufferPointer, _ mode: ZSTD_EndDirective) throws(ShardError) {
    guard let stream else { throw FileSystem.error("zstd", "nothing can be compressed", number: ENOMEM) }
    var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
    while true {
      var output = ZSTD_outBuffer(dst: out.baseAddress, size: out.count, pos: 0)
      let rest = ZSTD_compressStream2(stream, &output, &input, mode)
      guard ZSTD_isError(rest) == 0 else {
        throw ShardError(.io, "zstd", String(cString: ZSTD_getErrorName(rest)))
      }
      if output.pos > 0 { try sink.write(UnsafeRawBufferPointer(rebasing: out[..<output.pos])) }
      if mode == ZSTD_e_end ? rest == 0 : input.pos == input.size { return }
    }
  }
}

/// Compresses into another sink as one gzip member without a timestamp, so that equal input gives equal bytes.
public final class GzipSink: ByteSink {
  private let sink: any ByteSink
  private var stream = z_stream()
  private let out: UnsafeMutableBufferPointer<UInt8>

  /// Compresses with a level of zlib: 1 is fast, 9 is small.
  /// - Throws: `ShardError` (`.io`) if zlib cannot be initialized.
  public init(_ sink: any ByteSink, level: Int = 6) throws(ShardError) {
    self.sink = sink
    out = .allocate(capacity: 1 << 17)
    let size = Int32(MemoryLayout<z_stream>.size)
    guard deflateInit2_(&stream, Int32(level), Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK
    else { throw ShardError(.io, "gzip", "zlib cannot be initialized") }
  }

  deinit {
    deflateEnd(&stream)
    out.deallocate()
  }

  /// Compresses bytes.
  /// - Throws: what the other sink throws.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(ShardError) {
    var rest = bytes
    while !rest.isEmpty {
      let piece = min(rest.count, 1 << 30)
      try run(UnsafeRawBufferPointer(rebasing: rest[..<piece]), Z_NO_FLUSH)
      rest = UnsafeRawBufferPointer(rebasing: rest[piece...])
    }
  }

  /// Ends the member and commits the other sink.
  /// - Throws: what the other sink throws.
  public func commit() throws(ShardError) {
    try run(UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH)
    try sink.commit()
  }

  private func run(_ bytes: UnsafeRawBufferPointer, _ flush: Int32) throws(ShardError) {
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(bytes.count)
    while true {
      stream.next_out = out.baseAddress
      stream.avail_out = UInt32(out.count)
      let result = deflate(&stream, flush)
      let produced = out.count - Int(stream.avail_out)
      if produced > 0 { try sink.write(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(out)[..<produced])) }
      if flush == Z_FINISH ? result == Z_STREAM_END : stream.avail_in == 0 && stream.avail_out > 0 { return }
    }
  }
}

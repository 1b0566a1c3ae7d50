import CZlib
import CZstd

/// Compression of complete MDS shards, as named in an index: `zstd:3`, `gz`; absent if there is none.
public struct MDSCompression: Equatable, Sendable {
  public enum Algorithm: String, Sendable { case zstd, gz }

  public let algorithm: Algorithm
  public let level: Int
  /// As written, since the index repeats it.
  public let name: String

  public static let zstd = MDSCompression(name: "zstd:3")!

  /// `ALGORITHM[:LEVEL]`; nil for what cannot be written. Default levels are the format's: zstd 3, gz 9.
  public init?(name: String) {
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let algorithm = Algorithm(rawValue: String(parts[0])) else {
      return nil
    }
    let levels = algorithm == .zstd ? 1...22 : 0...9
    let standard = algorithm == .zstd ? 3 : 9
    guard let level = parts.count == 1 ? standard : Int(parts[1]), levels.contains(level) else { return nil }
    self.algorithm = algorithm
    self.level = level
    self.name = name
  }

  public var fileExtension: String { algorithm.rawValue }

  /// Passes one zstd frame that states its content's size, or one gzip member without a timestamp.
  func compress(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(ShardError) -> Void
  ) throws(ShardError) {
    switch algorithm {
    case .zstd: try zstd(bytes, body)
    case .gz: try gzip(bytes, body)
    }
  }

  private func zstd(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(ShardError) -> Void
  ) throws(ShardError) {
    try ShardBuffer.withMemory(ZSTD_compressBound(bytes.count)) { (room) throws(ShardError) in
      let result = ZSTD_compress(room.baseAddress, room.count, bytes.baseAddress, bytes.count, Int32(level))
      guard ZSTD_isError(result) == 0 else {
        throw ShardError(.io, "zstd", String(cString: ZSTD_getErrorName(result)))
      }
      try body(UnsafeRawBufferPointer(rebasing: room[..<result]))
    }
  }

  private func gzip(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(ShardError) -> Void
  ) throws(ShardError) {
    let out = CollectingSink()
    let sink = try GzipSink(out, level: level)
    try sink.write(bytes)
    try sink.commit()
    try out.bytes.withUnsafeBufferPointer { (out) throws(ShardError) in try body(UnsafeRawBufferPointer(out)) }
  }
}

/// Keeps everything written in memory.
private final class CollectingSink: ByteSink {
  var bytes: [UInt8] = []
  func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
  func commit() {}
}

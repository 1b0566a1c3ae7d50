import Glibc
import ShardKit

/// Where a data set's shards are stored on this machine, and how they get here.
enum ShardLocation: Sendable {
  /// In their own folder: raw shards are mapped, compressed ones decompressed into memory.
  case folder(String)
  /// In a cache folder, always raw.
  case cache(String, any ShardSource)

  /// Bytes of memory or of the cache folder that an open shard takes.
  func cost(_ shard: MDSShard) -> Int {
    switch self {
    case .folder: shard.zip == nil ? 0 : shard.raw.bytes
    case .cache: shard.raw.bytes
    }
  }

  /// Whether the cache folder has the shard from an earlier run. A file of the wrong size is removed.
  func isStored(_ shard: MDSShard) -> Bool {
    guard case .cache(let folder, _) = self else { return false }
    let path = "\(folder)/\(shard.raw.basename)"
    guard let status = FileSystem.status(path) else { return false }
    if Int(status.bytes) == shard.raw.bytes { return true }
    try? FileSystem.remove(path)
    return false
  }

  func remove(_ shard: MDSShard) {
    guard case .cache(let folder, _) = self else { return }
    try? FileSystem.remove("\(folder)/\(shard.raw.basename)")
  }

  /// Opens a shard, fetching it first if it is not here.
  /// - Parameter verify: compares the hashes of a file that is already here; fetched ones are always compared.
  func open(_ shard: MDSShard, verify: Bool) throws(ShardError) -> MDSShardReader {
    switch self {
    case .folder(let folder):
      return try MDSShardReader(path: "\(folder)/\(shard.stored.basename)", shard, verify: verify)
    case .cache(let folder, let source):
      var raw = shard
      raw.zip = nil
      let path = "\(folder)/\(raw.raw.basename)"
      if let reader = Self.stored(raw, path, verify: verify) { return reader }
      let lock = try FetchLock(raw.raw.basename, in: folder)
      defer { withExtendedLifetime(lock) {} }
      // Another process may have fetched it while this one waited.
      if let reader = Self.stored(raw, path, verify: true) { return reader }
      try? FileSystem.remove(path)
      try Self.fetch(shard, from: source, to: path)
      do throws(ShardError) {
        return try MDSShardReader(path: path, raw, verify: true)
      } catch {
        try? FileSystem.remove(path)
        throw error
      }
    }
  }

  /// A shard of the cache folder; nil if another process has evicted it, or a crash of the machine truncated it.
  private static func stored(_ shard: MDSShard, _ path: String, verify: Bool) -> MDSShardReader? {
    FileSystem.exists(path) ? try? MDSShardReader(path: path, shard, verify: verify) : nil
  }

  /// Fetches under a name that only this process uses, so that processes may share a cache folder.
  private static func fetch(_ shard: MDSShard, from source: any ShardSource, to path: String) throws(ShardError) {
    if let folder = ArchivePath.parent(of: path) { try FileSystem.makeDirectory(folder) }
    let temporary = "\(path).\(getpid()).fetching"
    defer { try? FileSystem.remove(temporary) }
    try source.fetch(shard.stored.basename, to: temporary)
    try check(temporary, shard.stored, source.name)
    guard let zip = shard.zip else { return try FileSystem.rename(temporary, to: path) }
    let algorithm = String((shard.compression ?? "").prefix { $0 != ":" })
    guard let compression = ["zstd": Compression.zstd, "gz": .gzip, "bz2": .bzip2][algorithm] else {
      throw ShardError(
        .unsupported, "\(source.name)/\(zip.basename)", "shards compressed with '\(algorithm)' cannot be read",
        hint: "Use zstd, gz or bz2.")
    }
    let sink = try FileSink("\(temporary).raw")
    try sink.copy(from: try decompress(FileSource(temporary), compression))
    try sink.commit()
    try FileSystem.rename("\(temporary).raw", to: path)
  }

  private static func check(_ path: String, _ file: MDSFile, _ source: String) throws(ShardError) {
    let mapped = try MappedFile(path)
    let name = "\(source)/\(file.basename)"
    guard mapped.bytes.count == file.bytes else {
      throw ShardError(
        mapped.bytes.count < file.bytes ? .truncated : .malformed, name,
        "the fetched shard has \(mapped.bytes.count) bytes, but index.json says \(file.bytes)",
        hint: "Run again; if the error persists, upload the data set again.")
    }
    for (algorithm, expected) in file.hashes.sorted(by: { $0.key < $1.key }) {
      guard let hash = MDSHash(rawValue: algorithm), hash.hex(mapped.bytes) != expected else { continue }
      throw ShardError(
        .malformed, name, "the shard's \(algorithm) does not match index.json",
        hint: "Run again; if the error persists, upload the data set again.")
    }
  }
}

internal import GRDB
public import ShardKit
import Synchronization

/// Digests of users' files, remembered by what identifies an unchanged file.
extension RunStore {
  /// As `digests(_:)`, of one file.
  /// - Throws: as `digests(_:)`.
  public func digest(_ path: String) throws -> Digest { try digests([path])[0] }

  /// The content digest of each file, cached by size, modification and change times, and inode.
  ///
  /// Files are taken some thousands at a time, read by several threads, and remembered together: a transaction per file
  /// would take longer than the files of a folder of a million small ones.
  /// - Throws: `ShardError` if one cannot be read; `StageError` (`.input`) if it changes; `RunError` for the database. What
  ///   was read until then is remembered.
  public func digests(_ paths: [String]) throws -> [Digest] {
    var digests: [Digest] = []
    digests.reserveCapacity(paths.count)
    for start in stride(from: 0, to: paths.count, by: Self.digestedTogether) {
      digests += try self.digests(of: paths[start..<min(start + Self.digestedTogether, paths.count)])
    }
    return digests
  }

  private static var digestedTogether: Int { 4096 }

  private func digests(of paths: ArraySlice<String>) throws -> [Digest] {
    let files = try paths.map { path -> Seen in
      guard let status = FileSystem.status(path) else { throw FileSystem.error(path, "cannot be read") }
      return Seen(path: path, status: status)
    }
    var digests = try known(files)
    let unknown = digests.indices.filter { digests[$0] == nil }
    // Large files are remembered one by one, since each takes seconds to read again.
    var open = unknown[...]
    while !open.isEmpty {
      var bytes: Int64 = 0
      let together = open.prefix { place in
        defer { bytes += files[place].status.bytes }
        return bytes < 64 << 20
      }
      open = open.dropFirst(together.count)
      let new = Mutex<[(place: Int, digest: Digest)]>([])
      defer { remember(new.withLock { $0 }.map { (files[$0.place], $0.digest) }) }
      let places = Array(together)
      try inParallel((places.count + 63) / 64, atOnce: availableProcessors(), lane: {}) { part, _ in
        for place in places[(part * 64)..<min(part * 64 + 64, places.count)] {
          let digest = try files[place].digest()
          new.withLock { $0.append((place, digest)) }
        }
      }
      for (place, digest) in new.withLock({ $0 }) { digests[place] = digest }
    }
    return digests.map { $0! }
  }

  private func known(_ files: [Seen]) throws -> [Digest?] {
    try read { db in
      let statement = try db.cachedStatement(
        sql: "SELECT digest FROM digests WHERE path = ? AND bytes = ? AND modified = ? AND changed = ? AND inode = ?")
      return try files.map {
        try String.fetchOne(statement, arguments: $0.arguments).flatMap(Digest.init(hex:))
      }
    }
  }

  /// What cannot be remembered is read again the next time.
  private func remember(_ digests: [(file: Seen, digest: Digest)]) {
    // A file changed within the clock's resolution could keep its times, so recently changed files are not cached.
    let settled = digests.filter {
      wallMilliseconds() - Int(max($0.file.status.modified, $0.file.status.changed) / 1_000_000) > 2000
    }
    if settled.isEmpty { return }
    try? write { db in
      let statement = try db.cachedStatement(
        sql: "INSERT OR REPLACE INTO digests (path, bytes, modified, changed, inode, digest) VALUES (?, ?, ?, ?, ?, ?)")
      for (file, digest) in settled { try statement.execute(arguments: file.arguments + [digest.hex]) }
    }
  }
}

/// A file and what it was when it was looked at.
private struct Seen: Sendable {
  var path: String
  var status: FileSystem.Status

  var arguments: StatementArguments {
    [path, status.bytes, status.modified, status.changed, Int64(bitPattern: status.inode)]
  }

  func digest() throws -> Digest {
    let digest = try Digester.digest(
      file: path, blockBytes: Int(min(status.bytes, 1 << 20)), length: status.bytes)
    guard FileSystem.status(path) == status else { throw SourceCheck.changed(path, "while it was being digested") }
    return digest
  }
}

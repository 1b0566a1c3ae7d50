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
  /// - Throws: `ShardError` if one cannot be read; `StageError` (`.input`) if it changes while it is read; `RunError` for the
  ///   database. What was read until then is remembered.
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
    let files = try paths.map { try SeenFile($0) }
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
      let new = Mutex<[(place: Int, file: DigestedFile)]>([])
      defer { remember(new.withLock { $0 }.map(\.file)) }
      let places = Array(together)
      try inParallel((places.count + 63) / 64, atOnce: availableProcessors(), lane: {}) { part, _ in
        for place in places[(part * 64)..<min(part * 64 + 64, places.count)] {
          let file = try files[place].digested()
          new.withLock { $0.append((place, file)) }
        }
      }
      for (place, file) in new.withLock({ $0 }) { digests[place] = file.digest }
    }
    return digests.map { $0! }
  }

  private func known(_ files: [SeenFile]) throws -> [Digest?] {
    try read { db in
      let statement = try db.cachedStatement(
        sql: "SELECT digest FROM digests WHERE path = ? AND bytes = ? AND modified = ? AND changed = ? AND inode = ?")
      return try files.map {
        try String.fetchOne(statement, arguments: $0.arguments).flatMap(Digest.init(hex:))
      }
    }
  }

  /// What cannot be remembered is read again the next time.
  private func remember(_ digested: [DigestedFile]) {
    let settled = digested.filter(\.isSettled)
    if settled.isEmpty { return }
    try? write { db in
      let statement = try db.cachedStatement(
        sql: "INSERT OR REPLACE INTO digests (path, bytes, modified, changed, inode, digest) VALUES (?, ?, ?, ?, ?, ?)")
      for one in settled { try statement.execute(arguments: one.file.arguments + [one.digest.hex]) }
    }
  }
}

/// A file and what it was when it was looked at.
struct SeenFile: Sendable {
  let path: String
  let status: FileSystem.Status

  /// - Throws: `ShardError` if there is no such file.
  init(_ path: String) throws(ShardError) {
    guard let status = FileSystem.status(path) else { throw FileSystem.error(path, "cannot be read") }
    self.path = path
    self.status = status
  }

  fileprivate var arguments: StatementArguments {
    [path, status.bytes, status.modified, status.changed, Int64(bitPattern: status.inode)]
  }

  /// Reads the file as it is now: it may have been looked at long before.
  /// - Parameter read: computes the digest of what was looked at.
  /// - Throws: `StageError` (`.input`) if it changes while it is read; what `read` throws.
  func digested(_ read: (SeenFile) throws -> Digest = { try $0.read() }) throws -> DigestedFile {
    if let digested = try unchanged(read) { return digested }
    guard let digested = try SeenFile(path).unchanged(read) else {
      throw SourceCheck.changed(path, "while it was being digested")
    }
    return digested
  }

  /// nil if it is not what it was when it was looked at.
  private func unchanged(_ read: (SeenFile) throws -> Digest) throws -> DigestedFile? {
    let began = wallMilliseconds()
    let digest = try read(self)
    guard FileSystem.status(path) == status else { return nil }
    return DigestedFile(file: self, digest: digest, isSettled: status.isSettled(at: began))
  }

  private func read() throws(ShardError) -> Digest {
    try Digester.digest(file: path, blockBytes: Int(min(status.bytes, 1 << 20)), length: status.bytes)
  }
}

/// A file that was the same before it was read and behind.
struct DigestedFile: Sendable {
  var file: SeenFile
  var digest: Digest
  /// Whether the digest may be remembered by the file's status.
  var isSettled: Bool
}

extension FileSystem.Status {
  /// Whether a change of the file from this moment on shows in its times. One within their resolution could leave them as they
  /// are, so a file that has just changed is to be read again.
  /// - Parameter milliseconds: when its reading began, since 1970.
  func isSettled(at milliseconds: Int) -> Bool { milliseconds - Int(max(modified, changed) / 1_000_000) > 2000 }
}

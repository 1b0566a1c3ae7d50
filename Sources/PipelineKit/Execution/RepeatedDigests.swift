import ShardKit
import Synchronization

/// Digests of files that were digested before and whose status has changed since, as by a rename: such a file is read once for all
/// tasks that read parts of it.
final class RepeatedDigests: Sendable {
  private struct Known {
    var status: FileSystem.Status
    var digest: Digest
  }

  /// What is known of a file. Whoever reads it holds the lock, so that others wait for the digest.
  private final class Entry: Sendable {
    let known = Mutex<Known?>(nil)
  }

  /// The files that are remembered at most.
  private static let most = 4096
  private let entries = Mutex<[ExactText: Entry]>([:])
  private let read: @Sendable (String) throws -> Digest

  init(read: @escaping @Sendable (String) throws -> Digest = { try Digester.digest(file: $0) }) { self.read = read }

  /// - Parameter status: the file's, taken just before.
  /// - Throws: what reading the file throws.
  func digest(_ path: String, _ status: FileSystem.Status) throws -> Digest {
    try entry(ExactText(path)).known.withLock { known in
      if let known, known.status == status { return known.digest }
      let began = wallMilliseconds()
      let digest = try read(path)
      let isKnown = status.isSettled(at: began) && FileSystem.status(path) == status
      known = isKnown ? Known(status: status, digest: digest) : nil
      return digest
    }
  }

  private func entry(_ path: ExactText) -> Entry {
    entries.withLock { entries in
      if let entry = entries[path] { return entry }
      if entries.count == Self.most { entries = [:] }
      let entry = Entry()
      entries[path] = entry
      return entry
    }
  }
}

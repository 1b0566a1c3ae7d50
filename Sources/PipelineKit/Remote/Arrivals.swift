import Synchronization

/// Outputs that were fetched, or could not be, while the stage was prepared whose documents they were made from.
final class Arrivals: Sendable {
  /// By node: the bytes that were fetched; nil if it could not be.
  private let found = Mutex<[Int: Int64?]>([:])

  func add(_ node: Int, bytes: Int64?) { found.withLock { $0[node] = .some(bytes) } }

  /// Bytes that were fetched of a node's output; nil if it was not.
  func bytes(of node: Int) -> Int64? { found.withLock { $0[node] ?? nil } }

  /// Whether a node's output could not be fetched.
  func isAbsent(_ node: Int) -> Bool { found.withLock { $0[node] == .some(nil) } }
}

import NetKit
import PipelineKit
import ShardKit
import Synchronization

/// A task's connections to a service. Each thread has its own client; the task's thread reports their warnings and
/// counts to the workspace at the end.
final class S3ClientPool: Sendable {
  private let network: NetworkOptions
  let control: TaskControl
  private let access: S3Access
  private let stopsWithin: Bool
  private let politeness: Politeness
  private let retries = Mutex<[String]>([])
  private let figures = Mutex<[String: Double]>([:])

  init(
    _ network: NetworkOptions, _ access: S3Access, _ politeness: Politeness, _ control: TaskControl,
    stopsWithin: Bool = false
  ) {
    self.network = network
    self.access = access
    self.stopsWithin = stopsWithin
    self.politeness = politeness
    self.control = control
  }

  func client() throws(NetError) -> S3Client {
    let http = try network.client(politeness, control, stopsWithin: stopsWithin) { [self] message in
      retries.withLock { $0.append(message) }
    }
    return S3Client(http, access)
  }

  func each(_ count: Int, atOnce: Int, _ body: @escaping @Sendable (Int, S3Client) throws -> Void) throws {
    try inParallel(count, atOnce: atOnce, lane: { try self.client() }) { item, client in
      try self.checkStop()
      try body(item, client)
    }
  }

  /// Stops at the first Ctrl-C too: finished work is kept.
  func checkStop() throws { try control.checkStop() }

  func count(_ name: String, _ value: Int = 1) { figures.withLock { $0[name, default: 0] += Double(value) } }

  /// Reports the threads' warnings and counts to the workspace. Call on the task's thread.
  func settle(_ workspace: Workspace) {
    for message in retries.withLock({ $0 }) { workspace.warn("asked-again", message) }
    for (name, value) in figures.withLock({ $0 }) { workspace.metric(name, value) }
  }
}

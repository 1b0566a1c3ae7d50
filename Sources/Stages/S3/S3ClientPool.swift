import NetKit
import PipelineKit
import ShardKit
import Synchronization

/// A task's connections to a service: each thread has a client of its own, and what they say is told the workspace in
/// the end by the task's own thread.
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

  /// At a first Ctrl-C too: what is done is kept.
  func checkStop() throws { try control.checkStop() }

  func count(_ name: String, _ value: Int = 1) { figures.withLock { $0[name, default: 0] += Double(value) } }

  /// Tells the workspace what the threads met. On the task's own thread.
  func settle(_ workspace: Workspace) {
    for message in retries.withLock({ $0 }) { workspace.warn("asked-again", message) }
    for (name, value) in figures.withLock({ $0 }) { workspace.metric(name, value) }
  }
}

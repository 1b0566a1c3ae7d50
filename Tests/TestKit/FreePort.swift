import Glibc
import ShardKit
import Synchronization

private let given = Mutex<Set<Int>>([])

/// A random port of this machine that nobody listens on, below the range from which the system takes ports for
/// connections, so that it is still free when a server starts to listen on it.
public func freePort() throws -> Int {
  for _ in 0..<1000 {
    let port = Int.random(in: 10_000..<32_000)
    // Another test may not listen on its port yet.
    guard given.withLock({ $0.insert(port).inserted }) else { continue }
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { close(listener) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    let isBound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    if isBound { return port }
  }
  throw ShardError(.io, "127.0.0.1", "has no free port")
}

import Glibc
import PipelineKit
import ShardKit
import Synchronization

/// A port from which Prometheus scrapes. One thread serves all clients, none of which can hold up another or the run.
///
/// A client has `Limits.seconds` in all. When there are too many, the oldest one is disconnected.
final class MetricsServer: Sendable {
  struct Limits: Sendable {
    var clients = 32
    var seconds = 10.0
    /// Of a request's first line and headers.
    var requestBytes = 8192
    /// The same text is served for so long.
    var renewSeconds = 0.5
  }

  /// As other programs reach it: `http://127.0.0.1:9464/metrics`.
  let url: String
  let port: Int
  private let isClosing = Atomic<Bool>(false)
  private let thread = Mutex<BackgroundThread?>(nil)

  /// Opens the port.
  /// - Parameters:
  ///   - address: an IPv4 or IPv6 address of this machine.
  ///   - port: 0: any that is free.
  ///   - text: the metrics; called on the server's thread.
  /// - Throws: `RunError` (`.environment`, `.selection`) if the port is in use or the address is not of this machine.
  init(address: String, port: Int, limits: Limits = Limits(), text: @escaping @Sendable () -> String) throws {
    let listener = try Self.listener(address, port)
    self.port = Self.port(of: listener)
    url = "http://\(address.contains(":") ? "[\(address)]" : address):\(self.port)/metrics"
    let started = BackgroundThread { [self] in
      var loop = MetricsConnections(listener: listener, limits: limits, text: text)
      while !isClosing.load(ordering: .relaxed) { loop.turn(milliseconds: 100) }
      loop.close()
    }
    guard let started else {
      Glibc.close(listener)
      throw RunError(.environment, "no thread can be started for --metrics-port")
    }
    thread.withLock { $0 = started }
  }

  /// Closes the port and all connections.
  func close() {
    isClosing.store(true, ordering: .relaxed)
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
  }

  private static func listener(_ address: String, _ port: Int) throws -> Int32 {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address, "\(port)", &hints, &found) == 0, let place = found else {
      throw RunError(
        .selection, "--metrics-address: '\(address)' is not an IP address",
        hint: "Give one of this machine's, such as 127.0.0.1, 0.0.0.0 (all of IPv4) or :: (all).")
    }
    defer { freeaddrinfo(place) }
    let listener = socket(
      place.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard listener >= 0 else { throw FileSystem.error("--metrics-port", "cannot be opened") }
    var isOn: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &isOn, socklen_t(MemoryLayout<Int32>.size))
    guard bind(listener, place.pointee.ai_addr, place.pointee.ai_addrlen) == 0, listen(listener, 64) == 0 else {
      let reason = errno
      Glibc.close(listener)
      throw refusal(address, port, reason)
    }
    return listener
  }

  private static func refusal(_ address: String, _ port: Int, _ reason: Int32) -> RunError {
    let place = "--metrics-port: port \(port) of \(address)"
    switch reason {
    case EADDRINUSE:
      return RunError(
        .environment, "\(place) is in use by another program, perhaps by another run",
        hint: "Choose another port, or 0 for any that is free. Nothing was run.")
    case EADDRNOTAVAIL:
      return RunError(
        .environment, "\(place) cannot be opened: the address is not of this machine",
        hint: "Give one of its own with --metrics-address (`ip address` lists them). Nothing was run.")
    default:
      return RunError(
        .environment, "\(place) cannot be opened: \(String(cString: strerror(reason)))",
        hint: "Ports below 1024 need permissions; choose a higher one. Nothing was run.")
    }
  }

  private static func port(of listener: Int32) -> Int {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(listener, $0, &length) }
      // The port is at the same place in both families.
      return pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
        Int(UInt16(bigEndian: $0.pointee.sin_port))
      }
    }
  }
}

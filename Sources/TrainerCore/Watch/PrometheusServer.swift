import Glibc
import ShardKit
import Synchronization

/// Answers `GET /metrics` on this machine's own address, 127.0.0.1, one request at a time.
///
/// A request may have 8 KiB and take two seconds; everything beyond is cut off, so that no client holds memory or the
/// thread.
public final class PrometheusServer: Sendable {
  /// The port listened on.
  public let port: UInt16
  private let listening: Listening
  private let thread: BackgroundThread

  /// - Parameter port: 0 takes a free one.
  public init(port: UInt16) throws(ShardError) {
    let listening = try Listening(port: port)
    self.listening = listening
    self.port = listening.port
    guard let thread = BackgroundThread({ listening.serve() }) else {
      throw ShardError(.io, "127.0.0.1:\(port)", "no thread can be started to serve metrics")
    }
    self.thread = thread
  }

  deinit {
    listening.stop()
    thread.join()
  }

  /// What is served from now on.
  public func update(_ text: String) { listening.content.withLock { $0 = Array(text.utf8) } }
}

private final class Listening: Sendable {
  let content = Mutex<[UInt8]>([])
  let port: UInt16
  private let socket: Int32
  /// The reading end is readable when the server should end.
  private let ending: (read: Int32, write: Int32)
  private static let maximumRequestBytes = 8 << 10
  private static let maximumSeconds = 2.0

  init(port: UInt16) throws(ShardError) {
    let subject = "127.0.0.1:\(port)"
    let flags = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    let socket = Glibc.socket(AF_INET, Int32(flags), 0)
    self.socket = socket
    guard socket >= 0 else { throw FileSystem.error(subject, "metrics cannot be served") }
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      close(socket)
      throw FileSystem.error(subject, "metrics cannot be served")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    ending = (ends[0], ends[1])
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(socket, address, length) == 0 && listen(socket, 16) == 0 && getsockname(socket, address, &length) == 0
      }
    }
    self.port = UInt16(bigEndian: address.sin_port)
    guard isBound else {
      let reason = String(cString: strerror(errno))
      throw ShardError(.io, subject, "metrics cannot be served there: \(reason)", hint: "Name another port.")
    }
  }

  deinit {
    for descriptor in [socket, ending.read, ending.write] { close(descriptor) }
  }

  func stop() {
    var byte: UInt8 = 1
    _ = write(ending.write, &byte, 1)
  }

  func serve() {
    while true {
      var waiting = [
        pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
        pollfd(fd: ending.read, events: Int16(POLLIN), revents: 0),
      ]
      guard poll(&waiting, 2, -1) > 0 else { continue }
      if waiting[1].revents != 0 { return }
      let client = accept(socket, nil, nil)
      guard client >= 0 else { continue }
      _ = fcntl(client, F_SETFD, FD_CLOEXEC)
      answer(client)
      close(client)
    }
  }

  private func answer(_ client: Int32) {
    let deadline = monotonicSeconds() + Self.maximumSeconds
    guard let request = head(client, until: deadline) else { return }
    let words = request.prefix { $0 != 13 && $0 != 10 }.split(separator: 32, omittingEmptySubsequences: false)
    let isGet = words.first?.elementsEqual("GET".utf8) ?? false
    let path = words.count > 1 ? words[1].prefix { $0 != UInt8(ascii: "?") } : []
    if !isGet {
      send(client, status: "405 Method Not Allowed", body: Array("Only GET.\n".utf8), until: deadline)
    } else if !path.elementsEqual("/metrics".utf8) {
      send(client, status: "404 Not Found", body: Array("Metrics are at /metrics.\n".utf8), until: deadline)
    } else {
      send(client, status: "200 OK", body: content.withLock { $0 }, until: deadline)
    }
  }

  /// Up to the empty line; nil for a client that is slow, gone or wordy.
  private func head(_ client: Int32, until deadline: Double) -> [UInt8]? {
    var request: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 2048)
    while request.count <= Self.maximumRequestBytes {
      guard isReady(client, POLLIN, until: deadline) else { return nil }
      let count = recv(client, &block, block.count, Int32(MSG_DONTWAIT))
      guard count > 0 else { return nil }
      request += block[..<count]
      if request.suffix(count + 3).contains(sequence: [13, 10, 13, 10]) { return request }
    }
    return nil
  }

  private func send(_ client: Int32, status: String, body: [UInt8], until deadline: Double) {
    let head =
      "HTTP/1.1 \(status)\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
      + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
    let bytes = Array(head.utf8) + body
    var done = 0
    while done < bytes.count, isReady(client, POLLOUT, until: deadline) {
      let count = bytes.withUnsafeBytes {
        Glibc.send(client, $0.baseAddress! + done, bytes.count - done, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      guard count > 0 else { return }
      done += count
    }
    shutdown(client, Int32(SHUT_WR))
  }

  private func isReady(_ client: Int32, _ event: Int32, until deadline: Double) -> Bool {
    let milliseconds = Int32(max(0, (deadline - monotonicSeconds()) * 1000))
    var waiting = pollfd(fd: client, events: Int16(event), revents: 0)
    return poll(&waiting, 1, milliseconds) > 0
  }
}

extension ArraySlice<UInt8> {
  fileprivate func contains(sequence: [UInt8]) -> Bool {
    guard count >= sequence.count else { return false }
    return (startIndex...(endIndex - sequence.count)).contains { self[$0...].starts(with: sequence) }
  }
}

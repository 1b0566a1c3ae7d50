import Glibc
import ShardKit

/// The clients of a `MetricsServer`: each sends one request, gets one response, and is disconnected.
struct MetricsConnections {
  private struct Client {
    var socket: Int32
    var deadline: Int
    var request: [UInt8] = []
    var response: [UInt8] = []
    var sent = 0
    var isAnswering: Bool { !response.isEmpty }
  }

  private let listener: Int32
  private let limits: MetricsServer.Limits
  private let text: () -> String
  private var clients: [Client] = []
  private var cached = (text: "", until: 0)

  init(listener: Int32, limits: MetricsServer.Limits, text: @escaping () -> String) {
    self.listener = listener
    self.limits = limits
    self.text = text
  }

  /// Does what can be done without waiting for any one client; waits for so long at most if there is nothing.
  mutating func turn(milliseconds: Int32) {
    var polls = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
    for client in clients {
      polls.append(pollfd(fd: client.socket, events: Int16(client.isAnswering ? POLLOUT : POLLIN), revents: 0))
    }
    if poll(&polls, nfds_t(polls.count), milliseconds) > 0 {
      for place in clients.indices where polls[place + 1].revents != 0 { serve(place) }
      if polls[0].revents != 0 { accept() }
    }
    let now = monotonicNanoseconds()
    for place in clients.indices where clients[place].deadline < now { disconnect(place) }
    clients.removeAll { $0.socket < 0 }
  }

  mutating func close() {
    for place in clients.indices { disconnect(place) }
    Glibc.close(listener)
  }

  private mutating func disconnect(_ place: Int) {
    guard clients[place].socket >= 0 else { return }
    Glibc.close(clients[place].socket)
    clients[place].socket = -1
  }

  private mutating func accept() {
    for _ in 0..<limits.clients {
      let socket = Glibc.accept(listener, nil, nil)
      guard socket >= 0 else { return }
      _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
      _ = fcntl(socket, F_SETFL, O_NONBLOCK)
      let open = clients.indices.filter { clients[$0].socket >= 0 }
      if open.count >= limits.clients, let oldest = open.min(by: { clients[$0].deadline < clients[$1].deadline }) {
        disconnect(oldest)
      }
      clients.append(Client(socket: socket, deadline: monotonicNanoseconds() + Int(limits.seconds * 1e9)))
    }
  }

  private mutating func serve(_ place: Int) {
    if !clients[place].isAnswering { read(place) }
    if clients[place].isAnswering { write(place) }
  }

  private mutating func read(_ place: Int) {
    let room = limits.requestBytes
    var count = 0
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room) { buffer in
      count = recv(clients[place].socket, buffer.baseAddress, room, 0)
      if count > 0 { clients[place].request.append(contentsOf: buffer[..<count]) }
    }
    if count < 0, errno == EAGAIN || errno == EINTR { return }
    guard count > 0 else { return disconnect(place) }
    let request = clients[place].request
    if Self.isComplete(request) {
      clients[place].response = response(to: request)
    } else if request.count > room {
      clients[place].response = Self.response("431 Request Header Fields Too Large", "The request is too long.\n")
    }
  }

  private static func isComplete(_ request: [UInt8]) -> Bool {
    let ends: [[UInt8]] = [Array("\r\n\r\n".utf8), Array("\n\n".utf8)]
    return ends.contains { request.contains($0) }
  }

  private mutating func write(_ place: Int) {
    let client = clients[place]
    let count = client.response.withUnsafeBytes { bytes in
      send(client.socket, bytes.baseAddress! + client.sent, bytes.count - client.sent, Int32(MSG_NOSIGNAL))
    }
    if count < 0 {
      if errno != EAGAIN && errno != EINTR { disconnect(place) }
      return
    }
    clients[place].sent += count
    if clients[place].sent == client.response.count { disconnect(place) }
  }

  // MARK: Responses

  private mutating func response(to request: [UInt8]) -> [UInt8] {
    let line = String(decoding: request.prefix { $0 != 13 && $0 != 10 }, as: UTF8.self)
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else {
      return Self.response("400 Bad Request", "This is not a request of HTTP/1.\n")
    }
    guard words[0] == "GET" || words[0] == "HEAD" else {
      return Self.response(
        "405 Method Not Allowed", "Only GET and HEAD are answered.\n", headers: "Allow: GET, HEAD\r\n")
    }
    let isHead = words[0] == "HEAD"
    switch words[1].prefix(while: { $0 != "?" }) {
    case "/metrics": return Self.response("200 OK", current(), type: MetricFamily.contentType, isHead: isHead)
    case "/": return Self.response("200 OK", "The metrics of this run are at /metrics.\n", isHead: isHead)
    default: return Self.response("404 Not Found", "The metrics of this run are at /metrics.\n", isHead: isHead)
    }
  }

  /// Many requests cost no more than few.
  private mutating func current() -> String {
    let now = monotonicNanoseconds()
    if cached.until <= now { cached = (text(), now + Int(limits.renewSeconds * 1e9)) }
    return cached.text
  }

  private static func response(
    _ status: String, _ body: String, type: String = "text/plain; charset=utf-8", headers: String = "",
    isHead: Bool = false
  ) -> [UInt8] {
    let head = """
      HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r
      X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\(headers)\r\n
      """
    return Array((head + (isHead ? "" : body)).utf8)
  }
}

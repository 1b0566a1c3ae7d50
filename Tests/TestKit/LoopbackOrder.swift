import ShardKit

/// Sends a command to a local test server, using its control paths below `/-/`.
struct LoopbackOrder {
  let port: Int
  /// For messages.
  let server: String

  /// POST if there is a body.
  func tell(_ name: String, _ order: JSONValue?) throws -> JSONValue {
    let body = order?.text() ?? ""
    let head = "\(order == nil ? "GET" : "POST") /-/\(name) HTTP/1.1\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
    let answer = try Loopback(port: port, server: server).exchange(head + body)
    guard !answer.status.isEmpty else { throw ShardError(.io, server, "does not respond to \(name)") }
    return try JSONValue.parse(answer.body).value
  }
}

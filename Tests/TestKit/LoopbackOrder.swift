import Glibc
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
    let answer = try exchange(Array((head + body).utf8))
    guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8)) else {
      throw ShardError(.io, server, "does not respond to \(name)")
    }
    return try JSONValue.parse(Array(answer[end.upperBound...])).value
  }

  private func exchange(_ question: [UInt8]) throws -> [UInt8] {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    guard result == 0 else { throw FileSystem.error(server, "cannot be reached") }
    var sent = 0
    while sent < question.count {
      let count = question[sent...].withUnsafeBytes {
        send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw FileSystem.error(server, "cannot receive the command") }
      sent += count
    }
    var out: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(descriptor, &block, block.count, 0)
      guard count > 0 else { return out }
      out += block[..<count]
    }
  }
}

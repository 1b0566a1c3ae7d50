import Glibc
import ShardKit

/// Plain HTTP with a server on this machine, one connection per request.
public struct Loopback: Sendable {
  public struct Answer: Sendable {
    /// The first line: `HTTP/1.1 200 OK`; empty if there was no answer.
    public var status = ""
    /// Names in lower case.
    public var headers: [String: String] = [:]
    public var body: [UInt8] = []
    public var text: String { String(decoding: body, as: UTF8.self) }
  }

  public let port: Int
  /// For messages.
  let server: String

  public init(port: Int, server: String = "the server") {
    self.port = port
    self.server = server
  }

  public func get(_ path: String) throws -> Answer {
    try exchange("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
  }

  /// Sends a text and reads until the server ends the connection.
  public func exchange(_ question: String) throws -> Answer { Self.answer(try bytes(question)) }

  /// The same for a server that does not speak HTTP.
  func bytes(_ question: String) throws -> [UInt8] {
    let descriptor = try connected()
    defer { close(descriptor) }
    try Self.send(Array(question.utf8), to: descriptor, server)
    var out: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(descriptor, &block, block.count, 0)
      guard count > 0 else { return out }
      out += block[..<count]
    }
  }

  /// An open connection; the caller closes it.
  public func connected() throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    guard result == 0 else {
      let error = FileSystem.error(server, "cannot be reached")
      close(descriptor)
      throw error
    }
    return descriptor
  }

  public static func send(_ bytes: [UInt8], to descriptor: Int32, _ server: String = "the server") throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { throw FileSystem.error(server, "cannot receive the command") }
      sent += count
    }
  }

  private static func answer(_ bytes: [UInt8]) -> Answer {
    guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return Answer() }
    let lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
    var answer = Answer()
    answer.status = String(lines.first ?? "")
    for line in lines.dropFirst() {
      let words = line.split(separator: ":", maxSplits: 1)
      if words.count == 2 { answer.headers[words[0].lowercased()] = String(words[1].drop { $0 == " " }) }
    }
    let rest = bytes[end.upperBound...]
    answer.body = answer.headers["transfer-encoding"] == "chunked" ? whole(rest) : Array(rest)
    return answer
  }

  /// The chunks of a long answer, joined.
  private static func whole(_ chunks: ArraySlice<UInt8>) -> [UInt8] {
    var rest = chunks, whole: [UInt8] = []
    while let end = rest.firstIndex(of: 13), let count = Int(String(decoding: rest[..<end], as: UTF8.self), radix: 16),
      count > 0, end + 2 + count + 2 <= rest.endIndex
    {
      whole += rest[(end + 2)..<(end + 2 + count)]
      rest = rest[(end + 2 + count + 2)...]
    }
    return whole
  }
}

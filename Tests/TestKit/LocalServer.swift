import Glibc
import ShardKit

/// `Tests/Peers/misbehaving-server` as a child: an HTTP server on this machine that does what the test says.
public final class LocalServer {
  /// A question that the server was asked.
  public struct Question: Sendable {
    public var method: String
    public var path: String
    public var headers: JSONValue
    /// Seconds since 1970.
    public var at: Double
    public var ended: Double?
    /// SHA-256 of its body.
    public var bodyDigest: String
    public var bytes: Int
    public var connection: Int
    public var status: Int?
  }

  /// `http://127.0.0.1:PORT`
  public let origin: String
  /// The same over TLS, with a certificate that it signed itself.
  public let secureOrigin: String
  /// That certificate.
  public let certificates: String
  private let child: ChildProcess
  private let folder: String
  private let port: Int

  /// Whether the server can run here.
  public static let isUsable = PeerScript("misbehaving-server").canStart

  public init(tls: Bool = false) throws {
    folder = temporaryDirectory()
    certificates = folder + "/certificate.pem"
    child = try ChildProcess(
      [packagePath("Tests/Peers/misbehaving-server")] + (tls ? ["--tls", folder] : []),
      program: PeerScript.interpreter)
    var ports = JSONValue.null
    for _ in 0..<1000 {
      let line = try child.outputSoFar()
      if line.hasSuffix("\n") { ports = try JSONValue.parse(Array(line.utf8)).value }
      if ports != .null { break }
      usleep(10_000)
    }
    guard let port = ports["http"]?.integer else {
      throw ShardError(.io, "misbehaving-server", "does not start: \(try child.wait().errors)")
    }
    self.port = port
    origin = "http://127.0.0.1:\(port)"
    secureOrigin = "https://127.0.0.1:\(ports["https"]?.integer ?? 0)"
  }

  deinit {
    child.signal(SIGKILL)
    _ = try? child.wait()
    try? FileSystem.removeTree(folder)
  }

  /// Says what it answers for a path: a step a request, the last one from then on.
  public func script(_ path: String, _ steps: JSONValue...) throws {
    try control("script", ["path": .string(path), "steps": .list(steps)])
  }

  public func serve(folder: String) throws { try control("files", ["root": .string(folder)]) }

  public func questions() throws -> [Question] {
    (try control("log").array ?? []).map { entry in
      Question(
        method: entry["method"]?.string ?? "", path: entry["path"]?.string ?? "", headers: entry["headers"] ?? .null,
        at: entry["at"]?.double ?? 0, ended: entry["ended"]?.double, bodyDigest: entry["body"]?.string ?? "",
        bytes: entry["bytes"]?.integer ?? 0, connection: entry["connection"]?.integer ?? 0,
        status: entry["status"]?.integer)
    }
  }

  /// How many questions it was asked.
  public func count() throws -> Int { try control("count")["count"]?.integer ?? 0 }

  public func forget() throws { try control("forget", [:]) }

  /// A question to the server's own paths; POST where there is a body.
  @discardableResult
  public func control(_ name: String, _ order: JSONValue? = nil) throws -> JSONValue {
    try controlLocalServer("misbehaving-server", port: port, name, order)
  }
}

/// A question to a peer's own paths below `/-/`; POST where there is a body.
func controlLocalServer(_ server: String, port: Int, _ name: String, _ order: JSONValue?) throws -> JSONValue {
  let body = order?.text() ?? ""
  let head = "\(order == nil ? "GET" : "POST") /-/\(name) HTTP/1.1\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
  let answer = try exchange(Array((head + body).utf8), server, port: port)
  guard let end = answer.firstRange(of: Array("\r\n\r\n".utf8)) else {
    throw ShardError(.io, server, "gives no answer to \(name)")
  }
  return try JSONValue.parse(Array(answer[end.upperBound...])).value
}

private func exchange(_ question: [UInt8], _ server: String, port: Int) throws -> [UInt8] {
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
    guard count > 0 else { throw FileSystem.error(server, "cannot be told") }
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

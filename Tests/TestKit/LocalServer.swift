import Glibc
public import ShardKit

/// `Tests/Peers/misbehaving-server` as a child process: a local HTTP server that behaves as the test says.
public final class LocalServer: HoldingServer {
  /// A request that the server received.
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
  /// The same over TLS, with a self-signed certificate.
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
    let ports = try child.greeting(of: "misbehaving-server")
    let port = ports["http"]?.integer ?? 0
    self.port = port
    origin = "http://127.0.0.1:\(port)"
    secureOrigin = "https://127.0.0.1:\(ports["https"]?.integer ?? 0)"
  }

  deinit {
    child.signal(SIGKILL)
    _ = try? child.wait()
    try? FileSystem.removeTree(folder)
  }

  /// Sets the responses for a path: one step per request; the last one repeats.
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

  /// The number of requests that it received.
  public func count() throws -> Int { try control("count")["count"]?.integer ?? 0 }

  public func forget() throws { try control("forget", [:]) }

  /// A request to the server's control paths; POST if there is a body.
  @discardableResult
  public func control(_ name: String, _ order: JSONValue? = nil) throws -> JSONValue {
    try LoopbackOrder(port: port, server: "misbehaving-server").tell(name, order)
  }
}

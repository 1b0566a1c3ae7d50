import Glibc
public import ShardKit

/// `Tests/Peers/object-store` as a child process: a local S3 by moto that counts requests; botocore checks signatures.
public final class ObjectStore: HoldingServer {
  /// A request that it received.
  public struct Request: Sendable {
    public var method: String
    /// Percent-encoded, with the bucket.
    public var path: String
    public var query: String
    public var headers: JSONValue
    public var bytes: Int
    public var sent: Int
    public var status: Int?
  }

  /// Keys that the service accepts.
  public static let accessKey = "AKIDTEST"
  public static let secretKey = "s3cr3t/Key+EXAMPLE"
  /// Keys of a role.
  public static let roleAccessKey = "ASIATEST"
  public static let roleSecretKey = "r0le/Secret+EXAMPLE"
  public static let roleToken = "t0ken/of+the=role=="

  /// `http://127.0.0.1:PORT`
  public let origin: String
  private let child: ChildProcess
  private let order: LoopbackOrder

  /// Whether the service can run here.
  public static let isUsable = PeerScript("s3_objects.py").isUsable

  /// - Parameter bucket: created at once.
  public init(bucket: String = "corpus") throws {
    child = try ChildProcess([packagePath("Tests/Peers/object-store")], program: PeerScript.interpreter)
    let port = try child.greeting(of: "object-store")["http"]?.integer ?? 0
    order = LoopbackOrder(port: port, server: "object-store")
    origin = "http://127.0.0.1:\(port)"
    try control("bucket", ["name": .string(bucket)])
  }

  deinit {
    child.signal(SIGKILL)
    _ = try? child.wait()
  }

  @discardableResult
  public func control(_ name: String, _ order: JSONValue? = nil) throws -> JSONValue {
    try self.order.tell(name, order)
  }

  /// Sets the responses to the next requests whose method and target contain `match`: one step per request.
  public func fault(_ match: String, _ steps: JSONValue...) throws {
    try control("faults", ["match": .string(match), "steps": .list(steps)])
  }

  public func requests() throws -> [Request] {
    (try control("log").array ?? []).map { entry in
      Request(
        method: entry["method"]?.string ?? "", path: entry["path"]?.string ?? "", query: entry["query"]?.string ?? "",
        headers: entry["headers"] ?? .null, bytes: entry["bytes"]?.integer ?? 0, sent: entry["sent"]?.integer ?? 0,
        status: entry["status"]?.integer)
    }
  }

  public func count() throws -> Int { try control("count")["count"]?.integer ?? 0 }
  public func forget() throws { try control("forget", [:]) }

  /// Parts and complete objects whose content the service accepted.
  public func sent() throws -> [Request] { try requests().filter { $0.method == "PUT" && $0.status == 200 } }
}

extension PeerScript {
  /// Runs boto3 against this service.
  public static let objects = PeerScript("s3_objects.py")
}

import Glibc
public import ShardKit

/// `Tests/Peers/hub-server` as a child process: a local Hugging Face Hub, with its storage on a separate origin.
public final class HubServer: HoldingServer {
  public struct Question: Sendable {
    /// `PUT /parts/…`, without the query.
    public var line: String
    public var isStorage: Bool
    public var headers: JSONValue
    public var bytes: Int
    public var status: Int?
  }

  public let origin: String
  public let storage: String
  private let port: Int
  private let child: ChildProcess

  public static let isUsable = PeerScript("hub-server").canStart

  public init() throws {
    child = try ChildProcess([packagePath("Tests/Peers/hub-server")], program: PeerScript.interpreter)
    let ports = try child.greeting(of: "hub-server")
    let hub = ports["hub"]?.integer ?? 0, storage = ports["storage"]?.integer ?? 0
    port = hub
    origin = "http://127.0.0.1:\(hub)"
    self.storage = "http://127.0.0.1:\(storage)"
  }

  deinit {
    child.signal(SIGKILL)
    _ = try? child.wait()
  }

  @discardableResult
  public func control(_ name: String, _ order: JSONValue? = nil) throws -> JSONValue {
    try LoopbackOrder(port: port, server: "hub-server").tell(name, order)
  }

  public func setRules(_ rules: JSONValue) throws { try control("rules", rules) }

  /// Sets the responses to the next matching requests; see the script.
  public func fault(_ match: String, _ more: (String, JSONValue)...) throws {
    try control("fault", .object([JSONMember("match", .string(match))] + more.map { JSONMember($0.0, $0.1) }))
  }

  /// Makes a commit by somebody else.
  @discardableResult
  public func move(
    _ name: String, kind: String = "dataset", branch: String = "main", _ files: [(String, String?)]
  ) throws -> String {
    let members = files.map { JSONMember($0.0, $0.1.map { .string($0) } ?? .null) }
    let answer = try control(
      "move",
      ["name": .string(name), "kind": .string(kind), "branch": .string(branch), "files": .object(members)])
    return answer["commit"]?.string ?? ""
  }

  /// The files of a branch: path to SHA-256 of a large file, or to git's hash of another.
  public func tree(_ name: String, kind: String = "dataset", revision: String = "main") throws -> [String: String] {
    let tree = try control(
      "tree", ["name": .string(name), "kind": .string(kind), "revision": .string(revision)])
    return Dictionary(
      uniqueKeysWithValues: (tree.members ?? []).map {
        ($0.key, $0.value["lfs"]?["oid"]?.string ?? $0.value["oid"]?.string ?? "")
      })
  }

  public func questions() throws -> [Question] {
    (try control("log").array ?? []).map { entry in
      let path = (entry["path"]?.string ?? "").prefix { $0 != "?" }
      return Question(
        line: "\(entry["method"]?.string ?? "") \(path)", isStorage: entry["storage"]?.bool ?? false,
        headers: entry["headers"] ?? .null, bytes: entry["bytes"]?.integer ?? 0, status: entry["status"]?.integer)
    }
  }

  /// A counter: parts, basic, commits, storageAuthorizations, storedBytes, objects, uploads.
  public func seen(_ name: String) throws -> Int { try control("seen")[name]?.integer ?? -1 }
}

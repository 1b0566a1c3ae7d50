import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// A bucket on this machine, and stages that ask it.
final class TransferWorkbench {
  let store: ObjectStore
  let folder = temporaryDirectory()

  /// Options hold no keys, so the environment of this process does, set once for all tests.
  private static let hasKeys: Bool = {
    TestEnvironment.set([
      "AWS_ACCESS_KEY_ID": ObjectStore.accessKey, "AWS_SECRET_ACCESS_KEY": ObjectStore.secretKey,
      "AWS_EC2_METADATA_DISABLED": "true",
    ])
    return true
  }()

  init() throws {
    store = try ObjectStore()
    #expect(Self.hasKeys)
  }

  deinit { try? FileSystem.removeTree(folder) }

  var network: [JSONMember] {
    [JSONMember("endpoint", .string(store.origin)), JSONMember("allowPrivateAddresses", true)]
  }

  func upload(_ artifacts: [(stage: String, files: [ArtifactFile])], _ options: JSONValue = [:]) throws -> StageHarness
  {
    let own = options.members!
    let to = own.contains { $0.key == "to" } ? [] : [JSONMember("to", "s3://corpus/set")]
    let harness = try StageHarness(S3Upload.self, options: .object(own + to + network))
    for (stage, files) in artifacts { harness.add(files: files, to: "artifacts", from: stage) }
    return harness
  }

  func download(_ options: JSONValue) throws -> StageHarness {
    try StageHarness(S3Download.self, options: .object(options.members! + network))
  }

  func file(_ name: String, _ content: [UInt8]) throws -> ArtifactFile {
    try artifactFile(name, content, in: folder)
  }

  /// What boto3 finds, by key.
  func objects() throws -> [String: JSONValue] {
    var out: [String: JSONValue] = [:]
    for line in (PeerScript.objects.run(store.origin, "list", "corpus") ?? []).split(separator: 10) {
      let json = try JSONValue.parse(Array(line)).value
      out[json["key"]?.string ?? ""] = json
    }
    return out
  }

  func sentence(_ body: () throws -> Void) -> String {
    do { try body() } catch { return "\(error)".replacing(store.origin, with: "http://store") }
    return "no error"
  }
}

/// A file below a folder, as an upstream task would leave it.
func artifactFile(_ name: String, _ content: [UInt8], in folder: String) throws -> ArtifactFile {
  let path = "\(folder)/\(Digester.digest(content).short)/\(name)"
  try FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
  try FileSystem.write(content, to: path)
  return ArtifactFile(path: path, name: name, bytes: Int64(content.count), digest: Digester.digest(content))
}

/// Bytes that no two parts have alike.
func patterned(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed
  var out = [UInt8](repeating: 0, count: count)
  out.withUnsafeMutableBytes { bytes in
    for i in stride(from: 0, to: count - 7, by: 8) {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      bytes.storeBytes(of: state, toByteOffset: i, as: UInt64.self)
    }
  }
  return out
}

extension StageHarness {
  /// `uploaded.jsonl`: action by name.
  func actions() throws -> [String: String] {
    let file = try #require(files("report").first)
    var out: [String: String] = [:]
    for line in try FileSystem.read(file.path).split(separator: 10) {
      let json = try JSONValue.parse(Array(line)).value
      out[json["name"]?.string ?? ""] = json["action"]?.string
    }
    return out
  }
}

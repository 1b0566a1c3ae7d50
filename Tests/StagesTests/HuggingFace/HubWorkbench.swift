import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit

/// A Hub of its own, a folder of files, and the variable that holds the token.
final class HubWorkbench {
  let server: HubServer
  let folder = temporaryDirectory()
  private(set) var artifacts: [(stage: String, files: [ArtifactFile])] = []

  static let tokenVariable = "PIPELINE_TEST_HUB_WRITER"
  static let readerVariable = "PIPELINE_TEST_HUB_READER"
  private static let environment: Void = {
    TestEnvironment.set([
      tokenVariable: "hf_writer", readerVariable: "hf_reader", "PIPELINE_TEST_HUB_STALE": "hf_stale",
      "PIPELINE_TEST_HUB_OUTSIDER": "hf_outsider",
    ])
  }()

  init(rules: JSONValue = ["lfsOver": 4096, "multipartOver": 16384, "chunk": 8192]) throws {
    _ = Self.environment
    server = try HubServer()
    try server.setRules(rules)
  }

  deinit { try? FileSystem.removeTree(folder) }

  /// Bytes that look like nothing else, the same for the same seed.
  static func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 40)
    }
  }

  /// An artifact of a stage.
  @discardableResult
  func add(_ stage: String, _ files: [(String, [UInt8])]) throws -> HubWorkbench {
    var list: [ArtifactFile] = []
    for (name, bytes) in files {
      let path = "\(folder)/\(stage)/\(name)"
      try FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
      try FileSystem.write(bytes, to: path)
      list.append(
        ArtifactFile(path: path, name: name, bytes: Int64(bytes.count), digest: Digester.digest(bytes)))
    }
    artifacts.append((stage, list))
    return self
  }

  func clear() { artifacts = [] }

  func options(_ more: [(String, JSONValue)] = []) -> JSONValue {
    var members = [
      JSONMember("repository", "me/set"), JSONMember("kind", "dataset"), JSONMember("card", false),
      JSONMember("endpoint", .string(server.origin)), JSONMember("tokenVariable", .string(Self.tokenVariable)),
      JSONMember("allowPrivateAddresses", true), JSONMember("attempts", 3),
    ]
    for (name, value) in more {
      members.removeAll { $0.key == name }
      members.append(JSONMember(name, value))
    }
    return .object(members)
  }

  func downloadOptions(_ more: [(String, JSONValue)] = []) -> JSONValue {
    let reader =
      more.contains { $0.0 == "tokenVariable" } ? [] : [("tokenVariable", JSONValue.string(Self.readerVariable))]
    return .object(options(more + reader).members!.filter { $0.key != "card" })
  }

  @discardableResult
  func upload(_ more: (String, JSONValue)...) throws -> StageHarness {
    let harness = try StageHarness(HuggingFaceUpload.self, options: options(more))
    for artifact in artifacts { harness.add(files: artifact.files, to: "artifacts", from: artifact.stage) }
    return try harness.run()
  }

  /// The error's sentence, with the server's addresses replaced.
  func sentence(_ body: () throws -> Void) -> String {
    do { try body() } catch {
      return "\(error)".replacing(server.origin, with: "HUB").replacing(server.storage, with: "STORAGE")
    }
    return "no error"
  }
}

extension StageHarness {
  func json(_ port: String, _ name: String) throws -> JSONValue {
    guard let file = files(port).first(where: { $0.name == name }) else { return .null }
    return try JSONValue.parse(FileSystem.read(file.path)).value
  }

  /// `path change mode` of each line of `files.jsonl`.
  func listed() throws -> [String] {
    guard let file = files("report").first(where: { $0.name == "files.jsonl" }) else { return [] }
    return try FileSystem.read(file.path).split(separator: 10).map { line in
      let entry = try JSONValue.parse(Array(line)).value
      return ["path", "change", "mode"].compactMap { entry[$0]?.string }.joined(separator: " ")
    }
  }
}

import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// Documents on their way to a Hub, in a process that is killed.
@Suite(.serialized, .needs(HubServer.isUsable, "needs Python")) struct HubKillTests {
  private static let token = "hf_writer"
  private let server: HubServer
  private let folder = temporaryDirectory()

  init() throws {
    server = try HubServer()
    try server.setRules(["multipartOver": 100_000, "chunk": 262_144])
    var lines: [UInt8] = []
    var state: UInt64 = 1
    for i in 0..<4000 {
      lines += Array("{\"id\": \"\(i)\", \"source\": \"noise\", \"text\": \"".utf8)
      for _ in 0..<200 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        lines += Array(String(state, radix: 36).utf8)
      }
      lines += Array("\"}\n".utf8)
    }
    try FileSystem.write(lines, to: folder + "/texts.jsonl")
    let options: JSONValue = [
      "repository": "me/corpus", "kind": "dataset", "endpoint": .string(server.origin), "allowPrivateAddresses": true,
      "tokenVariable": "PIPELINE_TEST_HUB", "bytesPerSecond": "${rate}",
    ]
    let document: JSONValue = [
      "format": 1, "name": "upload", "parameters": ["rate": "3MB"],
      "stages": [
        "read": ["use": "documents.read", "options": ["files": "texts.jsonl"]],
        "upload": ["use": "huggingface.upload", "inputs": ["artifacts": "read"], "options": options],
      ],
    ]
    try FileSystem.write(Array(document.text().utf8), to: folder + "/p.json")
  }

  private func start(_ more: String...) throws -> ChildProcess {
    try ChildProcess(
      ["run", folder + "/p.json", "--store", folder + "/store"] + more, environment: ["PIPELINE_TEST_HUB": Self.token])
  }

  /// The files below a folder, hidden ones too, in which a text stands.
  private func holding(_ text: String, below folder: String) throws -> [String] {
    var found: [String] = []
    for name in try FileSystem.list(folder) {
      let path = folder + "/" + name
      if FileSystem.isDirectory(path) {
        found += try holding(text, below: path)
      } else if try FileSystem.read(path).firstRange(of: Array(text.utf8)) != nil {
        found.append(path)
      }
    }
    return found
  }

  @Test func aKilledUploadSendsEachPartOnceAndNoSecretStays() throws {
    defer { try? FileSystem.removeTree(folder) }
    var outputs = ""
    for _ in 0..<2 {
      // Of more than 25 parts. The one behind them never arrives.
      let share = Int.random(in: 1...12)
      try server.hold(after: share, of: "PUT /parts")
      let goal = try server.seen("parts") + Int.random(in: 1...share)
      let child = try start()
      try child.works(until: "part \(goal)") { try server.seen("parts") >= goal }
      usleep(UInt32.random(in: 0...100_000))
      child.signal(SIGKILL)
      let result = try child.wait()
      #expect(result.status == 128 + SIGKILL, "\(result.errors)")
      try server.forgetTheDead()
      outputs += result.output + result.errors
      #expect(try holding(Self.token, below: folder + "/store").isEmpty)
    }
    let last = try start().wait()
    #expect(last.status == 0, "\(last.errors)")
    outputs += last.output + last.errors

    let store = try RunStore(root: folder + "/store")
    let documents = try #require(try store.newestSealed(stage: "read")?.manifest)
    let file = try #require(store.artifacts.files(documents, port: "documents").first)
    let parts = Int((file.bytes + 262_143) / 262_144)
    #expect(parts > 25)
    // A part on its way when the process ends may arrive and be unknown to it.
    #expect(try (parts...parts + 2).contains(server.seen("parts")))
    #expect(try server.seen("commits") == 1)
    let tree = try server.tree("me/corpus")
    #expect(tree[file.name] == file.digest.hex && tree["README.md"] != nil)

    #expect(try holding(Self.token, below: folder + "/store").isEmpty)
    #expect(try holding("Amz-Signature", below: folder + "/store").isEmpty, "addresses go with their upload")
    #expect(!outputs.contains(Self.token))

    // A fresh stage asks nobody anything.
    try server.control("forget", [:])
    #expect(try start().wait().status == 0)
    #expect(try server.questions().isEmpty)
  }

  /// The first Ctrl-C: the part on its way is sent, the next run goes on behind it.
  @Test func anInterruptedUploadStopsBetweenParts() throws {
    defer { try? FileSystem.removeTree(folder) }
    try server.hold(after: 4, of: "PUT /parts")
    let child = try start("--json")
    try child.works(until: "the fifth part") { try server.held() == 1 }
    child.signal(SIGINT)
    try child.works(until: "the interruption") { try child.outputSoFar().contains(#""event":"interrupted""#) }
    try server.release()
    #expect(try child.wait().status == 130)
    #expect(try server.seen("parts") == 5)
    #expect(try start().wait().status == 0)
    let store = try RunStore(root: folder + "/store")
    let documents = try #require(try store.newestSealed(stage: "read")?.manifest)
    let file = try #require(store.artifacts.files(documents, port: "documents").first)
    #expect(try server.seen("parts") == Int((file.bytes + 262_143) / 262_144))
  }
}

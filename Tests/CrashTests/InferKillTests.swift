import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// A model that is asked about documents, while the process is killed at random moments.
@Suite(.serialized, .needs(LocalServer.isUsable, "needs Python with zstandard")) struct InferKillTests {
  @Test func noAnswerIsAskedForTwice() throws {
    let (documents, kills) = (240, 6)
    let server = try LocalServer()
    try server.control("chat", ["rules": .list([])])
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let lines = (0..<documents).map { #"{"id":"\#($0)","text":"text \#($0)"}"# + "\n" }
    for part in 0..<3 {
      let own = lines[part * documents / 3..<(part + 1) * documents / 3].joined()
      try FileSystem.write(Array(own.utf8), to: "\(folder)/\(part).jsonl")
    }
    let document: JSONValue = [
      "format": 1, "name": "ask",
      "stages": [
        "read": ["use": "documents.read", "options": ["files": "*.jsonl", "bytesPerTask": 1]],
        "ask": [
          "use": "infer.endpoint", "inputs": ["documents": "read"],
          "options": [
            "endpoint": .string(server.origin + "/v1"), "model": "test-model", "prompt": "{text}", "textFrom": "answer",
            "allowPrivateAddresses": true, "requestsAtOnce": 4, "budgetTokens": 10_000_000,
          ],
        ],
      ],
    ]
    try FileSystem.write(Array(document.text().utf8), to: folder + "/ask.json")
    func start() throws -> ChildProcess {
      try ChildProcess(["run", folder + "/ask.json", "--store", folder + "/store"])
    }
    for _ in 0..<kills {
      let share = Int.random(in: 1...documents / kills)
      try server.hold(after: share, inside: Bool.random())
      let goal = try server.count() + (Bool.random() ? share + 1 : Int.random(in: 1...share))
      let child = try start()
      try child.works(until: "request \(goal)") { try server.count() >= goal }
      child.signal(SIGKILL)
      #expect(try child.wait().status == 128 + SIGKILL)
      try server.forgetTheDead()
    }
    let last = try start().wait()
    #expect(last.status == 0, "\(last.errors)")
    // A kill may end a request on its way.
    let whole = try server.questions().filter { $0.headers["content-length"]?.string == "\($0.bytes)" }
    #expect(Set(whole.map(\.bodyDigest)).count == documents)
    // Only what was in flight at a kill is asked for again.
    #expect(try server.count() <= documents + 4 * kills)
    let store = try RunStore(root: folder + "/store")
    let manifest = try #require(try store.newestSealed(stage: "ask")?.manifest)
    var ids: [String] = []
    for file in store.artifacts.files(manifest, port: "documents") {
      let reader = try DocumentReader(path: file.path)
      while let document = try reader.next() { ids.append(document.idString) }
    }
    #expect(ids == (0..<documents).map { "\($0)" })
  }
}

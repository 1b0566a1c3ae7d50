import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite struct HubFormTests {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"), ("\u{FF}\u{FE}", "w7/Dvg=="),
  ])
  func base64IsRFC4648(_ text: String, _ expected: String) { #expect(base64(Array(text.utf8)) == expected) }

  @Test func commitLinesHoldFilesOfEveryLength() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    // About the block in which files are read.
    for count in [0, 1, 3 << 16, (3 << 16) + 1, (6 << 16) - 1] {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      try FileSystem.write(bytes, to: folder + "/file")
      let sink = try FileSink(folder + "/body")
      let body = try HubCommitBody(to: sink, message: "a \"b\"\n", parent: String(repeating: "0", count: 40))
      let candidate = HubCandidate(
        path: "x/\"y\".txt", file: folder + "/file", bytes: Int64(count), sha256: Digester.digest(bytes))
      try body.add(candidate)
      try body.addLarge(candidate)
      try sink.commit()
      let lines = try FileSystem.read(folder + "/body").split(separator: 10).map {
        try JSONValue.parse(Array($0)).value
      }
      #expect(lines.map { $0["key"]?.string } == ["header", "file", "lfsFile"])
      #expect(lines[0]["value"]?["summary"]?.string == "a \"b\"\n")
      #expect(lines[1]["value"]?["path"]?.string == "x/\"y\".txt")
      #expect(lines[1]["value"]?["content"]?.string == base64(bytes))
      #expect(lines[2]["value"]?["oid"]?.string == Digester.digest(bytes).hex)
    }
  }

  @Test(arguments: [
    ("<https://a/b?c=1>; rel=\"next\"", "https://a/b?c=1"), ("<x>; rel=prev, <y>; rel=next", "y"),
    ("<x>; rel=\"last\"", nil), ("", nil), (">x<; rel=\"next\"", nil), ("<y>;title=\"a\"; REL=\"Next\"", "y"),
  ])
  func nextPages(_ field: String, _ expected: String?) { #expect(HubClient.next(in: field) == expected) }

  @Test func addressesOfFiles() throws {
    let repository = try HubRepository("me/set", kind: .dataset, endpoint: "https://hub.example/mirror/")
    #expect(
      try repository.file("a b/ü?#%.txt", revision: "x/y").text
        == "https://hub.example/mirror/datasets/me/set/resolve/x%2Fy/a%20b/%C3%BC%3F%23%25.txt")
    #expect(try repository.api("tree", "a/b").text == "https://hub.example/mirror/api/datasets/me/set/tree/a%2Fb")
    #expect(repository.origin == "https://hub.example")
  }

  @Test func aTokenDoesNotDescribeItself() {
    let token = HubToken(variable: "HF_TOKEN", value: "hf_secret")
    #expect("\(token) \(String(reflecting: token))".contains("hf_secret") == false)
  }
}

/// What a server says that breaks the protocol.
@Suite(.needs(LocalServer.isUsable, "needs Python")) struct HubAnswerTests {
  private let bench: ClientWorkbench
  private let object: HubCandidate
  private let batch = "/me/model.git/info/lfs/objects/batch"

  init() throws {
    bench = try ClientWorkbench()
    let bytes = [UInt8](repeating: 7, count: 100)
    try FileSystem.write(bytes, to: bench.folder + "/object")
    object = HubCandidate(path: "a.bin", file: bench.folder + "/object", bytes: 100, sha256: Digester.digest(bytes))
  }

  private func hub(_ variable: String = "T", _ value: String = "hf_x") throws -> HubClient {
    HubClient(
      try HubRepository("me/model", kind: .model, endpoint: bench.server.origin),
      token: HubToken(variable: variable, value: value), http: try bench.client())
  }

  private func sentence(_ actions: JSONValue) throws -> String {
    let answer: JSONValue = [
      "objects": .list([["oid": .string(object.sha256.hex), "size": 100, "actions": actions]])
    ]
    try bench.server.script(batch, ["body": .string(answer.text())])
    return bench.sentence { _ = try hub().send([object], revision: "main", state: bench.folder) }
  }

  @Test func ordersThatMakeNoSense() throws {
    let odd = "http://server\(batch): the response does not match the Hub's API: "
    func parts(_ header: JSONValue) -> JSONValue { ["upload": ["href": "http://127.0.0.1:9/c", "header": header]] }
    #expect(try sentence(["upload": [:]]).hasPrefix(odd + "an action has no URL."))
    #expect(try sentence(parts(["chunk_size": "x"])).hasPrefix(odd + "its part size is not a number."))
    #expect(try sentence(parts(["chunk_size": "0"])).hasPrefix(odd + "its part size is not a number."))
    #expect(
      try sentence(parts(["chunk_size": "50", "1": "http://a/1", "3": "http://a/3"]))
        .hasPrefix(odd + "its parts are not numbered consecutively."))
    #expect(
      try sentence(parts(["chunk_size": "40", "1": "http://a/1", "2": "http://a/2"]))
        .hasPrefix(odd + "2 parts of 40 bytes do not match the 100 bytes of a.bin."))
    try bench.server.script(batch, ["body": "{\"objects\": []}"])
    #expect(
      bench.sentence { _ = try hub().send([object], revision: "main", state: bench.folder) }
        .hasPrefix(odd + "it does not mention the object of a.bin."))
    let refused: JSONValue = [
      "objects": .list([["oid": .string(object.sha256.hex), "error": ["code": 422, "message": "too large"]]])
    ]
    try bench.server.script(batch, ["body": .string(refused.text())])
    #expect(
      bench.sentence { _ = try hub().send([object], revision: "main", state: bench.folder) }
        == "http://server\(batch): the Hub's storage does not accept a.bin: too large.")
  }

  @Test func addressesThatNeverHoldAreNotAskedForEver() throws {
    try bench.server.script("/object", ["status": 403])
    let actions: JSONValue = ["upload": ["href": .string(bench.server.origin + "/object?X-Amz-Signature=secret")]]
    #expect(
      try sentence(actions)
        == "http://server/object?X-Amz-Signature=…: the storage responded with 403 for a.bin. "
        + "Run again: uploaded parts are kept.")
    #expect(try bench.server.questions().count { $0.path.hasPrefix("/object") } == 3)
  }

  @Test func aPartWithoutAnETagIsNotCounted() throws {
    try bench.server.script("/1", ["body": ""])
    let header: JSONValue = ["chunk_size": "100", "1": .string(bench.server.origin + "/1")]
    #expect(
      try sentence(["upload": ["href": .string(bench.server.origin + "/c?uploadId=u"), "header": header]])
        == "http://server/1: the storage returned no ETag for part 1 of a.bin.")
  }

  @Test func aListingIsBounded() throws {
    let entry = "{\"type\": \"file\", \"path\": \"N\", \"size\": 1, \"oid\": \"\(String(repeating: "0", count: 40))\"}"
    let body = "[\((0..<50).map { entry.replacing("N", with: "\($0)") }.joined(separator: ","))]"
    let commit = String(repeating: "a", count: 40)
    try bench.server.script(
      "/api/models/me/model/tree/\(commit)",
      ["body": .string(body), "headers": ["Link": "<?cursor=2>; rel=next"]],
      ["body": .string(body), "headers": ["Link": "<?cursor=3>; rel=next"]],
      ["body": .string(body), "headers": ["Link": "<?cursor=4>; rel=next"]])
    #expect(
      bench.sentence { _ = try hub().files(of: commit, maximumFiles: 120) }
        == "http://server/api/models/me/model/tree/\(commit)?cursor=3: the repository has more than 120 files. "
        + "Raise the limit if this is expected.")
    #expect(try bench.server.count() == 3)
  }

  @Test func aTokenWithALineBreakIsNotShown() throws {
    let text = bench.sentence { _ = try hub("T", "hf_x\nInjected: 1").commit(of: "main") }
    #expect(text.contains("a header of the request contains a line break") && !text.contains("hf_x"))
  }
}

import ShardKit
import Testing

@testable import PipelineKit

/// Stores of earlier versions are read, so their manifests' bytes stay.
@Suite struct ManifestTests {
  private let zeros = Digest(hex: String(repeating: "0", count: 64))!

  private var task: TaskManifest {
    var ledger = Ledger()
    ledger.input = Count(documents: 3, bytes: 30)
    ledger.output = Count(documents: 1, bytes: 10)
    ledger.dropped = ["too-short": Count(documents: 1, bytes: 2), "bad": Count(documents: 1, bytes: 3)]
    return TaskManifest(
      phase: "run", key: "0", fingerprint: zeros,
      files: [PublishedFile(port: "p", name: "n", bytes: 1, digest: zeros, documents: 2, textBytes: 3)], ledger: ledger,
      warnings: ["w": .init(count: 1, example: "e")], metrics: ["m": 1, "b": .nan])
  }

  private var text: String {
    #"{"format":1,"phase":"run","key":"0","fingerprint":"\#(zeros)","files":[{"port":"p","name":"n","bytes":1,"digest":"\#(zeros)","#
      + #""documents":2,"textBytes":3}],"ledger":{"input":{"documents":3,"bytes":30},"output":{"documents":1,"bytes":10},"#
      + #""dropped":{"bad":{"documents":1,"bytes":3},"too-short":{"documents":1,"bytes":2}},"merged":{},"repeated":{},"#
      + #""consumed":{"documents":0,"bytes":0}},"warnings":{"w":{"count":1,"example":"e"}},"metrics":{"b":null,"m":1.0}}"#
  }

  @Test func aTasksManifestHasTheseBytes() throws {
    #expect(task.json.text() == text)
    var read = task
    read.metrics["b"] = nil
    #expect(try TaskManifest(json: JSONValue.parse(text).value) == read)
  }

  @Test func aNodesManifestHasTheseBytes() throws {
    let identity = NodeIdentity(
      use: "u", revision: 2, options: ["x": 1], inputs: [.init(input: "i", source: "s.o", digest: zeros)],
      files: [.init(option: "o", name: "n", digest: zeros)])
    let node = NodeManifest(stage: "s", identity: identity, tasks: [])
    let empty =
      #"{"input":{"documents":0,"bytes":0},"output":{"documents":0,"bytes":0},"dropped":{},"merged":{},"repeated":{},"#
      + #""consumed":{"documents":0,"bytes":0}}"#
    let wanted =
      #"{"format":1,"stage":"s","fingerprint":"\#(identity.fingerprint)","identity":{"use":"u","revision":2,"options":{"x":1},"#
      + #""inputs":[{"input":"i","source":"s.o","digest":"\#(zeros)"}],"files":[{"option":"o","name":"n","digest":"\#(zeros)"}]},"#
      + #""tasks":0,"files":[],"ledger":\#(empty),"warnings":{},"metrics":{}}"#
    #expect(node.json.text() == wanted)
    let json = try JSONValue.parse(wanted).value
    #expect(try NodeManifest(json: json) == node)
    let other = try JSONValue.parse(wanted.replacing(#""revision":2"#, with: #""revision":3"#)).value
    #expect(throws: JSONCodingError("fingerprint", "belongs to another identity")) { try NodeManifest(json: other) }
  }

  /// By the bytes of their names: what was handed on under a composed name says nothing of a decomposed one.
  @Test func filesThatOnlyStandForDocumentsAreNamedExactly() {
    let identity = NodeIdentity(use: "u", revision: 1, options: [:], inputs: [], files: [])
    var node = NodeManifest(stage: "s", identity: identity, tasks: [])
    node.files = [("a", "\u{304C}", true), ("a", "\u{304B}\u{3099}", nil), ("b", "\u{304C}", nil)].map {
      PublishedFile(port: $0, name: $1, bytes: 1, digest: zeros, documents: 1, textBytes: 1, passed: $2)
    }
    #expect(node.passedFiles() == ["a/\u{304C}"])
    #expect(!node.passedFiles().contains("a/\u{304B}\u{3099}"))
  }

  /// As a database has them: read in two ways, of which one is for the form in which they are written.
  @Test(arguments: ["n", "a/日本.jsonl", "quoted \"\\ name", "", "tab\t"])
  func textIsReadAsTheValuesAre(_ name: String) throws {
    let digests = (0..<3).map { Digester.digest([UInt8($0)]) }
    let identity = NodeIdentity(
      use: "u", revision: 2, options: ["files": .list([1, 2]), "x": "],\"files\":["], inputs: [],
      files: digests.map { .init(option: "o", name: name, digest: $0) })
    var task = task
    task.metrics["b"] = nil
    var node = NodeManifest(stage: "s", identity: identity, tasks: [task, task])
    node.files += digests.map {
      PublishedFile(port: "documents", name: name, bytes: 1 << 40, digest: $0, documents: 7, textBytes: 0)
    }
    let compact = node.json.text()
    #expect(NodeManifest(text: compact)?.json == node.json)
    #expect(NodeManifest(text: compact) == (try NodeManifest(json: JSONValue.parse(compact).value)))
    #expect(NodeManifest(text: node.json.prettyText())?.json == node.json)
    #expect(NodeIdentity(text: identity.json.text()) == identity)
    #expect(identity.text == identity.json.text())
    #expect(node.text() == Array(compact.utf8))
    #expect(node.text(isPretty: true) == Array(node.json.prettyText().utf8))
    (node.files, node.identity.files) = ([], [])
    #expect(node.text(isPretty: true) == Array(node.json.prettyText().utf8))
    for (old, new) in [
      ("\"revision\":2", "\"revision\":3"), ("\"files\":[{\"port\"", "\"files\":[],\"files\":[{\"port\""),
      ("\"documents\":7", "\"documents\":-7"), ("\"documents\":7", "\"documents\":07"),
      ("\"bytes\":1099511627776", "\"bytes\":1099511627776000"), ("}],\"ledger\"", "},],\"ledger\""),
      (digests[2].hex, digests[2].hex.uppercased()), ("\"tasks\":2", "\"tasks\":"),
    ] {
      #expect(NodeManifest(text: compact.replacing(old, with: new)) == nil, "\(new)")
    }
    for length in [0, 1, compact.utf8.count / 2, compact.utf8.count - 1] {
      #expect(NodeManifest(text: String(decoding: compact.utf8.prefix(length), as: UTF8.self)) == nil)
    }
  }

  @Test func whatIsMissingIsAnError() throws {
    for (old, new, sentence) in [
      (#""format":1"#, #""format":2"#, "format: 2 is not a valid value"),
      (#""merged":{},"#, "", "ledger: the member 'merged' is missing"),
      (#""bytes":1,"#, #""bytes":-1,"#, "files[0].bytes: -1 is not between 0 and 70368744177664"),
      (#""example":"e""#, #""example":1"#, "warnings.w.example: should be a string, not an integer"),
      (#""key":"0","#, "", "the member 'key' is missing"),
    ] {
      let json = try JSONValue.parse(text.replacing(old, with: new)).value
      let error = #expect(throws: JSONCodingError.self) { try TaskManifest(json: json) }
      #expect(error?.description == sentence)
    }
  }
}

import ShardKit
import TestKit
import Testing

@testable import PipelineKit

@Suite struct DocumentDifferenceTests {
  /// Writes an artifact's files, with the sidecars that tasks leave.
  private func artifact(
    _ folder: String, _ files: [[(id: String, text: String)]], drops: [(id: String, reason: String)] = []
  ) throws -> DocumentDifference.Artifact {
    var published: [PublishedFile] = []
    func publish(_ port: String, _ name: String, _ bytes: [UInt8], _ documents: Int) throws {
      let path = "\(folder)/\(port)/\(name)"
      try FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
      try FileSystem.write(bytes, to: path)
      published.append(
        PublishedFile(
          port: port, name: name, bytes: Int64(bytes.count), digest: Digester.digest(bytes), documents: documents,
          textBytes: 0))
    }
    for (number, documents) in files.enumerated() {
      var bytes: [UInt8] = []
      for (id, text) in documents { Document(id: id, text: text).append(to: &bytes) }
      try publish("documents", "\(number).jsonl.zst", bytes, documents.count)
    }
    let lines = drops.map { #"{"id":"\#($0.id)","reason":"\#($0.reason)","bytes":1}"# + "\n" }.joined()
    try publish("drops", "d.jsonl.zst", Array(lines.utf8), drops.count)
    let hashes = drops.flatMap { drop in withUnsafeBytes(of: recordHash(Array(drop.id.utf8)).littleEndian) { Array($0) }
    }
    try publish("ids", "drops/d.jsonl.zst.ids", hashes, 0)
    let task = TaskManifest(
      phase: "run", key: "0", fingerprint: Digester.digest([]), files: published, ledger: Ledger(), warnings: [:],
      metrics: [:])
    let identity = NodeIdentity(use: "x", revision: 1, options: [:], inputs: [], files: [])
    return DocumentDifference.Artifact(
      directory: folder, manifest: NodeManifest(stage: "x", identity: identity, tasks: [task]), port: "documents")
  }

  @Test(arguments: [1 << 20, 4000, 100]) func documentsAreMatchedByIdInAnyNumberOfPasses(memoryBytes: Int) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let shared = (0..<50).map { ("same\($0)", "text") }
    let before = try artifact(
      folder + "/a", [shared, (0..<100).map { ("\($0)", "text \($0)") }, [("twice", "1"), ("twice", "1")]],
      drops: [("new1", "too-short")])
    let after = try artifact(
      folder + "/b",
      [
        shared, (10..<100).map { ("\($0)", $0 < 15 ? "other" : "text \($0)") } + [("new1", "x"), ("new2", "x")],
        [("twice", "1")],
      ],
      drops: (0..<8).map { ("\($0)", $0 < 6 ? "too-short" : "duplicate") } + [("20", "kept under another id")])
    let difference = try DocumentDifference(before: before, after: after, examples: 100, memoryBytes: memoryBytes)
    #expect(difference.left.count == 11 && difference.entered.count == 2 && difference.changed == 5)
    #expect(
      difference.left.causes == ["too-short": 6, "duplicate": 2, DocumentDifference.notDropped: 3])
    #expect(difference.entered.causes == ["too-short": 1, DocumentDifference.notDropped: 1])
    #expect(difference.left.examples == (0..<10).map { "\($0)" } + ["twice"])
    #expect(difference.entered.examples == ["new1", "new2"] && difference.changedExamples == (10..<15).map { "\($0)" })
  }

  /// The same documents in another order and other files are no difference.
  @Test func orderIsNoDifference() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let documents = (0..<20).map { ("\($0)", "text") }
    let before = try artifact(folder + "/a", [documents])
    let after = try artifact(folder + "/b", [Array(documents.reversed().prefix(7)), Array(documents.prefix(13))])
    #expect(try DocumentDifference(before: before, after: after).isEmpty)
  }
}

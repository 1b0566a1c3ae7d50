import ShardKit
import TestKit
import Testing

/// `pipeline trace` names the record that a document was read from, and no other one's.
@Suite struct SampleOriginTests {
  /// What is traced of each sample of `shards`, by the document's id.
  private func traced(_ bench: Workbench) throws -> [String: JSONValue] {
    let folder = String(try bench.run("artifact", "corpus.json", "shards").out.dropLast())
    var found: [String: JSONValue] = [:]
    for sample in 0..<(try MDSReader(directory: folder).index.shards[0].samples) {
      let outcome = try bench.run(
        "trace", "corpus.json", "shards", "--shard", "0", "--sample", "\(sample)", "--json")
      let json = try JSONValue.parse(outcome.out).value
      let document = try #require(json["samples"]?.array?.first?["documents"]?.array?.first, "\(outcome.err)")
      found[document["id"]?.string ?? ""] = document
    }
    return found
  }

  private func line(_ document: JSONValue?) -> String {
    let input = document?["input"]
    return "\(input?["file"]?.string ?? "") \(input?["number"]?.integer ?? 0)"
  }

  @Test func linesAreRightAfterARemoval() throws {
    let bench = try Workbench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    let lines = ["f0/2": "0.jsonl 3", "f1/0": "1.jsonl 1"]
    let before = try traced(bench)
    #expect(before.mapValues(line) == lines.merging(["f0/0": "0.jsonl 1"]) { $1 })
    let removal = try bench.run("remove", "corpus.json", "f0/0", "--reason", "r", "--yes", "--json")
    try #require(removal.status == 0, "\(removal.err)\(removal.out)")
    #expect(try traced(bench).mapValues(line) == lines)
  }
}

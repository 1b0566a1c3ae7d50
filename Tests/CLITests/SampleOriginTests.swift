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

  /// Where documents are by `pipeline trace ID`, and under which id.
  private func ids(_ id: String, _ bench: Workbench) throws -> [String] {
    let json = try JSONValue.parse(try bench.run("trace", "corpus.json", id, "--json").out).value
    return try #require(json["stages"]?.array).flatMap { stage in
      (stage["places"]?.array ?? []).map { "\(stage["stage"]?.string ?? "") \($0["id"]?.string ?? "")" }
    }
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

  /// `a#2` is a source's own id, though another source has `a`; `l#2` is the second use of `l`.
  @Test func onlyWhatAStageRepeatedHasAnOriginal() throws {
    let bench = try Workbench(
      """
      { "format": 1, "name": "corpus", "stages": {
          "one": { "use": "documents.read", "options": { "files": "one.jsonl" } },
          "two": { "use": "documents.read", "options": { "files": "two.jsonl" } },
          "mix": { "use": "mix.rebalance", "options": { "ratios": { "law": 2 }, "maximumRepeats": 2 },
            "inputs": { "documents": ["one", "two"] } },
          "shards": { "use": "mds.write", "inputs": { "documents": "mix" } } } }
      """, texts: [])
    for (file, ids) in [("one", ["a", "l"]), ("two", ["a#2"])] {
      var lines: [UInt8] = []
      for id in ids {
        Document(
          id: id, text: "本文は\(file)の\(id)である。",
          metadata: ["domain": id == "l" ? "law" : "web", "license": .string("of \(file)")]
        ).append(to: &lines)
      }
      try bench.write("\(file).jsonl", String(decoding: lines, as: UTF8.self))
    }
    let run = try bench.run("run", "corpus.json")
    try #require(run.status == 0, "\(run.err)")
    let found = try traced(bench)
    #expect(found.keys.sorted() == ["a", "a#2", "l", "l#2"])
    #expect(found.mapValues { $0["original"]?.string }.compactMapValues(\.self) == ["l#2": "l"])
    #expect(
      found.mapValues(line) == ["a": "one.jsonl 1", "a#2": "two.jsonl 1", "l": "one.jsonl 2", "l#2": "one.jsonl 2"])
    #expect(found["a#2"]?["license"]?.string == "of two")
    #expect(found["a#2"]?["places"]?.array?.map { $0["stage"]?.string } == ["two", "mix"])
    // The same documents, asked for by their ids.
    #expect(try ids("a", bench) == ["one a", "mix a", "shards a"])
    #expect(try ids("l", bench) == ["one l", "mix l", "mix l#2", "shards l", "shards l#2"])
    #expect(try ids("a#2", bench) == ["two a#2", "mix a#2", "shards a#2"])
  }
}

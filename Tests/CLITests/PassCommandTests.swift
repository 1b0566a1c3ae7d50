import Glibc
import ShardKit
import TestKit
import Testing

/// Commands over outputs whose documents were handed on in memory.
@Suite struct PassCommandTests {
  private static func document(passes: Bool = true, filter: Bool = true) -> String {
    """
    { "format": 1, "name": "corpus", "passes": \(passes), "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": 100 } },
        "clean": { "use": "text.clean", "options": { "minimumBytes": \(filter ? 20 : 1) },
          "inputs": { "documents": "read" } },
        "near": { "use": "dedupe.minhash", "inputs": { "documents": "clean" } },
        "shards": { "use": "mds.write", "inputs": { "documents": "near" } } } }
    """
  }

  @Test func whatWasNotKeptHasNoFolderToShow() throws {
    let bench = try Workbench(Self.document())
    try #require(try bench.run("run", "corpus.json").status == 0)
    let read = try bench.run("artifact", "corpus.json", "read")
    #expect(read.status == 1 && read.out.isEmpty)
    let sentence = "the documents of 'read' went to the next stage in memory and were not kept"
    #expect(bench.errors(read).first?.hasPrefix(sentence) == true, "\(read.err)")
    #expect(read.err.contains("`pipeline run corpus.json --until read`"), "\(read.err)")
    #expect(try bench.run("artifact", "corpus.json", "clean").status == 0)
    // One way to have them.
    #expect(try bench.run("run", "corpus.json", "--until", "read").status == 0)
    #expect(try bench.run("artifact", "corpus.json", "read").status == 0)
  }

  /// A sample's documents are found in every stage, and in the source's own file, as if all had been written.
  @Test func samplesAreTracedThroughAPass() throws {
    let (passes, alone) = (try Workbench(Self.document()), try Workbench(Self.document(passes: false)))
    for bench in [passes, alone] { try #require(try bench.run("run", "corpus.json").status == 0) }
    func traced(_ bench: Workbench, _ sample: Int) throws -> JSONValue {
      let outcome = try bench.run(
        "trace", "corpus.json", "shards", "--shard", "0", "--sample", "\(sample)", "--json")
      let samples = try JSONValue.parse(outcome.out).value["samples"]?.array
      return try #require(samples?.first?["documents"]?.array?.first, "\(outcome.err)")
    }
    for sample in 0..<3 {
      let (a, b) = (try traced(passes, sample), try traced(alone, sample))
      for member in ["id", "input", "textBytes"] {
        #expect(a[member] != nil && a[member] != .null, "\(member)")
        #expect(
          a[member]?.text().replacing(passes.folder, with: "") == b[member]?.text().replacing(alone.folder, with: ""))
      }
      #expect(a["places"]?.array?.map { $0["stage"]?.string } == ["read", "clean", "near"])
      #expect(b["places"]?.array?.map { $0["stage"]?.string } == ["read", "clean", "near"])
    }
  }

  /// Those that a stage of the pass dropped are taken down too: later options might keep them.
  @Test func aSourceIsTakenDownThoughItWentThroughAPass() throws {
    let bench = try Workbench(Self.document())
    var lines: [UInt8] = []
    for (number, text) in ["別の出典の、取り下げられる文章がここにある。", "短", "もうひとつの、取り下げられる長い文章である。"].enumerated() {
      Document(id: "other/\(number)", text: text, source: "other").append(to: &lines)
    }
    try bench.write("texts/other.jsonl", String(decoding: lines, as: UTF8.self))
    try #require(try bench.run("run", "corpus.json").status == 0)
    #expect(try bench.run("trace", "corpus.json", "other/1").out.contains("dropped: too-short"))
    let words = ["remove", "corpus.json", "--source", "other", "--reason", "r", "--json"]
    let plan = try bench.run(words + ["--dry-run"])
    try #require(plan.status == 0, "\(plan.err)")
    let planned = try JSONValue.parse(plan.out).value
    #expect(planned["documents"]?.array?.count == 3)
    // What was not kept is made once more.
    let stages = try #require(planned["stages"]?.array).map { [$0["tasks"]?.integer, $0["of"]?.integer] }
    #expect(stages[0] == [3, 3] && stages[1] == [3, 3], "\(stages)")
    let done = try bench.run(words + ["--yes"])
    try #require(done.status == 0, "\(done.err)\(done.out)")
    #expect(try JSONValue.parse(done.out).value["proof"]?["gone"]?.bool == true)
    // With options that keep all, none of them comes back.
    try bench.write("corpus.json", Self.document(filter: false))
    try #require(try bench.run("run", "corpus.json").status == 0)
    for number in 0..<3 {
      let trace = try bench.run("trace", "corpus.json", "other/\(number)").out
      #expect(trace.contains("dropped: removed") && !trace.contains("kept"), "\(trace)")
    }
    let check = try bench.run("remove", "corpus.json", "--check", "--json")
    #expect(try JSONValue.parse(check.out).value["proof"]?["gone"]?.bool == true)
  }

  /// Files that changed since the run cannot say what was in them.
  @Test func whatCannotBeReadAgainIsNotSelectedByHalves() throws {
    let bench = try Workbench(Self.document())
    try #require(try bench.run("run", "corpus.json").status == 0)
    try bench.write(file: 1, ["別の文章になった。"])
    let outcome = try bench.run("remove", "corpus.json", "--source", "test", "--reason", "r", "--yes")
    #expect(outcome.status == 2, "\(outcome.err)")
    #expect(
      bench.errors(outcome).first?.hasPrefix("'read' handed its documents on in memory, and they cannot be looked at")
        == true)
    #expect(try !bench.shell("ls .pipeline").out.contains("removed"))
  }

  /// A program that is run once more, for a selection: only if it makes the same documents does it tell what the store
  /// holds.
  @Test(arguments: [true, false]) func aProgramIsBelievedIfItMakesTheSameDocuments(_ isSteady: Bool) throws {
    let bench = try Workbench(
      """
      { "format": 1, "name": "corpus", "passes": true, "stages": {
          "make": { "use": "command.files",
            "options": { "command": ["sh", "make.sh", "{output.documents}"], "files": "make.sh" } },
          "clean": { "use": "text.clean", "inputs": { "documents": "make" } } } }
      """)
    try bench.write(
      "make.sh",
      #"""
      echo ran >> '\#(bench.folder)/ran'
      id=\#(isSteady ? "same" : #"run$(wc -l < '\#(bench.folder)/ran')"#)
      for n in 1 2; do
        echo "{\"id\":\"$id-$n\",\"source\":\"S\",\"text\":\"川沿いの古い水車小屋では、今も毎朝パンが焼かれている。\"}"
      done > "$1/a.jsonl"
      """#)
    try #require(try bench.run("run", "corpus.json").status == 0)
    let words = ["remove", "corpus.json", "--source", "S", "--reason", "r"]
    let outcome = try bench.run(words + [isSteady ? "--yes" : "--dry-run"])
    #expect(try bench.shell("wc -l < ran").out.hasPrefix(isSteady ? "3" : "2"), "it runs for the selection")
    if isSteady {
      #expect(outcome.status == 0 && outcome.out.contains("gone: 2 documents"), "\(outcome.out)\(outcome.err)")
    } else {
      for last in ["--dry-run", "--yes"] {
        let outcome = try bench.run(words + [last])
        #expect(outcome.status == 2, "\(outcome.out)")
        let error = "'make' handed its documents on in memory, and task command makes other ones when it is run again"
        #expect(bench.errors(outcome).first?.hasPrefix(error) == true, "\(outcome.err)")
      }
      #expect(try !bench.shell("ls .pipeline").out.contains("removed"))
    }
  }
}

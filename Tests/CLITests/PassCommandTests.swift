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
}

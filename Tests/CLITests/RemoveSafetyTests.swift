import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import pipeline_cli

/// `pipeline remove` where a document could stay or come back unseen, or other documents could suffer.
@Suite struct RemoveSafetyTests {
  private static func pipeline(_ name: String, stage: String) -> String {
    """
    { "format": 1, "name": "\(name)", "stages": {
        "\(stage)": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": "1KiB" } },
        "clean": { "use": "text.clean", "inputs": { "documents": "\(stage)" } } } }
    """
  }

  private static func text(_ name: String) -> String {
    (0..<30).map { "\(name)の\($0 * 7919 % 997)番の棚には、古い地図が\($0)枚しまってある。" }.joined()
  }

  private func makeBench() throws -> Workbench {
    try Workbench(
      Self.pipeline("corpus", stage: "read"),
      texts: [[Self.text("北"), Self.text("南")], [Self.text("東")], [Self.text("西")]])
  }

  /// The ids in the newest output of a stage.
  private func ids(_ bench: Workbench, _ words: String...) throws -> Set<String> {
    let folder = try bench.run(["artifact"] + words).out.split(separator: "\n").first.map(String.init)
    let path = try #require(folder)
    var out: Set<String> = []
    for name in try FileSystem.list(path) {
      let reader = try DocumentReader(path: "\(path)/\(name)")
      while let document = try reader.next() { out.insert(document.idString) }
    }
    return out
  }

  private func proof(_ outcome: Workbench.Outcome) throws -> JSONValue {
    try #require(try JSONValue.parse(outcome.out).value["proof"], "\(outcome.err)\(outcome.out)")
  }

  /// Outputs of other groupings of the tasks, and of other pipelines of the store, are not used again.
  @Test func noEarlierOutputBringsADocumentBack() throws {
    let bench = try makeBench()
    try bench.write("other.json", Self.pipeline("other", stage: "texts"))
    let large = ["--set", "stages.read.options.bytesPerTask=1MiB"]
    for words in [["corpus.json"], ["corpus.json"] + large, ["other.json"]] {
      try #require(try bench.run(["run"] + words).status == 0)
    }
    let words = ["remove", "corpus.json", "f0/1"] + large + ["--reason", "r", "--yes", "--record-only"]
    try #require(try bench.run(words).status == 0)
    let plan = try bench.run("plan", "other.json").out
    #expect(plan.contains("holds a document that was removed"), "\(plan)")
    for words in [["corpus.json"] + large, ["corpus.json"], ["other.json"]] {
      let run = try bench.run(["run"] + words)
      try #require(run.status == 0, "\(run.err)")
    }
    let left: Set = ["f0/0", "f1/0", "f2/0"]
    #expect(try ids(bench, "corpus.json", "read") == left)
    #expect(try ids(bench, "corpus.json", "clean") == left)
    #expect(try ids(bench, "other.json", "texts") == left)
    #expect(try ids(bench, "other.json", "clean") == left)
    // What was done without it is used again.
    for words in [["corpus.json"], ["other.json"]] {
      let plan = try bench.run(["plan"] + words).out
      #expect(!plan.contains("removed"), "\(plan)")
    }
  }

  /// A folder outside, a link in a circle, and a zip with a text in another encoding.
  @Test(.needs(PeerScript.hasPython3, "needs python3")) func whatIsLinkedOrPackedIsSearched() throws {
    let bench = try makeBench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    try bench.write(
      "pack.py",
      """
      import sys, zipfile
      with zipfile.ZipFile(".pipeline/state/crawl/work.zip", "w", zipfile.ZIP_DEFLATED) as out:
          out.writestr("work.txt", sys.argv[1].encode("cp932"))
      """)
    let crawl = ".pipeline/state/crawl"
    let packed = try bench.shell(
      "mkdir -p outside \(crawl) && cp texts/0.jsonl outside/page && ln -s ../../../outside \(crawl)/link && "
        + "ln -s ../crawl \(crawl)/self && python3 pack.py '\(Self.text("南"))'")
    try #require(packed.status == 0, "\(packed.err)")
    let words = ["remove", "corpus.json", "f0/1", "--reason", "r", "--yes"]
    let first = try bench.run(words + ["--json"])
    #expect(first.status == 1)
    let left = try #require(try proof(first)["left"]?.array)
    #expect(left.map { $0["path"]?.string } == ["state/crawl/link/page", "state/crawl/work.zip"])
    #expect(left.allSatisfy { $0["passages"]?.integer ?? 0 > 5 })

    // What cannot be read is said, and never counts as gone.
    _ = try bench.shell(
      "rm -r outside/page \(crawl)/*; ln -s nowhere \(crawl)/link; printf 'PK\\003\\004 cut' > \(crawl)/cut.zip; "
        + "printf '7z\\274\\257\\047\\034..' > \(crawl)/a.7z")
    let second = try bench.run(words + ["--json"])
    #expect(second.status == 1)
    let unread = try #require(try proof(second)["unread"]?.array).compactMap { $0["path"]?.string }
    #expect(unread.map { ArchivePath.lastPart(of: $0) } == ["a.7z", "cut.zip", "link"])
    #expect(try proof(second)["left"]?.array == [] && proof(second)["gone"]?.bool == false)
    let told = try bench.run(words)
    #expect(told.status == 1 && told.out.contains("not proven, since not everything was read"), "\(told.out)")
    #expect(!told.out.contains("gone:") && told.out.contains("a.7z: is a 7z archive"), "\(told.out)")
    _ = try bench.shell("rm -r \(crawl)")
    #expect(try bench.run(words).status == 0)
  }

  @Test func aCheckDeletesNothing() throws {
    let bench = try makeBench()
    let large = ["--set", "stages.read.options.bytesPerTask=1MiB"]
    try #require(try bench.run("run", "corpus.json").status == 0)
    try #require(try bench.run(["run", "corpus.json"] + large).status == 0)
    let words = ["remove", "corpus.json", "f0/1"] + large + ["--reason", "r", "--yes"]
    try #require(try bench.run(words + ["--record-only"]).status == 0)
    let list = "find .pipeline/artifacts .pipeline/logs .pipeline/removed -type f | sort"
    let before = try bench.shell(list).out
    let check = try bench.run(["remove", "corpus.json", "--check", "--json"] + large)
    #expect(check.status == 1)
    #expect(try proof(check)["deleted"]?.array == [])
    #expect(try #require(proof(check)["left"]?.array).contains { $0["place"]?.string == "older" })
    // Nor does it end the removal, which was recorded only.
    #expect(try bench.shell(list).out == before)
    let done = try bench.run(words + ["--json"])
    #expect(done.status == 0)
    #expect(try proof(done)["deleted"]?.array != [])
    #expect(try bench.run(["remove", "corpus.json", "--check"] + large).status == 0)
  }

  /// An id that is a number stands in the texts of others too, which stay, and in outputs that never had the document.
  @Test func aNumberInOtherTextsIsNotTheID() throws {
    let bench = try makeBench()
    func write(_ file: Int, _ documents: [(id: String, text: String)]) throws {
      var lines: [UInt8] = []
      for (id, text) in documents { Document(id: id, text: text, source: "test").append(to: &lines) }
      try FileSystem.write(lines, to: "\(bench.folder)/texts/\(file).jsonl")
    }
    try write(0, [("11", Self.text("北") + "番号は 12 で、\"12\"、(12) とも書く。")])
    try #require(try bench.run("run", "corpus.json").status == 0)
    try write(1, [("12", Self.text("南")), ("13", Self.text("東"))])
    try #require(try bench.run("run", "corpus.json").status == 0)
    let older = try bench.shell("ls -d .pipeline/artifacts/read/*").out.split(separator: "\n").count
    let done = try bench.run("remove", "corpus.json", "12", "--reason", "r", "--yes", "--json")
    #expect(done.status == 0, "\(done.err)\(done.out)")
    #expect(try proof(done)["gone"]?.bool == true)
    // The first output stays, the second one goes, and the third one is new.
    #expect(older == 2)
    #expect(try bench.shell("ls -d .pipeline/artifacts/read/*").out.split(separator: "\n").count == 2)
    #expect(try ids(bench, "corpus.json", "read") == ["11", "13", "f2/0"])
  }

  @Test func outputsOfVariantsAreNamedWithWhatTakesThemAway() {
    let words = RemoveOutcome.owners(["corpus", "corpus:without-dedupe/seed-1"])
    #expect(
      words == "an output of corpus; run this command with that pipeline file; an output of an ablation; "
        + "`pipeline prune --ablations`, or run this command with --variant without-dedupe/seed-1")
  }
}

import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// `pipeline remove`: the documents are gone from every byte, the rest stays as it was, and nothing brings them back.
@Suite struct RemoveTests {
  private static let document = """
    { "format": 1, "name": "corpus", "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": "1KiB" } },
        "clean": { "use": "text.clean", "inputs": { "documents": "read" } },
        "near": { "use": "dedupe.minhash", "options": { "threshold": 0.6 }, "inputs": { "documents": "clean" } },
        "shards": { "use": "mds.write", "options": { "compression": "zstd" }, "inputs": { "documents": "near" } },
        "back": { "use": "mds.read", "inputs": { "mds": "shards" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "near" },
          "options": { "vocabularySize": 300 } },
        "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "near", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 64, "packing": "bestfit" } } } }
    """

  private static let sentences = [
    "川沿いの古い水車小屋では、今も毎朝パンが焼かれている。", "駅前の小さな図書室には、読み終えた本を置いていく棚がある。",
    "雪が降る前の晩、山の家では保存食の瓶を数える。", "港の灯台守は、霧の夜だけ古い鐘を鳴らすことにしている。",
    "谷あいの茶畑では、八十八夜に村じゅうの人が集まって葉を摘む。", "坂の上の時計店には、止まったままの柱時計が七つ並んでいる。",
  ]

  /// A text of its own, from a number.
  private static func text(_ seed: Int) -> String {
    var random = SplitMix(seed: UInt64(seed))
    return (0..<12).map { _ in
      sentences[Int(random.next() % 6)] + (0..<6).map { _ in "\(random.next() % 9973)番の" }.joined() + "棚。"
    }.joined()
  }

  /// `f0/0` and `f1/0` are near-duplicates: the longer one is kept.
  private func makeBench() throws -> Workbench {
    let twin = Self.text(1)
    return try Workbench(
      Self.document,
      texts: [
        [twin, Self.text(2), Self.text(3)], [twin + "末尾だけが違う。", Self.text(4)], [Self.text(5), Self.text(6)],
      ])
  }

  private func json(_ bench: Workbench, _ words: String...) throws -> JSONValue {
    let outcome = try bench.run(["remove", "corpus.json"] + words + ["--json"])
    try #require(outcome.status == 0, "\(outcome.err)\(outcome.out)")
    return try JSONValue.parse(outcome.out).value
  }

  /// Names of the store's files in which any of these stands, decompressed; not by the command's own search.
  private func holders(_ texts: [String], _ bench: Workbench) throws -> [String] {
    let names = try bench.shell("find .pipeline -type f").out.split(separator: "\n").map(String.init)
    return try names.filter { name in
      let path = "\(bench.folder)/\(name)"
      let content = try (try? openSource(path).readAll(limit: 1 << 26)) ?? FileSystem.read(path)
      return texts.contains { content.firstRange(of: Array($0.utf8)) != nil }
    }
  }

  private func fingerprints(_ bench: Workbench, _ stage: String) throws -> [String: String] {
    let folder = try bench.run("artifact", "corpus.json", stage).out.split(separator: "\n").first.map(String.init) ?? ""
    let tasks = ArchivePath.folder(of: folder) + "/tasks"
    return try Dictionary(
      uniqueKeysWithValues: FileSystem.list(tasks).map { name in
        let manifest = try JSONValue.parse(FileSystem.read("\(tasks)/\(name)")).value
        return (name, manifest["fingerprint"]?.string ?? "")
      })
  }

  @Test func aSurvivorLeavesAndItsCopyTakesItsPlace() throws {
    let bench = try makeBench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    let before = try fingerprints(bench, "read")
    #expect(before.count == 3)
    let plan = try json(bench, "f1/0", "--dry-run")
    let places = try #require(plan["documents"]?.array?.first?["places"]?.array)
    let held = Set(places.compactMap { place in place["held"]?.string.map { "\(place["stage"]?.string ?? "") \($0)" } })
    #expect(
      held == [
        "read document", "clean document", "near document", "near survivor", "shards sample", "back document",
        "tokens sample",
      ])
    let again = try #require(plan["stages"]?.array).map { [$0["tasks"]?.integer, $0["of"]?.integer] }
    #expect(again[0] == [1, 3] && again[1] == [1, 3])
    #expect(plan["externalFiles"]?.array?.count == 1)
    #expect(try fingerprints(bench, "read") == before)

    let done = try json(bench, "f1/0", "--reason", "a request", "--by", "the author", "--yes")
    #expect(done["proof"]?["gone"]?.bool == true)
    #expect(done["promoted"]?.array?.first == ["stage": "near", "id": "f0/0"])
    // Only the task that held it has another fingerprint.
    let after = try fingerprints(bench, "read")
    #expect(after.filter { before[$0.key] != $0.value }.map(\.key) == ["run-00001.json"])
    // Its passages stand in the copy too, so what is searched here is the id.
    #expect(try holders(["f1/0"], bench) == [])
    let record = try bench.shell("cat .pipeline/removed/*.json").out
    let stages = try JSONValue.parse(bench.shell("cat .pipeline/removed/*0.json").out).value["documents"]?.array
    #expect(
      stages?.first?["stages"]?.array?.compactMap(\.string) == ["read"], "what reads shards again brings nothing in")
    #expect(record.contains("a request") && record.contains("the author") && !record.contains("f1/0"))
    let trace = try bench.run("trace", "corpus.json", "f1/0")
    #expect(trace.status == 0 && trace.out.contains("dropped: removed"))

    // Neither another run nor other options bring it back; the file has it still.
    #expect(try bench.shell("grep -c f1/0 texts/1.jsonl").out == "1\n")
    #expect(try bench.run("run", "corpus.json", "--force").status == 0)
    #expect(try bench.run("run", "corpus.json", "--set", "stages.read.options.source=b").status == 0)
    _ = try bench.shell("cat texts/2.jsonl >> texts/1.jsonl; rm texts/2.jsonl; pipeline run corpus.json")
    #expect(try json(bench, "--check")["proof"]?["gone"]?.bool == true)
    #expect(try holders(["f1/0"], bench) == [])
  }

  /// Its traces lie beside the outputs of a pass too.
  @Test func whatWentThroughAPassLeavesToo() throws {
    let passes = Self.document.replacing(#""name": "corpus","#, with: #""name": "corpus", "passes": true,"#)
      .replacing(
        #""near": { "use": "dedupe.minhash", "options": { "threshold": 0.6 }, "inputs": { "documents": "clean" } }"#,
        with: #""language": { "use": "filter.language", "inputs": { "documents": "clean" } }, "#
          + #""near": { "use": "dedupe.minhash", "options": { "threshold": 0.6 }, "inputs": { "documents": "language" } }"#
      )
    let own = "この一文は取り下げられる文書だけにある。"
    let bench = try Workbench(passes, texts: [[Self.text(1) + own, Self.text(2)], [Self.text(4)], [Self.text(5)]])
    try #require(try bench.run("run", "corpus.json").status == 0)
    #expect(try bench.shell("find .pipeline -path '*/.passed/*' -name record.json | wc -l").out != "0\n")
    #expect(try holders([own], bench).count > 1)
    let done = try json(bench, "f0/0", "--reason", "a request", "--yes")
    #expect(done["proof"]?["gone"]?.bool == true)
    #expect(try holders([own, "f0/0"], bench) == [])
    try #require(try bench.run("run", "corpus.json").status == 0)
    #expect(try bench.run("run", "corpus.json", "--force").status == 0)
    #expect(try json(bench, "--check")["proof"]?["gone"]?.bool == true)
    #expect(try holders([own, "f0/0"], bench) == [])
    let lineage = try JSONValue.parse(try bench.run("lineage", "corpus.json", "--json").out).value
    let near = try #require(lineage["stages"]?.array?.first { $0["stage"]?.string == "near" })
    #expect(near["made"]?["ledger"]?["input"]?["documents"] == 3)
  }

  @Test func aPackedDocumentLeavesWithItsCopies() throws {
    let bench = try makeBench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    let passage = String(Self.text(1).suffix(60))
    #expect(try holders([passage], bench).count > 3)
    let done = try json(bench, "f1/0", "--copies", "--reason", "a request", "--yes")
    #expect(done["proof"]?["gone"]?.bool == true && done["promoted"]?.array == [])
    #expect(done["plan"]?["documents"]?.array?.count == 2)
    #expect(done["proof"]?["passages"]?.integer ?? 0 > 20)
    #expect(try holders([passage, "f0/0", "f1/0"], bench) == [])
    // The other documents are all there.
    let lineage = try JSONValue.parse(try bench.run("lineage", "corpus.json", "--json").out).value
    let tokens = try #require(lineage["stages"]?.array?.first { $0["stage"]?.string == "tokens" })
    #expect(tokens["made"]?["ledger"]?["input"]?["documents"] == 5)
  }

  /// Speeches are written by meeting before they become its document.
  @Test func aDocumentOfPartsLeavesTheseToo() throws {
    let bench = try Workbench(
      """
      { "format": 1, "name": "corpus", "stages": {
          "diet": { "use": "diet.read", "options": { "pages": "\(packagePath("Fixtures/diet"))" } },
          "exact": { "use": "dedupe.exact", "inputs": { "documents": "diet" } } } }
      """)
    try #require(try bench.run("run", "corpus.json").status == 0)
    let artifact = try bench.run("artifact", "corpus.json", "diet").out.split(separator: "\n").map(String.init)[0]
    let names = try FileSystem.list(artifact)
    let meetings = try names.flatMap { name in
      let reader = try DocumentReader(path: "\(artifact)/\(name)")
      var out: [Document] = []
      while let document = try reader.next() { out.append(document) }
      return out
    }
    let meeting = try #require(meetings.max { $0.text.count < $1.text.count })
    let passage = try #require(meeting.textString.split(separator: "\n").max { $0.count < $1.count }).prefix(60)
    let before = try holders([String(passage)], bench)
    #expect(before.count >= 3)
    let done = try json(bench, meeting.idString, "--reason", "r", "--yes")
    #expect(done["proof"]?["gone"]?.bool == true)
    #expect(try holders([String(passage), meeting.idString], bench) == [])
  }

  /// The search can fail: it finds what stands where no run looks.
  @Test func whatIsLeftIsNamed() throws {
    let bench = try makeBench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    let words = ["remove", "corpus.json", "f0/1", "--reason", "r", "--yes", "--json"]
    _ = try bench.shell(
      "mkdir -p .pipeline/state/crawl; cp texts/0.jsonl .pipeline/state/crawl/page; gzip -k texts/0.jsonl; "
        + "mv texts/0.jsonl.gz .pipeline/state/crawl/")
    let first = try bench.run(words)
    #expect(first.status == 1)
    let proof = try #require(try JSONValue.parse(first.out).value["proof"])
    let left = try #require(proof["left"]?.array)
    #expect(proof["gone"]?.bool == false)
    #expect(left.map { $0["path"]?.string } == ["state/crawl/0.jsonl.gz", "state/crawl/page"])
    #expect(left.allSatisfy { $0["place"]?.string == "state" && $0["ids"]?.integer == 1 })
    #expect(left.allSatisfy { $0["passages"]?.integer ?? 0 > 5 })
    _ = try bench.shell("rm -r .pipeline/state/crawl")
    #expect(try bench.run(words).status == 0)
  }

  @Test(arguments: [("removal.passages", 1), ("removal.recorded", 1), ("task.manifest", 3), ("removal.cleaned", 1)])
  func killedAnywhereTheSameCommandFinishes(_ point: String, _ time: Int) throws {
    let bench = try makeBench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    let words = ["remove", "corpus.json", "f0/1", "--reason", "r", "--yes", "--json"]
    let broken = try bench.run(words, environment: ["PIPELINE_FAULT": "\(point):\(time)"])
    #expect(broken.status == 128 + SIGKILL, "\(point) was not reached")
    // A selection finds nothing any more where its documents were taken out before the process was killed.
    let isRecorded = point != "removal.passages"
    let again = ["remove", "corpus.json", "--source", "nobody", "--reason", "r", "--json"]
    let done = try bench.run(isRecorded ? again : words)
    #expect(done.status == 0, "\(done.err)\(done.out)")
    #expect(try bench.run(again).status == 2)
    #expect(try holders([String(Self.text(2).suffix(60)), "f0/1"], bench) == [])
  }

  @Test func whatCannotBeRemovedIsSaid() throws {
    let bench = try Workbench()
    try #require(try bench.run("run", "corpus.json").status == 0)
    for (words, message) in [
      (
        ["nobody", "--reason", "r", "--yes"],
        "no finished output of this pipeline contains a document with the id 'nobody'"
      ),
      (["f0/0", "--reason", "r"], "there is no terminal to ask for confirmation"), (["f0/0"], "--reason is missing"),
      (["--url", "example.com", "--reason", "r", "--yes"], "no document of the newest outputs is selected"),
      (["--where", "x", "--reason", "r"], "--where must be path=value"),
    ] {
      let outcome = try bench.run(["remove", "corpus.json"] + words)
      #expect(outcome.status == 2 && outcome.err.contains(message), "\(outcome.err)")
    }
    #expect(try bench.shell("ls .pipeline").out.contains("removed") == false)
  }
}

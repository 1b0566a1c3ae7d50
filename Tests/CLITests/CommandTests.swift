import Glibc
import ShardKit
import TestKit
import Testing

/// The commands on a small real pipeline.
@Suite struct CommandTests {
  @Test func artifactPrintsAPathAndNothingElse() throws {
    let bench = try Workbench()
    let early = try bench.run("artifact", "corpus.json", "shards")
    #expect(early.status == 1)
    #expect(
      bench.errors(early) == [
        "'shards' has no finished output yet. Create it with `pipeline run corpus.json --until shards`."
      ])
    #expect(early.out.isEmpty)
    #expect(!FileSystem.exists(bench.folder + "/.pipeline"), "a command that only looks makes no store")
    try bench.run("run", "corpus.json")
    let outcome = try bench.run("artifact", "corpus.json", "shards")
    #expect(outcome.err.isEmpty)
    #expect(outcome.status == 0)
    #expect(outcome.out.hasSuffix("/mds\n"))
    #expect(outcome.out.split(separator: "\n").count == 1)
    #expect(FileSystem.exists(outcome.out.dropLast() + "/index.json"))
    #expect(try bench.run("artifact", "shards.mds").out == outcome.out)
  }

  @Test func explainNamesTheOptionOldAndNew() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    try bench.write("corpus.json", Workbench.document(minimum: "85"))
    let clean = try bench.run("explain", "clean")
    #expect(clean.status == 0)
    #expect(clean.out.hasPrefix("clean (text.clean, revision "))
    #expect(clean.out.contains("  option 'minimumBytes' changed: 20 → 85\n"))
    #expect(clean.out.contains("run: it has not run before"))
    let shards = try bench.run("explain", "corpus.json", "shards")
    #expect(shards.out.contains("  clean: run: option 'minimumBytes' changed: 20 → 85\n"))
    let json = try JSONValue.parse(try bench.run("explain", "clean", "--json").out).value
    #expect(json["verdict"]?.string == "run")
    #expect(
      try bench.run("plan", "corpus.json").out.contains("clean   run      option 'minimumBytes' changed: 20 → 85"))
  }

  @Test func traceFollowsADocumentToItsSampleOrItsDrop() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let kept = try bench.run("trace", "f1/0")
    #expect(kept.status == 0)
    #expect(kept.out.contains("clean   kept: line 3 of documents/00000.jsonl.zst, 90 bytes of text\n"))
    #expect(kept.out.contains("shards  kept: sample 2 of mds/shard.00000.mds, 90 bytes of text\n"))
    let dropped = try bench.run("trace", "corpus.json", "f0/1")
    #expect(dropped.out.contains("clean  dropped: too-short: 6 (threshold 20)\n"))
    #expect(dropped.out.contains("  not reached: shards\n"))
    let unknown = try bench.run("trace", "f9/9")
    #expect(unknown.status == 2)
    #expect(
      bench.errors(unknown).first?.hasPrefix(
        "no finished output of this pipeline contains a document with the id 'f9/9'")
        == true)
    let json = try JSONValue.parse(try bench.run("trace", "f0/1", "--json").out).value
    #expect(json["found"]?.bool == true)
    #expect(json["stages"]?.array?[1]["drops"]?.array?[0]["threshold"]?.double == 20)
  }

  @Test func verifyFindsWhatWasAlteredAndTheNextRunMendsJustThat() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    #expect(try bench.run("verify").out.hasPrefix("no damage: "))
    let folder = String(try bench.run("artifact", "clean").out.dropLast())
    let path = "\(folder)/\(try #require(try FileSystem.list(folder).first))"
    let good = try FileSystem.read(path)
    var bytes = good
    bytes[bytes.count / 2] ^= 0xFF
    try FileSystem.write(bytes, to: path)
    try FileSystem.write([1], to: folder + "/stray.txt")
    #expect(try bench.run("plan").out.contains("clean   fresh"), "the same size: only reading shows it")
    let outcome = try bench.run("verify")
    #expect(outcome.status == 1)
    #expect(outcome.out.contains("altered  clean: its file documents/00000.jsonl.zst was modified: its digest is "))
    #expect(
      outcome.out.contains("extra  clean: the file documents/stray.txt is not in its manifest and is never read\n"))
    #expect(outcome.out.contains("The next run repeats 1 task: clean\n"))
    #expect(try bench.run("plan").out.contains("clean   run      its file documents/00000.jsonl.zst was modified"))
    let mended = try bench.run("run", "corpus.json")
    #expect(mended.out.contains("read    fresh"))
    #expect(mended.out.contains("shards  fresh"))
    #expect(try FileSystem.read(path) == good)
    #expect(try bench.run("verify").status == 0)
  }

  @Test func pruneRemovesWhatWasReplacedAndAsksFirst() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    try bench.write("corpus.json", Workbench.document(minimum: "85"))
    try bench.run("run", "corpus.json")
    let shown = try bench.run("prune", "--dry-run")
    #expect(shown.out.contains("a newer output has replaced it"))
    #expect(shown.out.contains("2 outputs, "))
    let unasked = try bench.run("prune", "corpus.json")
    #expect(unasked.status == 2)
    #expect(
      bench.errors(unasked) == [
        "nothing was removed: there is no terminal to ask for confirmation. Use --yes to remove without confirmation."
      ])
    #expect(try bench.run("prune", "--keep", "2").out == "nothing to remove\n")
    #expect(try bench.run("prune", "--yes").status == 0)
    #expect(try bench.run("prune", "--dry-run").out == "nothing to remove\n")
    #expect(try bench.run("run", "corpus.json").out.hasPrefix("nothing to do: 3 stages up to date"))
  }

  @Test func pruneSparesOtherPipelinesOfTheStore() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let other = Workbench.document(minimum: "85").replacing("\"corpus\"", with: "\"other\"")
    try bench.write("other.json", other)
    try bench.run("run", "other.json")
    #expect(try bench.run("prune", "other.json", "--dry-run").out == "nothing to remove\n")
    let one = try bench.run("artifact", "corpus.json", "clean").out
    #expect(try bench.run("artifact", "other.json", "clean").out != one, "each pipeline has its own newest output")
  }

  @Test func lineageBalances() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let text = try bench.run("lineage").out
    #expect(text.contains("  dropped  1 document, 6 B  too-short\n"))
    #expect(text.contains("  reads    read.documents  "))
    let json = try JSONValue.parse(try bench.run("lineage", "--json").out).value
    let ledger = json["stages"]?.array?[1]["made"]?["ledger"]
    #expect(ledger?["input"]?["documents"]?.integer == 4)
    #expect(ledger?["output"]?["documents"]?.integer == 3)
    #expect(try bench.run("lineage", "corpus.json", "--html", "page.html").status == 0)
    let page = String(decoding: try FileSystem.read(bench.folder + "/page.html"), as: UTF8.self)
    #expect(page.contains("clean: 1 dropped as too-short"))
    #expect(!page.contains("<script") && !page.contains("src="))
  }

  @Test func statusSaysHowFarItCame() throws {
    let bench = try Workbench()
    #expect(try bench.run("status").out.hasPrefix("This pipeline has not run before.\n"))
    try bench.run("run", "corpus.json", "--until", "clean")
    let status = try bench.run("status").out
    #expect(status.contains("run 1 began "))
    #expect(status.contains("clean   fresh  "))
    #expect(status.contains("shards  new"))
    let json = try JSONValue.parse(try bench.run("status", "--json").out).value
    #expect(json["stages"]?.array?.map { $0["state"]?.string } == ["fresh", "fresh", "new"])
  }

  @Test func initWritesAPipelineThatRuns() throws {
    let bench = try Workbench()
    #expect(try bench.run("init", "fresh/first.json").status == 0)
    let outcome = try bench.run("run", "fresh/first.json")
    #expect(outcome.status == 0)
    #expect(outcome.out.contains("dedupe  done                5    4        1"), "one of the texts is a near-duplicate")
    let again = try bench.run("init", "fresh/first.json")
    #expect(again.status == 2)
    #expect(bench.errors(again) == ["fresh/first.json already exists and was not changed. Name another file."])
  }

  @Test(.needs(PeerScript.hasPython3, "needs python3")) func initWithPythonWritesAStageThatRuns() throws {
    let bench = try Workbench()
    #expect(try bench.run("init", "--python", "own/first.json").status == 0)
    let outcome = try bench.run("run", "own/first.json")
    #expect(
      outcome.status == 0 && outcome.out.contains("own     done                4    3        1"), "\(outcome.out)")
    let again = try bench.run("init", "--python", "own/other.json")
    #expect(bench.errors(again) == ["own/filter.py already exists and was not changed. Use another folder."])
  }

  @Test func schemaAcceptsWhatLoadsAndRejectsWhatDoesNot() throws {
    let bench = try Workbench()
    try bench.write("bad1.json", Workbench.document(minimum: "\"many\""))
    try bench.write("bad2.json", Workbench.document(extra: #", "x": { "use": "text.claen" }"#))
    try bench.write("bad3.json", Workbench.document(extra: #", "x": { "use": "text.clean" }"#))
    try bench.write("good.json", Workbench.document(minimum: #""${files}""#))
    try bench.write(
      "check.py",
      """
      import json, sys, jsonschema
      schema = json.load(open('schema.json'))
      jsonschema.Draft202012Validator.check_schema(schema)
      validator = jsonschema.Draft202012Validator(schema)
      print([validator.is_valid(json.load(open(name))) for name in sys.argv[1:]])
      """)
    let outcome = try bench.shell(
      "pipeline schema > schema.json && ${PIPELINE_PYTHON:-python3} check.py corpus.json good.json bad1.json bad2.json bad3.json"
    )
    #expect(outcome.out == "[True, True, False, False, False]\n", "\(outcome.err)")
  }

  /// What an editor's validator says of `foreach`, `extends`, parameters and YAML is what loading says.
  @Test func schemaKnowsEveryForm() throws {
    let bench = try Workbench()
    let read = #""read": { "use": "documents.read", "options": { "files": "texts" } }"#
    func stages(_ text: String) -> String { #"{ "format": 1, "parameters": { "n": 2 }, "stages": { \#(text) } }"# }
    func change(_ text: String) -> String { #"{ "extends": "corpus.json", "stages": { \#(text) } }"# }
    let good = [
      stages(#""w": { "foreach": ["a", 2], "use": "documents.read", "options": { "files": "texts/*" } }"#),
      stages(
        #""w": { "foreach": [{ "name": "a" }], "use": "documents.read", "options": { "files": "${item.name}*" } }"#),
      stages(#""w": { "foreach": { "k": 1 }, "use": "documents.read", "options": { "files": "${key}" } }"#),
      stages(#""w": { "foreach": "texts", "use": "documents.read", "options": { "files": "${item}" } }"#),
      stages(#"\#(read), "c": { "use": "text.clean", "inputs": { "documents": "${n}" }, "retries": "${n}" }"#)
        .replacing("\"n\": 2", with: "\"n\": \"read\"").replacing(#", "retries": "${n}""#, with: ""),
      change(#""clean": { "options": { "minimumBytes": 3 } }"#), change(#""shards": null"#),
      change(#""clean": { "use": "text.clean", "options": { "minimumBytes": 3 } }"#),
      #"{ "extends": ["corpus.json"], "parameters": { "files": "texts" } }"#,
    ]
    let bad = [
      stages(#""w": { "foreach": [], "use": "documents.read", "options": { "files": "a" } }"#),
      stages(#""w": { "foreach": 7, "use": "documents.read", "options": { "files": "a" } }"#),
      stages(#""w": { "foreach": [{}], "use": "documents.read", "options": { "files": "a" } }"#),
      stages(#"\#(read), "c": { "use": "text.clean", "inputs": { "documents": null } }"#), stages(#""w": null"#),
      stages(#"\#(read), "c": { "inputs": { "documents": "read" } }"#), #"{ "extends": 7 }"#, #"{ "format": 1 }"#,
      change(#""clean": { "options": { "minimumBytes": 3 }, "retires": 1 }"#),
      change(#""clean": { "use": "text.clean", "options": { "minimumByte": 3 } }"#), #"{ "extends": [""] }"#,
    ]
    var names: [String] = []
    for (number, text) in (good + bad).enumerated() {
      names.append("d\(number).json")
      try bench.write(names[number], text)
    }
    try bench.write("y.yaml", "extends: corpus.json\nstages:\n  clean: { options: { minimumBytes: 3 } }\n")
    try bench.write("z.yaml", "extends: corpus.json\nstages:\n  clean: { option: { minimumBytes: 3 } }\n")
    names += ["y.yaml", "z.yaml"]
    let shipped = try ["Pipelines", "Pipelines/tiny"].flatMap { folder in
      try FileSystem.list(packagePath(folder), hidden: false)
        .filter { $0.hasSuffix(".json") && !$0.hasSuffix("schema.json") }
        .map { packagePath("\(folder)/\($0)") }
    }
    try bench.write(
      "check.py",
      """
      import json, sys, jsonschema, yaml
      schema = json.load(open('schema.json'))
      jsonschema.Draft202012Validator.check_schema(schema)
      validator = jsonschema.Draft202012Validator(schema)
      print(*[int(validator.is_valid(yaml.safe_load(open(name)))) for name in sys.argv[1:]], sep='')
      """)
    let said = try bench.shell(
      "pipeline schema > schema.json && ${PIPELINE_PYTHON:-python3} check.py \((names + shipped).joined(separator: " "))"
    )
    let expected = String(repeating: "1", count: good.count) + String(repeating: "0", count: bad.count) + "10"
    #expect(said.out == expected + String(repeating: "1", count: shipped.count) + "\n", "\(said.err)")
    let loads = try bench.shell(
      "for name in \(names.joined(separator: " ")); do pipeline plan $name > out 2>&1; [ $? = 2 ]; printf $?; done")
    #expect(loads.out == expected)
  }

  @Test func everyFormIsReadByTheCommands() throws {
    let bench = try Workbench()
    try FileSystem.remove(bench.folder + "/corpus.json")
    try bench.write(
      "corpus.yaml",
      """
      # Two of one entry, read together.
      format: 1
      stages:
        read: { foreach: texts, use: documents.read, options: { files: "${item}" } }
        clean: { use: text.clean, options: { minimumBytes: 20 }, inputs: { documents: read } }
      """)
    try bench.write(
      "profiles.yaml", "format: 1\nprofiles:\n  here: { values: { stages.clean.options.minimumBytes: 85 } }\n")
    #expect(try bench.run("run").status == 0)
    #expect(try bench.run("status").out.contains("read-0  fresh"))
    #expect(try bench.run("explain", "clean").out.hasPrefix("clean (text.clean, revision "))
    let several = try bench.run("explain", "corpus.yaml", "read")
    #expect(bench.errors(several) == ["'read' stands for 2 stages: read-0, read-1. Name one of them."])
    #expect(try bench.run("artifact", "corpus.yaml", "read-1").status == 0)
    #expect(try bench.run("lineage", "read").out.contains("read-1"))
    let place = try bench.run("plan", "--profile", "profiles.yaml")
    #expect(place.out.contains("option 'minimumBytes' changed: 20 → 85"))
    #expect(try bench.run("plan", "--profile", "profiles.yaml:here").out == place.out)
    let set = try bench.run("plan", "--set", "stages.clean.options.minimumBytes=86", "--profile", "profiles.yaml")
    #expect(set.out.contains("option 'minimumBytes' changed: 20 → 86"))
    try bench.write("pipeline-profile.json", #"{ "format": 1, "profiles": { "a": { "values": 7 } } }"#)
    #expect(
      bench.errors(try bench.run("plan")).first?.hasPrefix("./pipeline-profile.json:1:47: profiles.a.values: should be")
        == true)
    try FileSystem.remove(bench.folder + "/pipeline-profile.json")
    #expect(try bench.run("run", "--only", "read").out.hasPrefix("nothing to do: 2 stages"))
    let expanded = try bench.run("expand", "corpus.yaml", "--set", "stages.clean.retries=2").out
    #expect(expanded.contains("\"documents\": [\n") && expanded.contains("\"retries\": 2"))
    try bench.write("expanded.json", expanded)
    #expect(try bench.run("run", "expanded.json").out.hasPrefix("nothing to do: 3 stages"), "the same pipeline")
    try FileSystem.remove(bench.folder + "/expanded.json")
    #expect(try bench.run("init", "other/first.yaml").status == 0)
    #expect(try bench.run("run", "other/first.yaml").status == 0)
  }

  @Test func stagesDocumentThemselves() throws {
    let bench = try Workbench()
    let one = try bench.run("stages", "mds.write").out
    #expect(
      one.contains(
        "\n  shardBytes  a number of bytes such as 67108864 or \"64MiB\", 1024 to 4294967295, default 67108864\n"))
    let json = try JSONValue.parse(try bench.run("stages", "--json").out).value
    #expect(json.array?.contains { $0["name"]?.string == "dedupe.minhash" } == true)
  }

  @Test func stagesAreListedByWhatTheyDo() throws {
    let bench = try Workbench()
    let lines = try bench.run("stages").out.split(separator: "\n").map(String.init)
    let headings = lines.filter { !$0.hasPrefix(" ") }
    #expect(headings.first == "Crawl and download" && headings.contains("Train") && !headings.contains("Other"))
    let kinds = lines.filter { $0.hasPrefix("  ") }.map { String($0.split(separator: " ")[0]) }
    let json = try JSONValue.parse(try bench.run("stages", "--json").out).value
    #expect(kinds.sorted() == json.array?.compactMap { $0["name"]?.string })
    let first = try #require(lines.firstIndex(of: "Clean and filter"))
    let chapter = lines[(first + 1)...].prefix { $0.hasPrefix(" ") }.map { String($0.split(separator: " ")[0]) }
    #expect(
      chapter.first == "classifier.finetune" && chapter == chapter.sorted() && chapter.contains("filter.language"))
  }

  @Test func theStageReferenceIsTheGeneratedOne() throws {
    let bench = try Workbench()
    let stored = String(decoding: try FileSystem.read(packagePath("Documentation/stages.md")), as: UTF8.self)
    #expect(
      try bench.run("stages", "--markdown").out == stored,
      "Run `pipeline stages --markdown > Documentation/stages.md`.")
    let one = try bench.run("stages", "mds.write", "--markdown").out
    #expect(one.hasPrefix("### mds.write\n") && stored.contains(one))
    #expect(try bench.run("stages", "--markdown", "--json").status == 2)
  }

  @Test func doctorFindsNothingMissingHere() throws {
    let bench = try Workbench()
    let outcome = try bench.run("doctor")
    #expect(outcome.status == 0, "\(outcome.out)")
    #expect(outcome.out.contains("hard links"))
  }

  @Test func aReaderThatGoesAwayEndsItQuietly() throws {
    let bench = try Workbench()
    let outcome = try bench.shell("pipeline schema | head -n 1; pipeline stages --json | head -c 1")
    #expect(outcome.out == "{\n[")
    #expect(outcome.err.isEmpty)
    let run = try bench.shell("set -o pipefail; pipeline run corpus.json --json | head -n 1 > first; pipeline plan")
    #expect(run.out.contains("shards  fresh"), "the run finishes its work without its reader")
  }

  @Test func noColoursWhereNobodySeesThem() throws {
    let bench = try Workbench()
    let outcome = try bench.run("run", "corpus.json", environment: ["TERM": "xterm"])
    #expect(!outcome.out.contains("\u{1B}") && !outcome.err.contains("\u{1B}"))
  }
}

import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

private func deduplicated(
  _ files: [[Document]], options: JSONValue = [:], backwards: Bool = false, memoryBytes: Int = 1 << 28
) throws -> StageHarness {
  let harness = try StageHarness(DedupeExact.self, options: options)
  try harness.add(documents: files)
  return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
}

@Suite struct DedupeExactTests {
  private let documents = [
    Document(id: "a", text: "同じ　文章です。"), Document(id: "b", text: "同じ 文章です。\n"),
    Document(id: "c", text: "同じ 文章です。\n"), Document(id: "d", text: "バス"), Document(id: "e", text: "パス"),
    Document(id: "f", text: ""), Document(id: "g", text: ""),
  ]

  @Test func comparesNormalisedText() throws {
    let harness = try deduplicated([documents])
    #expect(try harness.documents().map(\.idString) == ["a", "d", "e", "f"])
    #expect(try harness.drops().map { [$0.id, $0.survivor] } == [["b", "a"], ["c", "a"], ["g", "f"]])
    #expect(try harness.drops().allSatisfy { $0.reason == "exact-duplicate" && $0.value == 1 && $0.threshold == 1 })
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func comparesRawText() throws {
    let harness = try deduplicated([documents], options: ["text": "raw"])
    #expect(try harness.documents().map(\.idString) == ["a", "b", "d", "e", "f"])
  }

  @Test func survivorsFollowSourceThenLengthThenID() throws {
    let files = [
      [Document(id: "a", text: "文章", source: "web"), Document(id: "b", text: "文章", source: "wiki")],
      [Document(id: "c", text: "文章\n", source: "web")],
    ]
    #expect(try deduplicated(files).documents().map(\.idString) == ["c"])
    #expect(try deduplicated(files, options: ["sources": .strings(["wiki"])]).documents().map(\.idString) == ["b"])
  }

  @Test func everyArrangementHasTheSameSurvivors() throws {
    var planted = PlantedTexts(seed: 6)
    let some = planted.documents(originals: 2500, characters: 3)
    let expected = try deduplicated([some])
    let drops = try Set(expected.drops().map { "\($0)" })
    #expect(drops.count > 30)
    for parts in [3, 8] {
      let harness = try deduplicated(some.shuffled(using: &planted).split(into: parts), backwards: true)
      #expect(try Set(harness.drops().map { "\($0)" }) == drops)
    }
    #expect(try deduplicated([some], memoryBytes: 4096).digests == expected.digests)
  }

  /// Documents that stay keep their very bytes.
  @Test func linesPassUnchanged() throws {
    let document = Document(id: "q\"\n", text: "引用\"と\\と\u{1F600}", source: "s", metadata: ["k": ["n": 1]])
    let harness = try deduplicated([[document]])
    #expect(try harness.documents() == [document])
  }

  /// What is not written anew has the bytes, the ids and the counts that writing gives.
  @Test func aFileThatLosesNothingStaysAsItIs() throws {
    let unique = (0..<50).map { Document(id: "u\($0)", text: "文章\($0)", metadata: ["n": .integer($0)]) }
    let copies = [Document(id: "v0", text: "文章0"), Document(id: "v1", text: "別の文章です")]
    let harness = try deduplicated([unique, copies])
    let path = "\(harness.directory)/input/upstream/00000.jsonl.zst"
    let input = try FileSystem.read(path)
    let kept = harness.files("documents")
    #expect(kept.map(\.name) == ["00000.jsonl.zst", "00001.jsonl.zst"] && kept.map(\.documents) == [50, 1])
    #expect(try FileSystem.read(kept[0].path) == input && kept[0].digest == Digester.digest(input))
    #expect(FileSystem.status(kept[0].path)?.inode == FileSystem.status(path)?.inode)
    #expect(try harness.documents().map(\.idString) == unique.map(\.idString) + ["v1"])
    let ids = try FileSystem.read(harness.files("ids")[0].path)
    #expect(ids == unique.map { recordHash($0.id).littleEndian }.withUnsafeBytes { Array($0) })
    #expect(harness.ledger.input.documents == 52 && harness.ledger.output.documents == 51)
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func changedInputIsNoticed() throws {
    let harness = try StageHarness(DedupeExact.self)
    try harness.add(documents: [[Document(id: "a", text: "一"), Document(id: "b", text: "二")]])
    try harness.run()
    let input = try #require(try FileSystem.list(harness.directory + "/input/upstream").first)
    try FileSystem.write(Array(#"{"id":"a","text":"一"}"#.utf8), to: "\(harness.directory)/input/upstream/\(input)")
    let files = [
      ArtifactFile(
        path: "\(harness.directory)/input/upstream/\(input)", name: input, bytes: 0, digest: Digester.digest([])),
      harness.files("index")[0], harness.files("duplicates")[0],
    ]
    let task = TaskRun(
      directory: harness.directory + "/again", keptState: harness.directory + "/state", phase: "filter",
      task: TaskPlan(key: "00000", inputs: [.main: [files[0]], "index": [files[1]], "duplicates": [files[2]]]),
      fingerprint: Digester.digest([]), memoryBytes: 1 << 20, control: TaskControl())
    #expect { try task.run(DedupeExact(options: .init())) } throws: {
      "\($0)".contains("its documents changed since it was first read")
    }
  }
}

import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// A pipeline of a reader and `dedupe.minhash` in a folder of its own.
private struct Dedupe {
  let folder = temporaryDirectory()

  /// Tasks by phase of the deduplication: how many there are, and how many an earlier run had done.
  func run(_ options: String) throws -> [String: [Int]] {
    let document = """
      { "format": 1, "name": "t", "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts" } },
        "dedupe": { "use": "dedupe.minhash", "inputs": { "documents": "read" }, "options": { \(options) } } } }
      """
    let graph = try Graph(
      try PipelineSpec.parse(Array(document.utf8), path: folder + "/p.json"), registry: .builtin)
    let run = try PipelineRun(graph: graph, store: try RunStore(root: folder + "/.pipeline"), settings: .init())
    var phases: [String: [Int]] = [:]
    let outcome = try run.run(listen: { event in
      guard case .phaseBegan("dedupe", let phase, let tasks, let kept) = event else { return }
      phases[phase] = [tasks, kept]
    })
    #expect(outcome == .done)
    return phases
  }

  func write(_ files: [[Document]]) throws {
    try FileSystem.makeDirectory(folder + "/texts")
    for (i, documents) in files.enumerated() {
      var lines: [UInt8] = []
      for document in documents { document.append(to: &lines) }
      try FileSystem.write(lines, to: "\(folder)/texts/\(i).jsonl")
    }
  }
}

/// What a changed option of `dedupe.minhash` does again.
@Suite struct DedupeReuseTests {
  @Test func aThresholdKeepsTheSignaturesAndAShingleWidthDoesNot() throws {
    let dedupe = Dedupe()
    defer { try? FileSystem.removeTree(dedupe.folder) }
    var planted = PlantedTexts(seed: 5)
    try dedupe.write(planted.documents(originals: 20).split(into: 1))
    let first = try dedupe.run("")
    #expect(first["signatures"] == [1, 0])
    let bands = try #require(first["bands"]?[0])

    let threshold = try dedupe.run("\"threshold\": 0.8")
    #expect(threshold["signatures"] == [1, 1])
    #expect(threshold["bands"] == [bands, bands] && threshold["texts"] == [1, 1])
    #expect(
      threshold["comparisons"] == [1, 1] && threshold["similarities"] == [1, 1] && threshold["clusters"] == [1, 0])

    // Outside of the range that is stored, pairs are compared again.
    let low = try dedupe.run("\"threshold\": 0.5")
    #expect(low["signatures"] == [1, 1] && low["bands"] == [bands, bands] && low["comparisons"] == [1, 0])
    #expect(try dedupe.run("\"threshold\": 0.5, \"similarityFloor\": 0.5, \"similarityCeiling\": 0.9").isEmpty)

    let width = try dedupe.run("\"threshold\": 0.8, \"shingleWidth\": 4")
    #expect(width["signatures"] == [1, 0] && width["bands"] == [bands, 0])

    // The order of sources stands in the signatures' index.
    #expect(try dedupe.run("\"sources\": [\"b\"]")["signatures"] == [1, 0])
  }

  /// What is kept must be what the whole stage would have made.
  @Test func signaturesDoNotDependOnTheThreshold() throws {
    var planted = PlantedTexts(seed: 6)
    let files = planted.documents(originals: 20).split(into: 2)
    func digests(_ options: JSONValue) throws -> [String: String] {
      let harness = try StageHarness(DedupeMinHash.self, options: options)
      try harness.add(documents: files)
      return try harness.run().digests.filter { $0.key.hasPrefix("rows/") || $0.key.hasPrefix("signatures/") }
    }
    let standard = try digests([:])
    #expect(standard.count == 4)
    #expect(try digests(["threshold": .number(0.9)]) == standard)
    #expect(try digests(["shingleWidth": 4]) != standard)
  }
}

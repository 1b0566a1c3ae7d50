import CKernels
import PipelineKit
import ShardKit
import TestKit
import Testing
import TrainerCore

@testable import Stages

/// Documents with vectors in groups: near their group's direction, at different distances from it.
private struct PlantedVectors {
  static let size = 20
  var documents: [Document] = []
  var vectors: [[Float]] = []

  init(groups: Int, of most: Int, seed: UInt64, noise: Float = 0.5) {
    var random = SplitMix(seed: seed)
    func number() -> Float { Float.random(in: -1...1, using: &random) }
    for group in 0..<groups {
      let center = (0..<Self.size).map { _ in number() }
      for member in 0..<Int.random(in: 1...most, using: &random) {
        let spread = member == 0 ? 0 : Float.random(in: 0...noise, using: &random)
        documents.append(
          Document(
            id: "d\(group).\(member)", text: String(repeating: "文", count: Int.random(in: 1...9, using: &random)),
            source: ["web", "books"][Int.random(in: 0...1, using: &random)]))
        // Of any length.
        let length = Float.random(in: 0.1...10, using: &random)
        vectors.append(center.map { ($0 + spread * number()) * length })
      }
    }
  }

  func cosine(_ a: Int, _ b: Int) -> Double {
    var (dot, x, y) = (0.0, 0.0, 0.0)
    for (p, q) in zip(vectors[a], vectors[b]) {
      dot += Double(p) * Double(q)
      x += Double(p) * Double(p)
      y += Double(q) * Double(q)
    }
    return dot / (x * y).squareRoot()
  }

  /// From the most preferred on.
  func preferred(_ sources: [String]) -> [Int] {
    documents.indices.sorted { a, b in
      func key(_ number: Int) -> (Int, Int, String) {
        let document = documents[number]
        let source = sources.firstIndex(of: String(decoding: document.source, as: UTF8.self)) ?? sources.count
        return (source, -document.text.count, document.idString)
      }
      return key(a) < key(b)
    }
  }

  /// Every document with every kept one that is preferred to it: which one removes it.
  func removed(threshold: Double, sources: [String]) -> [String: (survivor: String, similarity: Double)] {
    var kept: [Int] = [], removed: [String: (survivor: String, similarity: Double)] = [:]
    for document in preferred(sources) {
      if let survivor = kept.first(where: { cosine($0, document) >= threshold }) {
        removed[documents[document].idString] = (documents[survivor].idString, cosine(survivor, document))
      } else {
        kept.append(document)
      }
    }
    return removed
  }

  /// - Parameter parts: the numbers of the documents of each file.
  func run(
    _ options: JSONValue, parts: [[Int]]? = nil, more: Int = 0, backwards: Bool = false, memoryBytes: Int = 1 << 28
  ) throws -> StageHarness {
    let parts = parts ?? [Array(documents.indices)]
    let harness = try StageHarness(DedupeSemantic.self, options: options)
    try harness.add(documents: parts.map { $0.map { documents[$0] } })
    let files = try parts.enumerated().map { place, part in
      // Vectors of further documents stand between, as those before a filter do.
      let other = [(UInt64(7), [Float](repeating: 1, count: Self.size))]
      let rows = part.flatMap { number in
        (number % 3 < more ? other : []) + [(recordHash(documents[number].id), vectors[number])]
      }
      return try Self.write(rows, "\(harness.directory)/\(place).safetensors")
    }
    harness.add(files: files, to: "vectors", from: "embed")
    return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
  }

  static func write(_ rows: [(id: UInt64, vector: [Float])], _ path: String) throws -> ArtifactFile {
    let ids = rows.map(\.id)
    let digest = try Safetensors.write(
      [
        TensorSource("vectors", shape: [rows.count, size], floats: rows.flatMap(\.vector)),
        TensorSource("ids", .int64, shape: [rows.count], bytes: ids.withUnsafeBytes { Array($0) }),
      ], to: path)
    return ArtifactFile(
      path: path, name: ArchivePath.lastPart(of: path), bytes: FileSystem.status(path)!.bytes, digest: digest,
      documents: rows.count)
  }
}

@Suite struct DedupeSemanticTests {
  private static let planted = PlantedVectors(groups: 60, of: 8, seed: 3)

  private static func members(_ sources: [String] = [], _ more: [JSONMember] = []) -> JSONValue {
    .object([JSONMember("threshold", .number(0.9)), JSONMember("sources", .strings(sources))] + more)
  }

  /// In one cluster, what goes is what comparing all with all says, in every arrangement of files and tasks.
  @Test(arguments: [[], ["books"], ["web", "books"]]) func agreesWithBruteForce(_ sources: [String]) throws {
    let planted = Self.planted
    let expected = planted.removed(threshold: 0.9, sources: sources)
    #expect(expected.count > 30 && expected.count < planted.documents.count - 60)
    let harness = try planted.run(Self.members(sources))
    let drops = try harness.drops()
    #expect(drops.count == expected.count && harness.ledger.imbalance == 0)
    for drop in drops {
      let removed = try #require(expected[drop.id])
      #expect(drop.reason == "semantic-duplicate" && drop.threshold == 0.9 && drop.survivor == removed.survivor)
      #expect(abs(try #require(drop.value) - removed.similarity) < 1e-5 && drop.detail == nil)
    }
    let kept = Set(try harness.documents().map(\.idString))
    #expect(kept == Set(planted.documents.map(\.idString)).subtracting(expected.keys))
    // Every file in another order, and vectors of documents that are not read.
    let numbers = Array(planted.documents.indices)
    let parts = [Array(numbers[40...].reversed()), [], Array(numbers[..<40])]
    let other = try planted.run(Self.members(sources), parts: parts, more: 1, backwards: true, memoryBytes: 4096)
    #expect(Set(try other.documents().map(\.idString)) == kept)
    #expect(try other.drops().sorted { $0.id < $1.id } == drops.sorted { $0.id < $1.id })
    #expect(try planted.run(Self.members(sources), backwards: true, memoryBytes: 4096).digests == harness.digests)
  }

  /// In clusters, what goes is similar to what stays, and little is missed; and files and tasks change nothing.
  @Test func clustersMissLittle() throws {
    let planted = Self.planted
    let options = Self.members([], [JSONMember("clusters", 9), JSONMember("nearestClusters", 3)])
    let harness = try planted.run(options)
    let numbers = Dictionary(
      uniqueKeysWithValues: planted.documents.enumerated().map { ($0.element.idString, $0.offset) })
    let drops = try harness.drops(), expected = planted.removed(threshold: 0.9, sources: [])
    for drop in drops {
      let cosine = planted.cosine(numbers[drop.id]!, numbers[try #require(drop.survivor)]!)
      #expect(cosine >= 0.9 - 1e-6 && abs(cosine - drop.value!) < 1e-5)
    }
    #expect(drops.count <= expected.count + 2 && Double(drops.count) > 0.9 * Double(expected.count))
    #expect(harness.files("pairs").count == 9 && harness.metrics["clusters-of-vectors"] == 9)
    let all = Array(planted.documents.indices)
    let other = try planted.run(
      options, parts: [Array(all[100...]), Array(all[..<100].reversed())], backwards: true, memoryBytes: 4096)
    #expect(try other.drops().sorted { $0.id < $1.id } == drops.sorted { $0.id < $1.id })
    // Fewer nearest clusters find fewer pairs.
    let one = try planted.run(Self.members([], [JSONMember("clusters", 9), JSONMember("nearestClusters", 1)]))
    #expect(one.metrics["pairs"]! < harness.metrics["pairs"]!)
  }

  /// A cluster that is larger than a block is clustered again; one of equal vectors is compared with its preferred ones.
  @Test func largeClustersCostNoMoreThanBlocks() throws {
    let planted = Self.planted
    let harness = try planted.run(Self.members())
    let vectors = try VectorTable(
      DocumentTable(harness.files("rows").map(\.path)), harness.files("units").map(\.path))
    var blocks = SemanticPairs(vectors, floor: 0.9, TaskControl(), block: 48)
    var found: Set<UInt64> = []
    let all = (0..<UInt32(planted.documents.count)).map { $0 }
    try blocks.search(all) { pair in
      #expect(planted.cosine(Int(pair.worse), Int(pair.better)) > 0.9 - 1e-5)
      #expect(vectors.table.isBetter(pair.better, pair.worse))
      found.insert(pair.prefix)
    }
    var whole: Set<UInt64> = []
    var search = SemanticPairs(vectors, floor: 0.9, TaskControl())
    try search.search(all) { whole.insert($0.prefix) }
    #expect(found.isSubset(of: whole) && Double(found.count) > 0.7 * Double(whole.count))

    var equal = planted
    equal.vectors = equal.vectors.map { _ in planted.vectors[0] }
    let same = try equal.run(Self.members())
    let first = planted.preferred([])[0]
    #expect(try same.documents().map(\.idString) == [planted.documents[first].idString])
    #expect(same.warnings["nearly-all-removed"] == 1)
    let table = try VectorTable(DocumentTable(same.files("rows").map(\.path)), same.files("units").map(\.path))
    var few = SemanticPairs(table, floor: 0.9, TaskControl(), block: 48)
    var pairs = [UInt32: Int](), best: Set<UInt32> = []
    try few.search(all) { pair in
      pairs[pair.worse, default: 0] += 1
      if Int(pair.better) == first { best.insert(pair.worse) }
    }
    #expect(best.count == all.count - 1 && pairs.values.allSatisfy { $0 < 48 })
  }

  @Test func aDocumentHasNoMorePairsThanItNeeds() throws {
    var planted = PlantedVectors(groups: 400, of: 1, seed: 5)
    planted.vectors = planted.vectors.map { _ in planted.vectors[0] }
    let harness = try planted.run(Self.members())
    #expect(try harness.documents().count == 1)
    let most = SemanticPairs.mostPairs
    #expect(harness.warnings["pairs-limited"] == 400 - most)
    // Whatever its sums are rounded to, an equal vector is equal.
    #expect(try planted.run(["threshold": 1]).documents().count == 1)
    #expect(harness.metrics["pairs"] == Double(most * (most - 1) / 2 + most * (400 - most)))
  }

  /// `pipeline what-if` says what a run with another threshold does.
  @Test func otherThresholdsAreAnsweredAsARunWould() throws {
    let planted = Self.planted
    let thresholds = [0.9, 0.8, 0.97]
    let options = Self.members([], [JSONMember("similarityFloor", .number(0.8)), JSONMember("clusterSize", true)])
    let harness = try planted.run(options)
    var context = NodeContext(inputs: [:], base: "/")
    for port in ["rows", "measures", "similarities"] { context.outputs[port] = harness.files(port) }
    context.inputs["documents"] = [WiredArtifact(stage: "s", port: "documents", files: harness.files("documents"))]
    let variants = thresholds.map { threshold in
      var options = DedupeSemantic.Options()
      (options.threshold, options.similarityFloor) = (threshold, 0.8)
      return DedupeSemantic(options: options)
    }
    let answers = try DedupeSemantic.whatIf(variants, WhatIfQuestion(), in: context)
    for (threshold, answer) in zip(thresholds, answers) {
      let removed = planted.removed(threshold: threshold, sources: [])
      #expect(answer.dropped["semantic-duplicate"]?.documents == removed.count)
      #expect(answer.kept.documents == planted.documents.count - removed.count)
    }
    // Another threshold compares nothing again.
    #expect(DedupeSemantic.options(of: .pairs) == ["similarityFloor"])
    #expect(throws: StageError.self) { try DedupeSemantic.check(0.79, floor: 0.8) }
    // What a kept document stands for.
    let sizes = try harness.documents().map { document in
      try JSONValue.parse(document.metadata).value["clusterSize"]?.integer ?? 0
    }
    #expect(sizes.reduce(0, +) == planted.documents.count)
  }

  @Test func whatDoesNotBelongTogetherIsSaid() throws {
    let planted = PlantedVectors(groups: 12, of: 1, seed: 9)
    #expect(try planted.run([:]).warnings["nothing-removed"] == 1)
    let all = Array(planted.documents.indices)
    func harness(_ rows: [(id: UInt64, vector: [Float])]) throws -> StageHarness {
      let harness = try StageHarness(DedupeSemantic.self)
      try harness.add(documents: [planted.documents])
      harness.add(
        files: [try PlantedVectors.write(rows, harness.directory + "/v.safetensors")], to: "vectors", from: "embed")
      return harness
    }
    let rows = all.map { (recordHash(planted.documents[$0].id), planted.vectors[$0]) }
    let missing = #expect(throws: StageError.self) { try harness(Array(rows.dropLast())).run() }
    #expect(missing?.description.contains("lack one of document 'd11.0' at its place") == true)
    let turned = #expect(throws: StageError.self) { try harness(rows.reversed()).run() }
    #expect(turned?.description.contains("lack one of document") == true)
    var zero = rows
    zero[3].1 = [Float](repeating: 0, count: PlantedVectors.size)
    let none = #expect(throws: StageError.self) { try harness(zero).run() }
    #expect(none?.description.contains("the one of document 'd3.0' has no direction") == true)
    // One id twice, of which one document is missing.
    let twice = #expect(throws: StageError.self) { try harness([rows[0]] + rows).run() }
    #expect(twice?.description.contains("have several of the id 'd0.0'") == true)
    let files = try harness(rows)
    try files.add(documents: [[Document(id: "x", text: "x")]], from: "another")
    let more = #expect(throws: StageError.self) { try files.run() }
    #expect(more?.message == "are those of 1 files of documents, but 2 are read")
    #expect(throws: StageError.self) {
      try StageHarness(DedupeSemantic.self, options: ["similarityFloor": .number(0.99)])
    }
    #expect(throws: StageError.self) { try StageHarness(DedupeSemantic.self, options: ["clusters": 0]) }
    #expect(try planted.run(["threshold": .number(0.5)], parts: [[], []]).documents().isEmpty)
  }

  /// All instruction sets add in one order.
  @Test(arguments: [(1, 16), (4, 32), (7, 768), (66, 48)]) func innerProductsAreTheSameBits(rows: Int, width: Int) {
    var random = SplitMix(seed: UInt64(width))
    let numbers = (0..<((rows + 1) * width)).map { _ in Float.random(in: -1...1, using: &random) }
    let levels = [PL_SIMD_BASELINE, PL_SIMD_AVX2, PL_SIMD_AVX512].filter { $0.rawValue <= pl_simd_widest().rawValue }
    let products = levels.map { level in
      [Float](unsafeUninitializedCapacity: rows) { out, count in
        numbers.withUnsafeBufferPointer { numbers in
          let start = numbers.baseAddress!
          pl_inner_products(level, start, start + width, rows, width, out.baseAddress!)
        }
        count = rows
      }
    }
    #expect(products.allSatisfy { $0.map(\.bitPattern) == products[0].map(\.bitPattern) })
    for row in 0..<rows {
      let exact = (0..<width).reduce(0.0) { $0 + Double(numbers[$1]) * Double(numbers[(row + 1) * width + $1]) }
      #expect(abs(Double(products[0][row]) - exact) < 1e-4)
    }
  }
}

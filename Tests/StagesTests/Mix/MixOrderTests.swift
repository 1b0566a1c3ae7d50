import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// A curriculum's documents, against a plain sort of all of them in memory.
@Suite struct MixOrderTests {
  private static let documents = GateTests.documents.map { file in
    file.map { document in
      var copy = document
      // Some lengths stand often.
      if document.idString.hasSuffix("7") { copy.text = Array("同じ長さの文。".utf8) }
      return copy
    }
  }

  private func ordered(
    _ options: JSONValue, signals: StageHarness? = nil, backwards: Bool = false, memoryBytes: Int = 256 << 20
  ) throws -> StageHarness {
    let harness = try StageHarness(MixOrder.self, options: options)
    try harness.add(documents: Self.documents)
    if let signals { harness.add(files: signals.files("signals"), to: "signals", from: "scorer", output: "signals") }
    return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
  }

  private func characters(_ document: Document) -> Double { Double(document.textString.unicodeScalars.count) }

  /// The order that the documentation promises.
  private func expected(_ seed: UInt64, _ bucket: (Int, Document) -> Int) -> [String] {
    let sorted = Self.documents.joined().enumerated().sorted { a, b in
      (characters(a.element), hash(a.element, seed)) < (characters(b.element), hash(b.element, seed))
    }.map(\.element)
    return sorted.enumerated().map { (bucket($0.offset, $0.element), $0.element) }
      .sorted { ($0.0, hash($0.1, seed)) < ($1.0, hash($1.1, seed)) }.map(\.1.idString)
  }

  private func hash(_ document: Document, _ seed: UInt64) -> UInt64 {
    document.id.withUnsafeBytes { xxh64($0, seed: seed) }
  }

  @Test func bucketsAreEqualAndShuffledInside() throws {
    let options: JSONValue = ["buckets": 7, "seed": 3, "fileBytes": 20_000]
    let result = try ordered(options)
    let documents = try result.documents()
    #expect(documents.map(\.idString) == expected(3) { place, _ in place * 7 / 600 })
    #expect(Set(documents.map(\.idString)).count == 600 && result.ledger.imbalance == 0)
    let originals = Dictionary(uniqueKeysWithValues: Self.documents.joined().map { ($0.idString, $0) })
    #expect(documents.allSatisfy { originals[$0.idString] == $0 }, "documents are as they were")
    let files = result.files("documents")
    #expect(
      files.count > 5 && files.allSatisfy { $0.textBytes <= 20_000 } && files.map(\.name) == files.map(\.name).sorted())
    let report = try JSONValue.parse(FileSystem.read(result.files("report")[0].path)).value
    let buckets = try #require(report["buckets"]?.array)
    #expect(buckets.map { $0["documents"]?.integer } == [86, 86, 86, 85, 86, 86, 85])
    for (bucket, next) in zip(buckets, buckets.dropFirst()) {
      #expect(try #require(bucket["greatest"]?.double) <= #require(next["least"]?.double))
    }
    // Any order of tasks, and sorting on disk, come to the same bytes.
    #expect(try ordered(options, backwards: true).digests == result.digests)
    #expect(try ordered(["buckets": 7, "seed": 4, "fileBytes": 20_000]).digests != result.digests)
  }

  /// Documents whose metadata exceed their text by far: a task holds whole lines, so files are bounded by those.
  @Test func filesAreBoundedByWholeLines() throws {
    let harness = try StageHarness(MixOrder.self, options: ["fileBytes": 4096])
    let metadata = Array(#"{"notes":"\#(String(repeating: "x", count: 1000))"}"#.utf8)
    let documents = (0..<20).map { number in
      var document = Document(id: "d\(number)", text: "短い。", source: "test")
      document.metadata = metadata
      return document
    }
    try harness.add(documents: [documents])
    try harness.run()
    #expect(try harness.documents().count == 20)
    // Three lines of more than a thousand bytes.
    #expect(harness.files("documents").map(\.documents) == [3, 3, 3, 3, 3, 3, 2])
  }

  /// Any word of the index may be damaged: that is an error, and never ends the process.
  @Test func aDamagedListOfPiecesIsAnError() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let writer = try PieceWriter(starts: [0, 3], scratch: folder + "/lines")
    for number in 0..<6 {
      try writer.append(Document(id: "d\(number)", text: "文", source: "test"), at: UInt64(5 - number))
    }
    let sink = try FileSink(folder + "/pieces")
    let index = try writer.write(to: sink)
    try sink.commit()
    func read(_ bytes: [UInt8], part: Int) throws -> [String] {
      try FileSystem.write(bytes, to: folder + "/index")
      var gathered = GatheredPieces()
      try gathered.read(part, of: folder + "/pieces", index: folder + "/index")
      var ids: [String] = []
      try gathered.forEach { ids.append($0.idString) }
      return ids
    }
    #expect(try read(index.bytes, part: 0) == ["d5", "d4", "d3"] && read(index.bytes, part: 1) == ["d2", "d1", "d0"])
    // The number of pieces; of both: the offset, the size and the documents.
    for (word, isRefused) in [(0, true), (2, true), (3, true), (4, true), (6, true), (7, true), (8, true)] {
      for value in [UInt64.max, 1 << 63, UInt64(Int64.max), 1 << 60] {
        var bytes = index.bytes
        withUnsafeBytes(of: value) { bytes.replaceSubrange(8 * word..<8 * word + 8, with: $0) }
        let part = word > 4 ? 1 : 0
        // The size may be larger than the file, which ends after the last piece.
        if word == 7 || word == 3, value <= UInt64(Int64.max) { continue }
        if isRefused { #expect(throws: (any Error).self, "\(word) \(value)") { try read(bytes, part: part) } }
      }
    }
    for length in [8, 16, 40, 72, index.bytes.count - 8] {
      #expect(throws: StageError.self, "\(length)") { try read(Array(index.bytes.prefix(length)), part: 1) }
    }
  }

  @Test func boundsAndSingleDocumentsMakeBucketsToo() throws {
    let edges = try ordered(["edges": .list([.integer(100), .number(400.5)]), "direction": "descending"])
    #expect(
      try edges.documents().map(\.idString)
        == expected(0) { 2 - (characters($1) >= 400.5 ? 2 : characters($1) >= 100 ? 1 : 0) })
    let single = try ordered(["buckets": 0]).documents()
    #expect(single.map(\.idString) == expected(0) { place, _ in place })
    #expect(zip(single, single.dropFirst()).allSatisfy { characters($0) <= characters($1) })
  }

  @Test func columnsOfSignalsOrderTooAndMissingValuesAreTold() throws {
    let scorer = try StageHarness(ScoreQuality.self)
    try scorer.add(documents: Self.documents)
    try scorer.run()
    let byColumn = try ordered(["by": "characters", "buckets": 7], signals: scorer)
    #expect(try byColumn.documents() == ordered(["buckets": 7]).documents())
    let column = try #require(
      SignalsReader(scorer.files("signals")[0].path).columns.first { $0.kind == .number && $0.name != "characters" })
    let values = try Self.values(scorer, column.name)
    #expect(
      try ordered(["by": .string(column.name), "buckets": 0], signals: scorer).documents().map { values[$0.idString]! }
        == values.values.sorted())
    let error = #expect(throws: StageError.self) { try ordered(["by": "charactres"], signals: scorer) }
    #expect(error?.subject == "by" && error?.message.contains("Did you mean 'characters'?") == true)
    let edges = #expect(throws: StageError.self) { try ordered(["edges": .list([3, 3])]) }
    #expect(edges?.message.contains("do not ascend") == true, "\(edges!)")
  }

  private static func values(_ scorer: StageHarness, _ column: String) throws -> [String: Double] {
    var values: [String: Double] = [:]
    for (file, documents) in zip(scorer.files("signals"), documents) {
      let reader = try SignalsReader(file.path)
      let numbers = try reader.numbers(try #require(reader.column(column)), block: 0)
      for (document, number) in zip(documents, numbers) { values[document.idString] = number }
    }
    return values
  }

  @Test func documentsWithoutAValueAreDroppedByName() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var values: [String: Double] = [:]
    let files = try Self.documents.enumerated().map { number, documents in
      let sink = try FileSink("\(folder)/\(number)")
      let writer = try SignalsWriter(sink, columns: [SignalColumn("score", .number)])
      for (row, document) in documents.enumerated() {
        let value = row % 9 == 4 ? Double.nan : Double((row * 37 + number) % 101) - 50
        values[document.idString] = value
        try writer.append(id: document.id, numbers: [value])
      }
      try writer.finish()
      try sink.commit()
      return ArtifactFile(path: "\(folder)/\(number)", name: "\(number)", bytes: sink.bytes, digest: sink.digest)
    }
    func ordered(_ missing: String) throws -> StageHarness {
      let harness = try StageHarness(
        MixOrder.self, options: ["by": "score", "buckets": 0, "missing": .string(missing), "direction": "descending"])
      try harness.add(documents: Self.documents)
      harness.add(files: files, to: "signals", from: "scorer", output: "signals")
      return try harness.run()
    }
    let dropped = try ordered("drop")
    let missing = Set(values.filter { $0.value.isNaN }.keys)
    #expect(try Set(dropped.drops().map(\.id)) == missing && dropped.drops().allSatisfy { $0.reason == "no-measure" })
    #expect(dropped.ledger.imbalance == 0 && dropped.ledger.output.documents == 600 - missing.count)
    let kept = try dropped.documents().map { values[$0.idString]! }
    #expect(kept == values.values.filter { !$0.isNaN }.sorted(by: >))
    #expect(try ordered("last").documents().suffix(missing.count).allSatisfy { missing.contains($0.idString) })
  }

  /// Documents without a value, among 40,000 in sorters that hold a thousand.
  @Test func sortingOnDiskFindsTheSamePositions() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var random = SplitMix(seed: 5)
    var rows: [[MeasuredRow]] = []
    for file in 0..<4 {
      let own = (0..<10_000).map { number in
        MeasuredRow(
          value: number % 9 == 0 ? .nan : Double(Int.random(in: -50...50, using: &random)),
          hash: UInt64.random(in: 0...99, using: &random), bytes: 10, lineBytes: 30)
      }
      let sink = try FileSink("\(folder)/\(file)")
      try sink.write(records: own[...])
      try sink.commit()
      rows.append(own)
    }
    func positions(_ missing: MixOrder.Missing, _ memoryBytes: Int) throws -> [[UInt64]] {
      var options = MixOrder.Options()
      (options.missing, options.buckets, options.direction) = (missing, 10, .descending)
      var order = OrderedPositions(options, scratch: folder, memoryBytes: memoryBytes) {}
      try order.find((0..<4).map { "\(folder)/\($0)" })
      var all: [[UInt64]] = []
      try order.forEachFile(count: 4) { all.append($0) }
      return all
    }
    for missing in MixOrder.Missing.allCases {
      let found = try positions(missing, 1 << 10)
      #expect(try found == positions(missing, 1 << 30))
      var byPosition = [Int: Double]()
      for (file, own) in found.enumerated() {
        for (row, position) in own.enumerated() where position != OrderedPositions.dropped {
          byPosition[Int(position)] = rows[file][row].value
        }
      }
      let values = byPosition.sorted { $0.key < $1.key }.map(\.value)
      let isMissing = values.map(\.isNaN)
      let none = rows.joined().count { $0.value.isNaN }
      #expect(values.count == (missing == .drop ? 40_000 - none : 40_000) && byPosition.keys.max() == values.count - 1)
      if missing == .last { #expect(isMissing == (0..<40_000).map { $0 >= 40_000 - none }) }
      if missing == .first { #expect(isMissing == (0..<40_000).map { $0 < none }) }
      let measured = values.filter { !$0.isNaN }
      let size = measured.count / 10
      for bucket in 1..<10 {
        #expect(measured[..<(bucket * size)].min()! >= measured[(bucket * size + 9)...].max()!)
      }
    }
  }
}

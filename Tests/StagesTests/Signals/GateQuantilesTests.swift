import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// Quantiles by group of a text.
@Suite struct GateQuantilesTests {
  /// Two forms of one character are two sources, also in the file of quantiles.
  @Test func quantilesTellFormsOfACharacterApart() throws {
    let documents = [("\u{30AC}", 0), ("\u{30AB}\u{3099}", 100)].flatMap { source, first in
      (1...10).map { number in
        var document = Document(id: "\(first + number)", text: "雨", source: source)
        document.metadata = Array("{\"a\":\(first + number)}".utf8)
        return document
      }
    }
    let scorer = try GateTests.scored([documents], ["numbers": .strings(["a"])])
    let kept = try GateTests.gate(
      ["require": ["high": "a >= quantile(a, 0.9, by: source)"]], [documents], by: [scorer]
    ).documents()
    #expect(kept.map(\.idString) == ["9", "10", "109", "110"])
  }

  @Test func tooManyGroupsAreAMistakeInTheRule() throws {
    let documents = (0..<5).map { Document(id: "\($0)", text: "雨", metadata: ["domain": .string("d\($0)")]) }
    let scorer = try GateTests.scored([documents])
    let file = try #require(scorer.files("signals").first), reader = try SignalsReader(file.path)
    let hashes = try reader.blocks.indices.flatMap { try reader.hashes(block: $0) }
    let table = try SignalTable(hashes: hashes, files: [file], wanted: ["characters", "domain"])
    let quantile = GateQuantile(column: "characters", fraction: 0.5, group: "domain", weight: nil)
    let error = #expect(throws: GateQuantiles.TooManyGroups.self) {
      try GateQuantiles.find([quantile], maximumGroups: 4) { try $0(table) }
    }
    #expect(error?.inRules.message == "the quantile of 'characters' by 'domain' has more than 4 groups")
    // Only those that are wanted count.
    let found = try GateQuantiles.find([quantile], maximumGroups: 4, among: ["d1", "d2"]) { try $0(table) }
    #expect(found[quantile]?.keys.map(\.text).sorted() == ["d1", "d2"])
  }
}

import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

/// On real texts, where they are present.
@Suite(.needsRealTexts)
struct CleanRealDataTests {
  /// Paragraphs of an encyclopedia.
  static func paragraphs(_ limit: Int) throws -> [[UInt8]] {
    let lines = LineReader(try openSource(realDataPath! + "/jaquad/contexts.jsonl.gz"))
    var texts: [[UInt8]] = []
    while texts.count < limit, let line = try lines.next() {
      if let text = try JSONValue.parse(Array(line)).value["text"]?.string { texts.append(Array(text.utf8)) }
    }
    return texts
  }

  /// The first column of a file of sentence pairs.
  static func sentences(_ language: String) throws -> [String] {
    let bytes = try openSource("\(realDataPath!)/stsb/stsb-\(language)-test.csv").readAll()
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
      let field = line.hasPrefix("\"") ? line.dropFirst().prefix { $0 != "\"" } : line.prefix { $0 != "," }
      return field.isEmpty ? nil : String(field)
    }
  }

  @Test func cleaningIsIdempotentAndLosesNoDakuten() throws {
    var cleaner = TextCleaner(CleaningRules())
    let voiced = Set("がぎぐげござじずぜぞだぢづでどばびぶべぼぱぴぷぺぽガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポヴ".unicodeScalars)
    for text in try Self.paragraphs(1500) {
      var clean = text
      cleaner.clean(&clean)
      var again = clean
      #expect(!cleaner.clean(&again) && again == clean)
      let before = String(decoding: text, as: UTF8.self).unicodeScalars.count { voiced.contains($0) }
      let after = String(decoding: clean, as: UTF8.self).unicodeScalars.count { voiced.contains($0) }
      #expect(after >= before)
    }
  }

  @Test func encyclopediaPassesTheLooserPresets() throws {
    let texts = try Self.paragraphs(1000)
    for (preset, least) in [("llm-jp", 0.9), ("hojichar", 0.9), ("warp-pdf", 0.99)] {
      let harness = try StageHarness(FilterQuality.self, options: ["preset": .string(preset)])
      try harness.add(documents: [texts.map { Document(id: "a", text: String(decoding: $0, as: UTF8.self)) }])
      try harness.run()
      #expect(Double(harness.ledger.output.documents) >= least * Double(texts.count), "\(preset) \(harness.ledger)")
    }
  }

  @Test func languagesOfSentencesAreKnown() throws {
    let filter = FilterLanguage(options: .init())
    let japanese = try Self.sentences("ja"), english = try Self.sentences("en")
    let kept = japanese.count { filter.verdict(Array($0.utf8)).dropped == nil }
    let mistaken = english.count { filter.verdict(Array($0.utf8)).dropped == nil }
    #expect(Double(kept) >= 0.99 * Double(japanese.count), "\(kept) of \(japanese.count)")
    #expect(mistaken == 0)
  }
}

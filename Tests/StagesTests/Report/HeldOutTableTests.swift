import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// Losses on held-out tokens among the steps that are replayed.
@Suite struct HeldOutTableTests {
  private let folder = temporaryDirectory()

  private func merged(_ table: String, _ log: String) throws -> [JSONValue] {
    let file = try WandbReportTests.file(folder, "validation.csv", table)
    let points = try WandbReportTests.file(folder, "metrics.jsonl", log)
    try HeldOutTable(file).merge(with: points.path, to: folder + "/merged.jsonl")
    let text = String(decoding: try FileSystem.read(folder + "/merged.jsonl"), as: UTF8.self)
    return try text.split(separator: "\n").map { try JSONValue.parse(Array($0.utf8)).value }
  }

  @Test func lossesStandAtTheirSteps() throws {
    let table =
      "step,set,loss,accuracy,masked\n2,web,5.5,0.25,10\n2,books,6.5,0.125,9\n4,web,5,0.5,10\n9,web,nan,0,10\n"
    let lines = try merged(table, WandbReportTests.log + "{\"step\":6,\"time\":1700000009}\n{\"st")
    #expect(lines.map { $0["step"]?.integer } == [1, 2, 3, 4, 6, 9])
    #expect(lines[1]["metrics/web/LanguageCrossEntropy"]?.double == 5.5)
    #expect(lines[1]["metrics/books/MaskedAccuracy"]?.double == 0.125)
    #expect(lines[1]["throughput/tokens_per_sec"]?.integer == 1100 && lines[1]["loss/train/total"] == .null)
    #expect(lines[3].members?.count == 3 && lines[3]["metrics/web/MaskedAccuracy"]?.double == 0.5)
    #expect(lines[5]["metrics/web/LanguageCrossEntropy"] == .null, "not a finite number")
    #expect(lines[0].members?.count == 4 && lines[4].members?.count == 2)
  }

  @Test(arguments: ["h\n1,web,2\n", "h\nx,web,1,2,3\n", "h\n2,web,1,2,3\n1,web,1,2,3\n"])
  func anotherTableIsRefused(_ table: String) {
    let error = #expect(throws: StageError.self) { try merged(table, "") }
    #expect(error?.message == "has no losses on held-out tokens by step")
  }
}

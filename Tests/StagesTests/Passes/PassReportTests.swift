import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// What is told of a pass: times, sizes and differences per stage, and documents by what they say of themselves.
@Suite struct PassReportTests {
  private let pipeline = PassPipeline()
  private let kinds = ["documents.read", "text.clean", "filter.language", "filter.quality"]

  /// Each stage of a pass has the time of its own work, and what it handed on takes no space.
  @Test func eachStageHasItsOwnTimeAndSpace() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    _ = try pipeline.run("alone", passes: false)
    let (store, alone) = (try pipeline.open("a"), try pipeline.open("alone"))
    for kind in kinds {
      let rate = try #require(try store.rate(ofKind: kind), "\(kind)")
      let other = try #require(try alone.rate(ofKind: kind), "\(kind)")
      #expect(rate.milliseconds > 0, "\(kind)")
      // Of files, sizes on disk count only where they are remembered.
      if kind != "documents.read" { #expect(rate.inputBytes == other.inputBytes, "\(kind)") }
      let (size, written) = (try #require(rate.outputs["documents"]), try #require(other.outputs["documents"]))
      #expect(size.content == written.content, "\(kind)")
      // Of what was not written, the usual ratio.
      if kind != "filter.quality" { #expect(size.stored == Int64(0.4 * Double(size.content)), "\(kind)") }
    }
    let report = try LineageReport(graph: pipeline.graph(), store: store)
    for stage in report.stages {
      let made = try #require(stage.made)
      #expect(made.reusedTasks == 0 && made.milliseconds > 0, "\(stage.name)")
      let output = try #require(made.outputs.first { $0.port == "documents" })
      #expect(output.isPassed == ["read", "clean", "language"].contains(stage.name), "\(stage.name)")
      #expect((output.bytes == 0) == output.isPassed && output.documents > 0, "\(stage.name)")
    }
  }

  @Test func whatIsHandedOnIsEstimatedToTakeNoSpace() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    func stored(_ passes: Bool) throws -> [Bool] {
      let (graph, store) = (try pipeline.graph(passes: passes), try pipeline.open("a"))
      let plan = try PipelineRun(graph: graph, store: store, settings: .init()).plan()
      let estimates = try DataEstimation(graph: graph, store: store) { _ in
        StatedRate(bytesPerSecond: 1e6)
      }.estimates(plan)
      return estimates.prefix(4).map { $0.outputs?["documents"]?.stored ?? 0 > 0 }
    }
    #expect(try stored(true) == [false, false, false, true])
    #expect(try stored(false) == [true, true, true, true])
    _ = try pipeline.run("a")
    #expect(try stored(true) == [false, false, false, true])
    // More texts: everything runs again, at the rates of the pass.
    try pipeline.write(files: 9)
    #expect(try stored(true) == [false, false, false, true])
    #expect(try stored(false) == [true, true, true, true])
  }

  @Test func documentsThatWereNotKeptAreNotCompared() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    _ = try pipeline.run("a", clean: ", \"options\": { \"minimumBytes\": 103 }")
    let store = try pipeline.open("a")
    let runs = try store.runs(last: 2, pipeline: "t")
    let difference = try RunDifference(
      before: try #require(runs.last), after: try #require(runs.first), graph: pipeline.graph(), store: store)
    let stages = Dictionary(uniqueKeysWithValues: difference.stages.map { ($0.name, $0) })
    let clean = try #require(stages["clean"])
    #expect(clean.state == .changed && clean.documents.isEmpty)
    #expect(clean.gap == "its documents went to the next stage in memory and were not kept, so they cannot be compared")
    #expect(clean.reasons == ["option 'minimumBytes' changed: 1 → 103"], "\(clean.reasons)")
    let quality = try #require(stages["quality"])
    #expect(quality.state == .changed && quality.gap == nil)
    #expect(
      quality.documents.first?.difference.left.count ?? 0 > 10 && quality.documents.first?.difference.entered.count == 0
    )
  }

  /// Also those that a stage of the pass has dropped: another run may keep them.
  @Test func documentsAreSelectedThoughTheyWereNotKept() throws {
    defer { try? FileSystem.removeTree(pipeline.folder) }
    try pipeline.write()
    _ = try pipeline.run("a")
    _ = try pipeline.run("alone", passes: false)
    let graph = try pipeline.graph()
    for condition in [
      RemovalSelection.Condition.member(["a"], "2"), .member(["other"], "{\"x\":null}"), .source("documents"),
      .source("nobody"),
    ] {
      let selection = RemovalSelection(conditions: [condition])
      var notices: [String] = []
      let found = try selection.ids(graph: graph, store: pipeline.open("a")) { notices.append($0) }
      #expect(try found == selection.ids(graph: pipeline.graph(passes: false), store: pipeline.open("alone")))
      #expect(notices == ["'read' reads its documents once more: they were handed on in memory and not kept"])
    }
    let some = try RemovalSelection(conditions: [.member(["a"], "2")]).ids(graph: graph, store: pipeline.open("a"))
    let drops = try pipeline.open("a").artifacts.files(pipeline.manifest("a", "language"), port: "drops")
    let dropped = try drops.flatMap { file in
      try openSource(file.path).readAll(limit: 1 << 20).split(separator: 10).compactMap {
        try JSONValue.parse(Array($0)).value["id"]?.string
      }
    }
    #expect(some.count > 3 && !Set(some).isDisjoint(with: dropped), "some were dropped in the pass")
    // What was read has changed since: nothing is selected by halves.
    try pipeline.write(files: 6)
    #expect(throws: RunError.self) {
      try RemovalSelection(conditions: [.member(["a"], "2")]).ids(graph: graph, store: pipeline.open("a"))
    }
  }
}

import ShardKit
import TestKit
import Testing

@testable import PipelineKit

@Suite struct WorkspaceTests {
  private let output = Output<Intermediate>("parts", "Parts.", hidden: true)

  private func files(_ names: [String]) -> [ArtifactFile] {
    names.map { ArtifactFile(path: "/node/parts/\($0)", name: $0, bytes: 1, digest: Digester.digest([])) }
  }

  private func read(_ names: [String], of earlier: [String]) -> [String] {
    Workspace(
      task: TaskPlan(key: "all", inputs: [.main: files(names)]), phase: "run", staging: "/none", state: [:],
      memoryBytes: 1 << 20, control: TaskControl(), earlier: ["parts": files(earlier)]
    ).files(output).map(\.name)
  }

  @Test func filesOfAnEarlierPhaseAreThoseThatTheTaskReads() {
    #expect(read(["c", "a"], of: ["a", "b", "c"]) == ["a", "c"])
    // Two names to a file system.
    #expect(read(["\u{304C}"], of: ["\u{304B}\u{3099}", "\u{304C}"]).map { $0.utf8.count } == [3])
  }

  /// A hundred thousand files that one task reads take no quadratic time.
  @Test func manyFilesOfAnEarlierPhase() {
    let names = (0..<100_000).map { TaskPlan.padded($0) }
    #expect(read(names, of: names) == names)
  }
}

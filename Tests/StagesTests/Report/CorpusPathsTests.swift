import ShardKit
import Testing

@testable import PipelineKit
@testable import Stages

@Suite struct CorpusPathsTests {
  private func account(_ stage: String, _ wires: [(String, ArtifactKind)] = []) -> StageAccount {
    let identity = NodeIdentity(use: stage, revision: 1, options: [:], inputs: [], files: [])
    return StageAccount(
      stage: stage, wires: wires.map { StageAccount.Wire(stage: $0.0, kind: $0.1) }, outputs: [],
      manifest: NodeManifest(stage: stage, identity: identity, tasks: []), folder: "/")
  }

  @Test func documentsAloneAreFollowed() throws {
    let paths = CorpusPaths(
      to: ["gate"],
      [
        account("download"), account("books", [("download", .files)]), account("mask", [("books", .documents)]),
        account("crawl"), account("parquet", [("crawl", .documents)]), account("again", [("parquet", .files)]),
        account("labels"), account("classifier", [("labels", .documents)]),
        account("score", [("mask", .documents), ("classifier", .classifier)]),
        account("gate", [("mask", .documents), ("again", .documents), ("score", .signals)]),
      ])
    #expect(paths.sources == ["books", "crawl"])
    #expect(paths.stages.map(\.name) == ["books", "mask", "crawl", "parquet", "again", "gate"])
    #expect(paths.scorers == ["score"])
    #expect(paths.sources(bypassing: ["mask"]) == ["crawl"])
    #expect(paths.sources(bypassing: ["mask", "parquet"]) == [])
    #expect(paths.sources(bypassing: ["gate"]) == [])
    #expect(paths.sources(bypassing: ["classifier"]) == ["books", "crawl"])
    #expect(try JSONValue.encoding(paths).decode(CorpusPaths.self) == paths)
  }

  @Test func aSourceWithAWayAroundAStageIsNamed() {
    let paths = CorpusPaths(
      to: ["all"],
      [
        account("crawl"), account("mask", [("crawl", .documents)]),
        account("all", [("mask", .documents), ("crawl", .documents)]),
      ])
    #expect(paths.sources(bypassing: ["mask"]) == ["crawl"])
  }
}

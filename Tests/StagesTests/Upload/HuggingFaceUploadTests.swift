import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.enabled(if: HubServer.isUsable, "needs Python")) struct HuggingFaceUploadTests {
  private typealias Bench = HubWorkbench

  private func bench() throws -> HubWorkbench {
    try HubWorkbench().add("model", [
      ("config.json", Array("{\"a\": 1}\n".utf8)), ("sub/vocabulary.txt", Array("あ\nい\n".utf8)),
      ("small.bin", Bench.noise(9000)), ("large.safetensors", Bench.noise(30_000, seed: 2)), ("empty.bin", []),
    ])
  }

  @Test func smallFilesGoIntoTheCommitAndLargeOnesToTheStorage() throws {
    let bench = try bench()
    let run = try bench.upload()
    #expect(
      try run.listed() == [
        "config.json added regular", "empty.bin added regular", "large.safetensors added lfs", "small.bin added lfs",
        "sub/vocabulary.txt added regular",
      ])
    let tree = try bench.server.tree("me/set")
    #expect(tree["large.safetensors"] == Digester.digest(Bench.noise(30_000, seed: 2)).hex)
    #expect(tree["config.json"] == "cb5b2f69babc53f9145b45ad20b9a075d48717ef", "as git hash-object names it")
    #expect(try bench.server.seen("parts") == 4 && bench.server.seen("basic") == 1)
    #expect(try bench.server.seen("commits") == 1)
    #expect(run.metrics["sentBytes"] == 39_000)
    let commit = try run.json("report", "commit.json")
    #expect(commit["isNew"]?.bool == true)
    #expect(commit["url"]?.string == "\(bench.server.origin)/datasets/me/set/commit/\(commit["commit"]?.string ?? "")")
  }
}

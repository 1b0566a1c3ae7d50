import Glibc
import ShardKit
import TestKit
import Testing

private let wandb = PeerScript("wandb_run.py")

/// `Pipelines/tiny/tracked.json` from texts to a run that `wandb` reads.
@Suite(
  .serialized, .needs(Workbench.hasEngine, "needs Scripts/engine"), .needs(wandb.isUsable, "needs Python with wandb"))
struct TrackedPipelineTests {
  @Test func aTrainingIsReplayedOnceHoweverOftenItIsAsked() throws {
    let bench = try Workbench()
    let document = packagePath("Pipelines/tiny/tracked.json")
    let common = ["--store", bench.folder + "/store", "--set", "steps=12"]
    let environment = ["PIPELINE_PYTHON": PeerScript.interpreter]
    func tracked(_ more: [String] = []) throws -> JSONValue {
      let outcome = try bench.run(["run", document] + common + more, environment: environment)
      #expect(outcome.status == 0, "\(outcome.err)")
      let place = try bench.run(["artifact", document, "wandb"] + common).out.dropLast()
      let file = try #require(try FileSystem.walk(String(place)).first { $0.hasSuffix(".wandb") })
      return try JSONValue.parse(try #require(wandb.run("\(place)/\(file)"))).value
    }
    let run = try tracked()
    #expect(run["name"]?.string == "Tiny model")
    #expect(run["history"]?.array?.map { $0["_step"]?.integer } == (1...12).map { $0 })
    let losses = run["history"]?.array?.compactMap { $0["loss/train/total"]?.double } ?? []
    #expect(losses.count == 12 && losses.allSatisfy { (1...20).contains($0) })
    #expect(try #require(run["summary"]?["perplexity/mlm/perplexity"]?.double) > 1)
    #expect(run["config"]?["batchSize"]?.integer == 2)
    let again = try tracked(["--only", "wandb", "--force"])
    #expect(again["id"] == run["id"])
    #expect(again["history"]?.text(sortedKeys: true) == run["history"]?.text(sortedKeys: true))
  }
}

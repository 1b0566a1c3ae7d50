import Glibc
import ShardKit
import TestKit
import Testing

/// The tiny forms of the pipelines run from raw texts to a model. Those of `publish` and `tracked` have tests of their
/// own; `mirrors` and `baseline` need what others have published.
@Suite(.serialized, .needs(Workbench.hasEngine, "needs Scripts/engine")) struct TinyPipelineTests {
  @Test(arguments: [
    ("corpus", "model"), ("japanese", "model"), ("real-texts", "tokens"), ("small-model", "model"),
    ("classification", "converted"),
    ("english", "model"), ("embedding", "converted"), ("modernbert", "model"),
  ])
  func aTinyFormRunsToItsEnd(_ name: String, _ last: String) throws {
    let bench = try Workbench()
    let document = packagePath("Pipelines/tiny/\(name).json")
    let store = ["--store", bench.folder + "/store"]
    let outcome = try bench.run(["run", document] + store, environment: ["OMP_WAIT_POLICY": "passive"])
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(try bench.run(["artifact", document, last] + store).status == 0)
    #expect(try bench.run(["run", document] + store).out.hasPrefix("nothing to do: "))
  }
}

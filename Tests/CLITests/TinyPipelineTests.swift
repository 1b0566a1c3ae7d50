import Glibc
import ShardKit
import TestKit
import Testing

/// The tiny forms of the pipelines run from raw texts to a model. Those of `publish` and `tracked` have tests of their
/// own; `mirrors` and `baseline` need what others have published.
@Suite(.serialized, .needs(Workbench.hasEngine, "needs Scripts/engine")) struct TinyPipelineTests {
  @Test(arguments: [
    ("corpus", "model"), ("japanese", "model"), ("real-texts", "tokens"), ("small-model", "model"),
    ("classification", "converted"), ("english", "model"), ("embedding", "converted"), ("modernbert", "model"),
    ("marc-ja", "converted"),
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

  /// Reviews in MARC-ja's form are read by their fields, and told apart.
  @Test func reviewsInMARCsFormAreToldApart() throws {
    let bench = try Workbench()
    let document = packagePath("Pipelines/tiny/marc-ja.json")
    let store = ["--store", bench.folder + "/store"]
    let environment = ["OMP_WAIT_POLICY": "passive"]
    #expect(try bench.run(["run", document, "--until", "measured"] + store, environment: environment).status == 0)
    let place = try bench.run(["artifact", document, "measured.metrics"] + store).out.split(separator: "\n").first
    let path = String(try #require(place)) + "/classifier.json"
    let json = try JSONValue.parse(try FileSystem.read(path)).value
    #expect(try #require(json["accuracy"]?.double) > 0.8, "\(json.text())")
    #expect(json.text().contains("positive") && json.text().contains("negative"))
  }
}

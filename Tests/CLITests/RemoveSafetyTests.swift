import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// `pipeline remove` where a document could stay or come back unseen, or other documents could suffer.
@Suite struct RemoveSafetyTests {
  private static func pipeline(_ name: String, stage: String) -> String {
    """
    { "format": 1, "name": "\(name)", "stages": {
        "\(stage)": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": "1KiB" } },
        "clean": { "use": "text.clean", "inputs": { "documents": "\(stage)" } } } }
    """
  }

  private static func text(_ name: String) -> String {
    (0..<30).map { "\(name)の\($0 * 7919 % 997)番の棚には、古い地図が\($0)枚しまってある。" }.joined()
  }

  private func makeBench() throws -> Workbench {
    try Workbench(
      Self.pipeline("corpus", stage: "read"),
      texts: [[Self.text("北"), Self.text("南")], [Self.text("東")], [Self.text("西")]])
  }

  /// The ids in the newest output of a stage.
  private func ids(_ bench: Workbench, _ words: String...) throws -> Set<String> {
    let folder = try bench.run(["artifact"] + words).out.split(separator: "\n").first.map(String.init)
    let path = try #require(folder)
    var out: Set<String> = []
    for name in try FileSystem.list(path) {
      let reader = try DocumentReader(path: "\(path)/\(name)")
      while let document = try reader.next() { out.insert(document.idString) }
    }
    return out
  }

  private func proof(_ outcome: Workbench.Outcome) throws -> JSONValue {
    try #require(try JSONValue.parse(outcome.out).value["proof"], "\(outcome.err)\(outcome.out)")
  }

  /// Outputs of other groupings of the tasks, and of other pipelines of the store, are not used again.
  @Test func noEarlierOutputBringsADocumentBack() throws {
    let bench = try makeBench()
    try bench.write("other.json", Self.pipeline("other", stage: "texts"))
    let large = ["--set", "stages.read.options.bytesPerTask=1MiB"]
    for words in [["corpus.json"], ["corpus.json"] + large, ["other.json"]] {
      try #require(try bench.run(["run"] + words).status == 0)
    }
    let words = ["remove", "corpus.json", "f0/1"] + large + ["--reason", "r", "--yes", "--record-only"]
    try #require(try bench.run(words).status == 0)
    let plan = try bench.run("plan", "other.json").out
    #expect(plan.contains("holds a document that was removed"), "\(plan)")
    for words in [["corpus.json"] + large, ["corpus.json"], ["other.json"]] {
      let run = try bench.run(["run"] + words)
      try #require(run.status == 0, "\(run.err)")
    }
    let left: Set = ["f0/0", "f1/0", "f2/0"]
    #expect(try ids(bench, "corpus.json", "read") == left)
    #expect(try ids(bench, "corpus.json", "clean") == left)
    #expect(try ids(bench, "other.json", "texts") == left)
    #expect(try ids(bench, "other.json", "clean") == left)
    // What was done without it is used again.
    for words in [["corpus.json"], ["other.json"]] {
      let plan = try bench.run(["plan"] + words).out
      #expect(!plan.contains("removed"), "\(plan)")
    }
  }
}

import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// The documents in `Pipelines` are documentation that runs: each must load, and editors must know every option.
@Suite struct PipelinesTests {
  private static func documents() throws -> [String] {
    try FileSystem.list(packagePath("Pipelines"), hidden: false)
      .filter { $0.hasSuffix(".json") && !$0.hasSuffix(".schema.json") }
  }

  @Test func everyDocumentLoads() throws {
    for name in try Self.documents() {
      let document = try PipelineSpec.load(packagePath("Pipelines/\(name)"))
      let graph = try Graph(document, registry: .builtin)
      #expect(graph.nodes.count == document.stages.count && graph.nodes.count >= 5, "\(name)")
    }
  }

  /// Each runs in the tests of the command line, or takes a network.
  @Test func everyTinyFormLoads() throws {
    for name in try FileSystem.list(packagePath("Pipelines/tiny")) where name.hasSuffix(".json") {
      let tiny = try Graph(PipelineSpec.load(packagePath("Pipelines/tiny/\(name)")), registry: .builtin)
      let whole = try Graph(PipelineSpec.load(packagePath("Pipelines/\(name)")), registry: .builtin)
      #expect(tiny.document.name == whole.document.name && tiny.nodes.count <= whole.nodes.count, "\(name)")
    }
  }

  @Test func everyStageKindIsUsedSomewhere() throws {
    var used: Set<String> = []
    for name in try Self.documents() {
      used.formUnion(try PipelineSpec.load(packagePath("Pipelines/" + name)).stages.map(\.use))
    }
    // Used by themselves alone: readers of plain text files and of MDS shards, and the measurement of a cluster.
    let alone: Set = ["text.read", "mds.read", "check.nccl"]
    #expect(Set(StageRegistry.builtin.names).subtracting(used) == alone)
  }

  /// ModernBERT's and MosaicBERT's 1e-5 is a part of the weights at the peak rate (their optimizers decouple decay from the
  /// rate); here decay is multiplied by the rate.
  @Test(arguments: [("modernbert", 3), ("english", 1)])
  func theDecayIsThatOfTheModelsAuthors(_ pipeline: String, _ count: Int) throws {
    let phases = try PipelineSpec.load(packagePath("Pipelines/\(pipeline).json")).stages.filter {
      $0.use == "model.pretrain"
    }
    #expect(phases.count == count)
    for phase in phases {
      func number(_ name: String) throws -> Double {
        try #require(phase.options.first { $0.key == name }?.value.double)
      }
      #expect(abs(try number("weightDecay") * number("learningRate") / 1e-5 - 1) < 0.01, "\(phase.name)")
    }
  }

  @Test func theStoredSchemaIsTheGeneratedOne() throws {
    let stored = try FileSystem.read(packagePath("Pipelines/pipeline.schema.json"))
    let generated = PipelineSchema.json(.builtin).prettyText()
    #expect(
      String(decoding: stored, as: UTF8.self) == generated,
      "Run `pipeline schema > Pipelines/pipeline.schema.json`.")
  }
}

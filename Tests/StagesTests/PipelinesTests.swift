import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// The documents in `Pipelines` are documentation that runs: each must load, and editors must know every option.
@Suite struct PipelinesTests {
  @Test(arguments: ["corpus", "japanese", "real-texts"])
  func everyDocumentLoads(_ name: String) throws {
    let document = try PipelineDocument.load(packagePath("Pipelines/\(name).json"))
    let graph = try Graph(document, registry: .builtin)
    #expect(graph.nodes.count > 10)
  }

  @Test func everyStageKindIsUsedSomewhere() throws {
    var used: Set<String> = []
    for name in try FileSystem.list(packagePath("Pipelines"))
    where name.hasSuffix(".json") && !name.hasSuffix(".schema.json") {
      used.formUnion(try PipelineDocument.load(packagePath("Pipelines/" + name)).stages.map(\.use))
    }
    // Read by themselves alone: plain text files, and a data set of MDS shards.
    let alone: Set = ["text.read", "mds.read"]
    #expect(Set(StageRegistry.builtin.names).subtracting(used) == alone)
  }

  @Test func theStoredSchemaIsTheGeneratedOne() throws {
    let stored = try FileSystem.read(packagePath("Pipelines/pipeline.schema.json"))
    let generated = PipelineSchema.json(.builtin).prettyText()
    #expect(
      String(decoding: stored, as: UTF8.self) == generated,
      "Run `pipeline schema > Pipelines/pipeline.schema.json`.")
  }
}

import ShardKit
import Testing
import TestKit

@testable import TrainerCore

struct ModelShapeTests {
  @Test func parametersOfMosaicBERTBaseCountAsPublished() {
    var shape = ModelShape()
    #expect(shape.parameterCount == 139_122_944)
    #expect(shape.parameters(ofLayer: 3).reduce(0) { $0 + $1.count } == 9_444_096)
    shape.vocabularySize = 30_528
    #expect(shape.parameterCount == 137_400_384)
  }

  @Test func otherKindsCountAsTheirPeersDo() {
    // transformers: NomicBertForMaskedLM and BertForMaskedLM of the same sizes.
    #expect(ModelShape(.bert).parameterCount == 111_241_472)
    #expect(ModelShape(.ropeBERT).parameterCount == 139_076_864)
  }

  @Test(arguments: ModelShape.Kind.allCases) func jsonGivesTheShapeBack(_ kind: ModelShape.Kind) throws {
    var shape = ModelShape(kind)
    shape.layers = 3
    shape.dropout = 0.25
    #expect(try ModelShape(shape.json) == shape)
  }

  @Test func namesAreDistinct() {
    for kind in ModelShape.Kind.allCases {
      let names = ModelShape(kind).parameters.map(\.name)
      #expect(Set(names).count == names.count)
    }
  }

  @Test(
    arguments: [
      (["format": 2, "kind": "bert"], "its format is 2"), (["format": 1], "kind is null"),
      (["format": 1, "kind": "bert", "layers": "12"], "layers is \"12\""),
      (["format": 1, "kind": "bert", "heads": 5], "does not divide by 5 heads"),
      (["format": 1, "kind": "bert", "hiddenSize": -768], "hiddenSize is -768"),
      (["format": 1, "kind": "rope-bert", "hiddenSize": 12, "heads": 4], "heads of even size, not 3"),
    ] as [(JSONValue, String)])
  func otherShapesAreRefusedBySentence(_ json: JSONValue, _ message: String) {
    #expect { try ModelShape(json) } throws: { "\($0)".contains(message) }
  }
}

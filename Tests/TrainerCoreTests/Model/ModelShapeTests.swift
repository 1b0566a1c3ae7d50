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
    var modern = ModelShape(.modernBERT)
    (modern.layers, modern.intermediateSize, modern.vocabularySize) = (22, 1152, 50_368)
    // answerdotai/ModernBERT-base.
    #expect(modern.parameterCount == 149_655_232)
  }

  @Test(arguments: ModelShape.Kind.allCases) func jsonGivesTheShapeBack(_ kind: ModelShape.Kind) throws {
    var shape = ModelShape(kind)
    shape.layers = 3
    shape.dropout = 0.25
    #expect(try ModelShape(json: shape.json) == shape)
  }

  @Test func modelFilesHaveTheseBytes() throws {
    let text =
      #"{"format":1,"kind":"mosaic-bert","vocabularySize":32768,"hiddenSize":768,"layers":12,"heads":12,"#
      + #""intermediateSize":3072,"maximumLength":512,"tokenTypes":2,"padding":0,"normEpsilon":1e-12,"#
      + #""initialDeviation":0.02,"dropout":0.1,"attentionDropout":0.0,"rotaryBase":1000.0"#
    var shape = ModelShape()
    #expect(shape.json.text() == text + "}")
    shape.tiesDecoder = false
    #expect(shape.json.text() == text + #","tiesDecoder":false}"#)
    // Files of older programs have fewer members.
    let older: JSONValue = ["format": 1, "kind": "bert", "layers": 2]
    #expect(try ModelShape(json: older).layers == 2 && ModelShape(json: older).attentionDropout == 0.1)
  }

  @Test func namesAreDistinct() {
    for kind in ModelShape.Kind.allCases {
      let names = ModelShape(kind).parameters.map(\.name)
      #expect(Set(names).count == names.count)
    }
  }

  @Test(
    arguments: [
      (["format": 2, "kind": "bert"], "format: is 2, this program reads 1"),
      (["format": 1], "the member 'kind' is missing"),
      (["format": 1, "kind": "bert", "layers": "12"], "layers: should be an integer, not a string"),
      (["format": 1, "kind": "bert", "heads": 5], "does not divide by 5 heads"),
      (["format": 1, "kind": "bert", "hiddenSize": -768], "hiddenSize is -768"),
      (["format": 1, "kind": "rope-bert", "hiddenSize": 12, "heads": 4], "heads of even size, not 3"),
    ] as [(JSONValue, String)])
  func otherShapesAreRefusedBySentence(_ json: JSONValue, _ message: String) {
    #expect { try ModelShape(json: json) } throws: { "\($0)".contains(message) }
  }
}

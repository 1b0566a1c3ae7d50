import ShardKit
import TestKit
import Testing
import TrainerCore

private let peer = PeerScript("fused_kernels.py")

/// The engine's operations against plain torch in fp64: on a GPU the fused kernels, elsewhere their compositions.
@Suite(.needs(TinyModel.hasEngine && peer.isUsable, "needs Scripts/engine and PyTorch"))
struct OperationTests {
  @Test func valuesGradientsAndDropout() throws {
    let own = packagePath(".build/engine/\(Engine.fileName)")
    let engine = Engine.locate() ?? own
    let report = try #require(peer.run(engine), "an operation differs: see the lines that begin with FAILED")
    #expect(String(decoding: report, as: UTF8.self).contains(" 0 failed"))
  }
}

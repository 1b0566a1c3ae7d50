import PipelineKit
import Testing

@testable import Stages

@Suite struct UploadLayoutTests {
  private func artifact(_ stage: String, _ port: String) -> WiredArtifact {
    WiredArtifact(stage: stage, port: port, files: [])
  }

  /// Two outputs of one stage may hold files of the same names.
  @Test func eachArtifactHasAPlaceOfItsOwn() {
    let one = [artifact("shards", "mds")]
    let several = [artifact("split", "train"), artifact("shards", "mds"), artifact("split", "heldout")]
    #expect(UploadLayout.automatic.folders(for: one) == [""])
    #expect(UploadLayout.folders.folders(for: one) == ["shards"])
    #expect(UploadLayout.automatic.folders(for: several) == ["split/train", "shards", "split/heldout"])
    #expect(UploadLayout.flat.folders(for: several) == ["", "", ""])
  }
}

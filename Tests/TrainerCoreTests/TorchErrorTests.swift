import ShardKit
import Testing
import TrainerCore

@Suite struct TorchErrorTests {
  @Test func theSentenceSaysWhereWhatAndWhatNext() {
    let error = TorchError(.engine, "libpipelinetorch.so", "it does not load", hint: "Run Scripts/engine.")
    #expect("\(error)" == "libpipelinetorch.so: it does not load. Run Scripts/engine.")
  }
}

import ShardKit
import TestKit
import Testing

@testable import TrainerCore

@Suite struct EngineLocationTests {
  /// `Scripts/engine` writes below the folder that holds `Scripts`: that of the program in a bundle, `share/pipeline`
  /// in a release, that of `.build` here.
  @Test(arguments: [
    ("/opt/pipeline", "/opt/pipeline/.build/engine/libpipelinetorch.so"),
    ("/src/.build/x86_64-unknown-linux-gnu/release", "/src/.build/engine/libpipelinetorch.so"),
    ("/venv/bin", "/venv/share/pipeline/.build/engine/libpipelinetorch.so"),
    ("/src/.build/bundle", "/src/.build/bundle/.build/engine/libpipelinetorch.so"),
  ])
  func theEngineIsSoughtWhereTheScriptPutsIt(_ program: String, _ library: String) {
    #expect(Engine.place.places(program: program).contains(library))
  }
}

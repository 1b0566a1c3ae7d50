import ShardKit
import TestKit
import Testing

/// What scripts do before they do anything.
@Suite struct ScriptTests {
  /// What is in a folder that is named stays there.
  @Test func aRootThatHoldsSomethingIsRefused() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write([1], to: folder + "/mine")
    for (root, told) in [(folder, "is not empty"), (folder + "/mine", "is not a folder")] {
      let ended = try ChildProcess(["--root", root], program: packagePath("Scripts/fresh-machine")).wait()
      #expect(ended.status == 1 && ended.errors.contains(told), "\(ended)")
    }
    #expect(try FileSystem.list(folder) == ["mine"])
  }
}

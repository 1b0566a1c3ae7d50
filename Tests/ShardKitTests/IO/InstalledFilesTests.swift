import TestKit
import Testing

@testable import ShardKit

@Suite struct InstalledFilesTests {
  @Test func theyStandBesideTheFolderOfTheProgram() throws {
    let prefix = temporaryDirectory()
    defer { try? FileSystem.removeTree(prefix) }
    try FileSystem.makeDirectory(prefix + "/bin")
    #expect(InstalledFiles.folder(program: prefix + "/bin") == nil)
    try FileSystem.makeDirectory(prefix + "/share/pipeline")
    #expect(InstalledFiles.folder(program: prefix + "/bin") == prefix + "/share/pipeline")
  }

  /// The tests' own program was built where it is.
  @Test func aProgramThatWasNotInstalledHasNone() {
    #expect(InstalledFiles.programFolder != nil && InstalledFiles.path("Scripts/engine") == nil)
  }

  @Test func programsAreFoundInPATH() throws {
    let shell = try #require(FileSystem.program(named: "sh"))
    #expect(FileSystem.program(named: shell) == shell)
    #expect(FileSystem.program(named: "no-such-program") == nil && FileSystem.program(named: "/tmp/no/such") == nil)
  }
}

import Glibc
import ShardKit
import TestKit
import Testing

@Suite final class FileSystemTests {
  private let folder = temporaryDirectory()
  deinit { try? FileSystem.removeTree(folder) }

  private func touch(_ names: String...) throws {
    for name in names {
      if let slash = name.lastIndex(of: "/") { try FileSystem.makeDirectory("\(folder)/\(name[..<slash])") }
      try FileSystem.write(Array(name.utf8), to: "\(folder)/\(name)")
    }
  }

  @Test func foldersAreListedInByteOrder() throws {
    try touch("b", "a", "B", "あ", ".hidden", "a.b")
    #expect(try FileSystem.list(folder) == [".hidden", "B", "a", "a.b", "b", "あ"])
  }

  @Test func walkFindsFilesBelowAndNoHiddenOnes() throws {
    try touch("z", "a/2", "a/1", "a-b", "a/.x", ".git/y", "a/deep/er/f")
    try FileSystem.makeDirectory(folder + "/empty")
    #expect(try FileSystem.walk(folder) == ["a-b", "a/1", "a/2", "a/deep/er/f", "z"])
  }

  /// A link to a folder that it stands in would otherwise be followed forty times.
  @Test func walkDoesNotGoInCircles() throws {
    try touch("a/f", "b/g")
    symlink("..", folder + "/a/up")
    symlink("../b", folder + "/a/b")
    symlink(".", folder + "/self")
    #expect(try FileSystem.walk(folder) == ["a/b/g", "a/f", "b/g"])
  }

  @Test func foldersAreMadeWithTheirParents() throws {
    try FileSystem.makeDirectory(folder + "/a/b/c")
    try FileSystem.makeDirectory(folder + "/a/b/c")
    #expect(FileSystem.isDirectory(folder + "/a/b/c"))
    try touch("file")
    for path in ["/file", "/file/below"] {
      #expect(throws: ShardError.self) { try FileSystem.makeDirectory(self.folder + path) }
    }
  }

  @Test func treesAreRemovedAndLinksNotFollowed() throws {
    try touch("keep/f", "tree/a/b", "tree/c")
    symlink("../keep", folder + "/tree/link")
    try FileSystem.removeTree(folder + "/tree")
    try FileSystem.removeTree(folder + "/none")
    #expect(try FileSystem.walk(folder) == ["keep/f"])
  }

  @Test func linksShareAFileAndReplace() throws {
    try touch("a", "b")
    try FileSystem.link(folder + "/a", to: folder + "/b")
    #expect(FileSystem.status(folder + "/a")?.inode == FileSystem.status(folder + "/b")?.inode)
    #expect(throws: ShardError.self) { try FileSystem.link(self.folder + "/none", to: self.folder + "/c") }
  }

  @Test func statusAndReading() throws {
    try touch("file")
    #expect(FileSystem.status(folder + "/file")?.bytes == 4)
    #expect(FileSystem.status(folder + "/none") == nil)
    #expect(FileSystem.exists(folder + "/file") && !FileSystem.exists(folder + "/none"))
    #expect(try FileSystem.read(folder + "/file", limit: 4) == Array("file".utf8))
    let error = #expect(throws: ShardError.self) { try FileSystem.read(self.folder + "/file", limit: 3) }
    #expect(error?.code == .tooLarge)
    try FileSystem.syncDirectory(folder)
    #expect(throws: ShardError.self) { try FileSystem.syncDirectory(self.folder + "/none") }
  }
}

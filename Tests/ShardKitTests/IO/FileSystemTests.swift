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

  /// A file whose name is no text, and one whose name is no text either and hidden.
  private func touchUndecodable(_ place: String, hidden: Bool = false) {
    var path = Array("\(folder)/\(place)/".utf8).map { CChar(truncatingIfNeeded: $0) }
    if hidden { path.append(0x2E) }
    close(open(path + [CChar(truncatingIfNeeded: 0xFF), 0x61, 0], O_CREAT | O_WRONLY, 0o644))
  }

  @Test func namesThatAreNoTextAreRefusedWhereTheyCount() throws {
    try touch("a/f", "b/f")
    touchUndecodable("a", hidden: true)
    #expect(try FileSystem.walk(folder + "/a") == ["f"])
    #expect(throws: ShardError.self) { try FileSystem.list(self.folder + "/a") }
    touchUndecodable("b")
    let error = #expect(throws: ShardError.self) { try FileSystem.walk(self.folder + "/b") }
    #expect(error?.message == "the name of its file '\u{FFFD}a' is not UTF-8")
    #expect(try FileSystem.list(folder + "/b", others: .passedOver) == ["f"])
    #expect(try FileSystem.walk(folder + "/b", others: .repaired) == ["f", "\u{FFFD}a"])
    try FileSystem.removeTree(folder + "/a")
    try FileSystem.removeTree(folder + "/b")
    #expect(try FileSystem.list(folder).isEmpty)
  }

  /// A combining mark behind a slash makes one character of both.
  @Test func slashesAreFoundWhateverFollowsThem() throws {
    let mark = "\u{3099}x"
    let path = "\(folder)/a/\(mark)/\(mark)"
    try FileSystem.makeDirectory("\(folder)/a/\(mark)")
    try FileSystem.write([1], to: path)
    #expect(try FileSystem.walk(folder).map { Array($0.utf8) } == [Array("a/\(mark)/\(mark)".utf8)])
    try FileSystem.makeDirectory("\(path)2/\(mark)/b")
    #expect(ArchivePath.lastPart(of: path).isExactly(mark))
    #expect(ArchivePath.parent(of: path)?.isExactly("\(folder)/a/\(mark)") == true)
    #expect(ArchivePath.parent(of: "/" + mark) == "/" && ArchivePath.parent(of: mark) == nil)
    #expect(ArchivePath.lastPart(of: mark).isExactly(mark) && ArchivePath.lastPart(of: "a/").isEmpty)
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

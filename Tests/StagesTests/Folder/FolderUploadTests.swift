import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct UploadFolderTests {
  private let folder = temporaryDirectory()
  private var target: String { folder + "/shared/set" }

  private func upload(_ files: [ArtifactFile], _ options: JSONValue = [:]) throws -> StageHarness {
    let harness = try StageHarness(
      FolderUpload.self, options: .object(options.members! + [JSONMember("to", .string(target))]))
    harness.add(files: files, to: "artifacts", from: "shards")
    return harness
  }

  private func dataSet(_ seed: UInt64 = 1) throws -> [ArtifactFile] {
    [
      try artifactFile("index.json", Array("\(seed)".utf8), in: folder + "/in"),
      try artifactFile("shard.00000.mds", patterned(3 << 20, seed: seed), in: folder + "/in"),
      try artifactFile("notes/空 白.txt", [1], in: folder + "/in"),
    ]
  }

  @Test func filesAreCopiedSkippedAndReplaced() throws {
    defer { try? FileSystem.removeTree(folder) }
    let first = try upload(dataSet()).run()
    #expect(try first.actions() == ["index.json": "sent", "shard.00000.mds": "sent", "notes/空 白.txt": "sent"])
    for file in try dataSet() { #expect(try Digester.digest(file: "\(target)/\(file.name)") == file.digest) }
    let inode = FileSystem.status(target + "/shard.00000.mds")?.inode
    let again = try upload(dataSet()).run()
    #expect(try again.actions().values.allSatisfy { $0 == "skipped" })
    #expect(FileSystem.status(target + "/shard.00000.mds")?.inode == inode)

    let refusing = try upload(dataSet(2), ["existing": "refuse"])
    let error = #expect(throws: StageError.self) { try refusing.run() }
    #expect("\(error!)".contains("shard.00000.mds: exists with other content. Choose another place"))
    #expect(try upload(dataSet(2), ["dryRun": true]).run().actions()["index.json"] == "would-replace")
    #expect(try FileSystem.read(target + "/index.json") == Array("1".utf8))
    try upload(dataSet(2)).run()
    #expect(try FileSystem.read(target + "/index.json") == Array("2".utf8))
  }

  /// A reader that finds the new index finds all of its shards.
  @Test func theIndexComesLast() throws {
    defer { try? FileSystem.removeTree(folder) }
    var files = try dataSet()
    files.append(try artifactFile("zzz", [5], in: folder + "/in"))
    try FileSystem.write([0], to: files[3].path)
    let error = #expect(throws: StageError.self) { try upload(files).run() }
    #expect("\(error!)".contains("its content changed after it was made"))
    #expect(!FileSystem.exists(target + "/index.json") && !FileSystem.exists(target + "/zzz"))
    #expect(FileSystem.exists(target + "/shard.00000.mds"))
  }

  @Test func othersAreRemovedWhereAsked() throws {
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.makeDirectory(target + "/old/deep")
    for name in ["old/deep/shard", "shard.00007.mds", ".hidden"] { try FileSystem.write([1], to: "\(target)/\(name)") }
    try FileSystem.makeDirectory(folder + "/elsewhere")
    try FileSystem.write([1], to: folder + "/elsewhere/precious")
    symlink(folder + "/elsewhere", target + "/link")
    try upload(dataSet()).run()
    #expect(FileSystem.exists(target + "/shard.00007.mds"), "not by default")
    let dry = try upload(dataSet(), ["removeOthers": true, "dryRun": true]).run()
    #expect(dry.metrics["wouldRemoveFiles"] == 3 && FileSystem.exists(target + "/shard.00007.mds"))
    let run = try upload(dataSet(), ["removeOthers": true]).run()
    #expect(run.metrics["removedFiles"] == 3)
    #expect(try FileSystem.list(target) == [".hidden", "index.json", "notes", "shard.00000.mds"])
    #expect(FileSystem.exists(folder + "/elsewhere/precious"), "a link is removed, not followed")
  }

  @Test func pathsMustBeAbsolute() {
    for path in ["set", "/", "/a/../b"] {
      let error = #expect(throws: StageError.self) {
        try StageHarness(FolderUpload.self, options: ["to": .string(path)])
      }
      #expect("\(error!)".contains("'\(path)' is not an absolute path of a folder"))
    }
  }
}

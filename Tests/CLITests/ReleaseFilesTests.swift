import Glibc
import ShardKit
import TestKit
import Testing

private let pip = PeerScript.interpreter

/// How `Scripts/release` packs what it built.
@Suite struct ReleaseFilesTests {
  /// A program (`env` of this machine), data and licenses as a release has them.
  private func makeTree(_ folder: String) throws {
    for (name, text) in [
      ("share/pipeline/Scripts/engine", "#!/bin/sh\n"), ("share/pipeline/licenses/zlib", "free"),
      ("share/pipeline/日本語.txt", "字"),
    ] {
      try FileSystem.makeDirectory(folder + "/" + String(name[..<name.lastIndex(of: "/")!]))
      try FileSystem.write(Array(text.utf8), to: "\(folder)/\(name)")
    }
    chmod(folder + "/share/pipeline/Scripts/engine", 0o755)
    try FileSystem.makeDirectory(folder + "/bin")
    try FileSystem.write(try FileSystem.read("/usr/bin/env"), to: folder + "/bin/pipeline")
    chmod(folder + "/bin/pipeline", 0o775)
  }

  private func pack(_ tree: String, to output: String, epoch: String) throws -> [String: [UInt8]] {
    let ended = try ChildProcess(
      [
        packagePath("Scripts/release-files"), tree, "--version", "1.5", "--tag", "manylinux_2_34_x86_64", "--output",
        output, "--python", "\(tree)/none",
      ], program: pip, environment: ["SOURCE_DATE_EPOCH": epoch]
    ).wait()
    try #require(ended.status == 0, "\(ended.errors)")
    return try Dictionary(
      uniqueKeysWithValues: FileSystem.list(output).map { ($0, try FileSystem.read("\(output)/\($0)")) })
  }

  @Test func theSameFilesGiveTheSameBytes() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try makeTree(folder + "/a")
    let first = try pack(folder + "/a", to: folder + "/1", epoch: "1700000000")
    #expect(
      Set(first.keys) == ["pipeline-1.5-linux-x86_64.tar.gz", "pipeline-1.5-py3-none-manylinux_2_34_x86_64.whl"])
    // Files of another time and with other rights of the group.
    try makeTree(folder + "/b")
    chmod(folder + "/b/share/pipeline/licenses/zlib", 0o600)
    #expect(try pack(folder + "/b", to: folder + "/2", epoch: "1700000000") == first)
    #expect(try pack(folder + "/b", to: folder + "/3", epoch: "1700000060") != first)
  }

  @Test(.needs(FileSystem.exists(pip), "needs Python with pip"))
  func pipInstallsTheWheel() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try makeTree(folder + "/tree")
    _ = try pack(folder + "/tree", to: folder + "/files", epoch: "1700000000")
    let installed = try ChildProcess(
      [
        "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target",
        folder + "/site", folder + "/files/pipeline-1.5-py3-none-manylinux_2_34_x86_64.whl",
      ], program: pip
    ).wait()
    try #require(installed.status == 0, "\(installed.errors)")
    // The program itself, not a Python script that starts it.
    #expect(try FileSystem.read(folder + "/site/bin/pipeline") == FileSystem.read("/usr/bin/env"))
    let ran = try ChildProcess(["echo", "started"], program: folder + "/site/bin/pipeline").wait()
    #expect(ran.output == "started\n")
    #expect(access(folder + "/site/share/pipeline/Scripts/engine", X_OK) == 0)
    #expect(FileSystem.exists(folder + "/site/share/pipeline/日本語.txt"))
    #expect(FileSystem.exists(folder + "/site/pipeline-1.5.dist-info/licenses/zlib"))
  }
}

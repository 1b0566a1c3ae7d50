import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct DownloadStageTests {
  private func run<S: Stage>(_ stage: S.Type, _ options: JSONValue, base: String = "/") throws -> StageHarness {
    let network: [JSONMember] = [
      JSONMember("allowPrivateAddresses", true), JSONMember("delaySeconds", 0), JSONMember("attempts", 2),
    ]
    return try StageHarness(stage, options: .object(options.members! + network), base: base).run()
  }

  private func text(_ run: StageHarness, _ port: String, _ name: String) throws -> String {
    let file = try #require(run.files(port).first { $0.name == name })
    return String(decoding: try FileSystem.read(file.path), as: UTF8.self)
  }

  @Test func filesAreFetchedAndChecked() throws {
    let server = try LocalServer()
    try server.script("/a/one.txt", ["body": "one"])
    try server.script(
      "/two", ["body": "two", "etag": "\"2\"", "ranges": true, "cut": 1],
      ["body": "two", "etag": "\"2\"", "ranges": true])
    let sum = Checksummer.checksum(Array("one".utf8), .sha1)
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(
      Array("# more\n\(server.origin)/two\t3 second.txt  # a comment\n\n".utf8), to: folder + "/list")
    let run = try run(
      HTTPDownload.self, ["urls": .strings(["\(server.origin)/a/one.txt \(sum)"]), "lists": "list"], base: folder)
    #expect(try text(run, "files", "one.txt") == "one")
    #expect(try text(run, "files", "second.txt") == "two")
    #expect(
      run.files("files").map(\.digest) == [Digester.digest(Array("one".utf8)), Digester.digest(Array("two".utf8))])
    #expect(run.warnings["asked-again"] == 1)
  }

  /// As Common Crawl lists its archives: compressed, by paths alone, and fetched by another stage.
  @Test func listsOfPathsAreTakenAsFarAsWanted() throws {
    let server = try LocalServer()
    for name in ["1", "2#b", "3"] { try server.script("/data/\(name.prefix(1))", ["body": .string(name)]) }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let file = try FileSink(folder + "/paths.gz")
    let sink = try GzipSink(file)
    try sink.write(Array("# archives\n/data/1\n\ndata/2#b two # remark\ndata/3\n".utf8))
    try sink.commit()
    let list = ArtifactFile(
      path: folder + "/paths.gz", name: "paths.gz", bytes: 0, digest: try Digester.digest(file: folder + "/paths.gz"))
    func names(_ most: Int) throws -> [String] {
      let harness = try StageHarness(
        HTTPDownload.self,
        options: [
          "root": .string(server.origin), "maximumFiles": .integer(most), "allowPrivateAddresses": true,
          "delaySeconds": 0,
        ])
      harness.add(files: [list], to: "lists")
      return try harness.run().files("files").map(\.name)
    }
    #expect(try names(2) == ["1", "two"])
    #expect(try names(0) == ["1", "two", "3"])
  }

  /// A list may come from anywhere, and so may name a server that is to have no token.
  @Test func theTokenGoesToTheServersOfTheDocumentAlone() throws {
    TestEnvironment.set(["PIPELINE_TEST_DOWNLOAD_TOKEN": "s3cret"])
    let (own, other) = (try LocalServer(), try LocalServer())
    for server in [own, other] { try server.script("/a", ["body": "one"]) }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("\(other.origin)/a other\n".utf8), to: folder + "/list")
    let run = try run(
      HTTPDownload.self,
      [
        "urls": .strings(["a"]), "root": .string(own.origin), "lists": "list", "snapshot": "march 2026",
        "tokenVariable": "PIPELINE_TEST_DOWNLOAD_TOKEN",
      ], base: folder)
    #expect(run.files("files").map(\.name) == ["a", "other"])
    #expect(try own.questions().map { $0.headers["authorization"]?.string } == ["Bearer s3cret"])
    #expect(try other.questions().map { $0.headers["authorization"]?.string } == [nil])
  }

  @Test func sentences() throws {
    let server = try LocalServer()
    try server.script("/a", ["body": "one"])
    func sentence(_ urls: [String], _ more: [JSONMember] = []) -> String {
      do {
        _ = try run(HTTPDownload.self, .object([JSONMember("urls", .strings(urls))] + more))
      } catch { return "\(error)".replacing(server.origin, with: "http://server") }
      return "no error"
    }
    let wrong = String(repeating: "0", count: 32)
    #expect(
      sentence(["\(server.origin)/a md5:\(wrong)"])
        == "http://server/a: its md5 is f97c5d29941bfb1b2fdab0874906ab82 instead of \(wrong). "
        + "It may have been replaced, or damaged in transit.")
    #expect(sentence(["\(server.origin)/b"]).contains("http://server/b: the server responded with 404"))
    #expect(
      sentence(["\(server.origin)/a", "\(server.origin)/x/a"])
        == "urls: two files have the name 'a'; the other is in urls. Write another name after the URL.")
    #expect(sentence(["\(server.origin)/"]).contains("'' is not a file name"))
    #expect(sentence(["\(server.origin)/a ../b"]).contains("'../b' is not a file name"))
    #expect(sentence(["\(server.origin)/a sha256:12"]).contains("'sha256:12' is not a digest"))
    #expect(
      sentence(["https://user:pw@example.org/a"]).contains(
        "https://example.org/a contains a password, a token or a signature, which would be stored with the run"))
    #expect(
      sentence(["\(server.origin)/a"], [JSONMember("tokenVariable", "PIPELINE_TEST_NO_SUCH")])
        .contains("the environment variable PIPELINE_TEST_NO_SUCH is not set"))
  }

  @Test func aDumpComesFromTheMirrorThatHasIt() throws {
    let server = try LocalServer()
    let empty = try LocalServer()
    let base = "/jawiki/20260101/jawiki-20260101-"
    let sum = Checksummer.checksum(Array("dump".utf8), .sha1).hex
    let other = Checksummer.checksum(Array("index".utf8), .sha1).hex
    try server.script(
      base + "sha1sums.txt",
      [
        "body": .string(
          "\(sum)  jawiki-20260101-pages-articles-multistream.xml.bz2\n"
            + "\(other)  jawiki-20260101-pages-articles-multistream-index.txt.bz2\n")
      ])
    try server.script(base + "pages-articles-multistream.xml.bz2", ["body": "dump"])
    try server.script(base + "pages-articles-multistream-index.txt.bz2", ["body": "index"])
    // This mirror's copy is not the dump's.
    try empty.script(base + "pages-articles-multistream.xml.bz2", ["body": "stale"])
    let options: JSONValue = ["date": "20260101", "mirrors": .strings([empty.origin, server.origin + "/"])]
    let run = try run(WikipediaDownload.self, options)
    #expect(try text(run, "dump", "jawiki-20260101-pages-articles-multistream.xml.bz2") == "dump")
    #expect(run.warnings["mirror-failed"] == 3)
    do {
      _ = try self.run(
        WikipediaDownload.self, ["date": "20260101", "files": .strings(["x.gz"]), "mirrors": .strings([server.origin])])
      Issue.record("no error")
    } catch {
      #expect(
        "\(error)" == "jawiki-20260101-sha1sums.txt: it does not list jawiki-20260101-x.gz. "
          + "The dump may be incomplete yet, or have other files; set \"date\" or \"files\".")
    }
  }
}

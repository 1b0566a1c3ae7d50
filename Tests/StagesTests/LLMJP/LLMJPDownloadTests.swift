import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite(.needs(HubServer.isUsable && LocalServer.isUsable, "needs Python")) struct LLMJPDownloadTests {
  private typealias Bench = HubWorkbench

  private static let network: [JSONMember] = [
    JSONMember("allowPrivateAddresses", true), JSONMember("delaySeconds", 0), JSONMember("attempts", 2),
  ]

  private func run(_ options: JSONValue) throws -> StageHarness {
    try StageHarness(LLMJPDownload.self, options: .object(options.members! + Self.network)).run()
  }

  /// The fixture's corpus as a server's files.
  private func corpus() throws -> (server: LocalServer, listing: [String]) {
    let server = try LocalServer()
    let root = packagePath("Fixtures/llmjp")
    try server.serve(folder: root)
    let lines = try FileSystem.walk(root).map { "\(try Digester.digest(file: root + "/" + $0).hex)  \($0)" }
    return (server, lines)
  }

  @Test func aPlainListingLeadsToItsFiles() throws {
    let (server, lines) = try corpus()
    try server.script("/SHA256SUMS", ["body": .string(lines.joined(separator: "\n") + "\n")])
    let run = try run(
      ["listing": .string(server.origin + "/SHA256SUMS"), "directories": .strings(["ja_cc/level0", "ja_wiki/"])])
    #expect(
      run.files("records").map(\.name).sorted() == [
        "ja_cc/level0/0000.jsonl.gz", "ja_cc/level0/0001.jsonl.gz", "ja_wiki/0000.jsonl.zst",
      ])
    #expect(try run.json("listing", "source.json")["folder"]?.string == server.origin + "/")
    #expect(run.metrics["listedFiles"] == 4)
  }

  /// From the Hub by one stage into `llmjp.sample` gives what the folder on disk gives.
  @Test func whatWasFetchedIsSampledAsTheFolderIs() throws {
    let root = packagePath("Fixtures/llmjp")
    let bench = try HubWorkbench()
    try bench.add("corpus", FileSystem.walk(root).map { ($0, try FileSystem.read(root + "/" + $0)) })
    try bench.upload()
    let members: [JSONMember] = [
      JSONMember("repository", "me/set"), JSONMember("endpoint", .string(bench.server.origin)),
      JSONMember("tokenVariable", .string(Bench.readerVariable)),
    ]
    let records = try run(.object(members + [JSONMember("directories", .strings(["ja_cc", "ja_wiki"]))]))
    let quality = try run(.object(members + [JSONMember("include", .strings(["*.csv"]))]))
    let wired = try StageHarness(LLMJPSample.self, options: ["directories": .strings(["ja_cc/level0"])])
    wired.add(files: records.files("records"), to: "records", from: "corpus")
    wired.add(files: quality.files("records"), to: "quality", from: "table")
    let onDisk = try StageHarness(
      LLMJPSample.self,
      options: [
        "records": .string(root), "quality": .string(root + "/quality.csv"),
        "directories": .strings(["ja_cc/level0"]),
      ])
    #expect(try wired.run().documents().map(\.idString) == onDisk.run().documents().map(\.idString))
    #expect(try wired.documents().count > 5)
    do {
      try StageHarness(LLMJPSample.self, options: ["records": .string(root)]).run()
      Issue.record("no error")
    } catch {
      #expect(
        "\(error)" == "quality: there is nothing to read. "
          + "Name files or folders, or wire a stage that downloads them, such as http.download.")
    }
  }

  @Test func everyFormOfALineIsRead() throws {
    let server = try LocalServer()
    for name in ["one", "two", "three", "a name of words", "five"] {
      try server.script("/data/\(name.replacing(" ", with: "%20"))", ["body": .string(name)])
    }
    func sum(_ text: String, _ algorithm: Checksum.Algorithm) -> String {
      Checksummer.checksum(Array(text.utf8), algorithm).hex
    }
    let text = """
      # a comment
      \(sum("one", .sha256))  ./one
      \(sum("two", .md5)) *two\r
      \(sum("three", .sha1)) 5 three

      \(sum("a name of words", .sha256)) \t a name of words
      sha256:\(sum("five", .sha256)) five
      sha256:\(sum("five", .sha256)) five
      """
    try server.script("/list", ["body": .string(text)])
    let run = try run(["listing": .string(server.origin + "/list"), "folder": .string(server.origin + "/data")])
    #expect(run.files("records").map(\.name).sorted() == ["a name of words", "five", "one", "three", "two"])
    #expect(run.warnings["repeated-line"] == 1)
  }

  @Test func listingsThatAreNotToBeTrusted() throws {
    let server = try LocalServer()
    let sum = Checksummer.checksum([1], .md5).hex
    let other = Checksummer.checksum([2], .md5).hex
    func sentence(_ body: String, _ more: [JSONMember] = [], headers: JSONValue = [:]) throws -> String {
      try server.script("/list", ["body": .string(body), "headers": headers])
      do { _ = try run(.object([JSONMember("listing", .string(server.origin + "/list"))] + more)) } catch {
        return "\(error)".replacing(server.origin, with: "SERVER")
      }
      return "no error"
    }
    let trust = "Nothing was fetched: a listing with such a line cannot be trusted."
    for path in ["../a", "/etc/passwd", "a/../../b", "a\\b", "a//b", ".git/config", "."] {
      #expect(
        try sentence("\(sum)  ok\n\(sum)  \(path)\n")
          == "SERVER/list: line 2: '\(path)' leads outside the listing's folder or is not a valid path. \(trust)")
    }
    #expect(
      try sentence("\(sum)  a\n\(other)  a\n") == "SERVER/list: line 2: a is listed twice, with different digests.")
    #expect(try sentence("\(sum)  a\n\(sum)  a/b\n") == "SERVER/list: a is listed as a file and as the folder of a/b.")
    #expect(
      try sentence("\(sum)  a\nb 12\n")
        == "SERVER/list: line 2 does not begin with a digest. "
        + "A line consists of a SHA-256, SHA-1 or MD5, optionally a number of bytes, and a path.")
    #expect(
      try sentence("<html>", headers: ["Content-Type": "text/html; charset=utf-8"])
        == "SERVER/list: is an HTML page, not a listing. "
        + "It may be a sign-in page: name a token with \"tokenVariable\".")
    #expect(
      try sentence("\(sum)  ja/ja_cc/level0/0000.jsonl.gz\n", [JSONMember("directories", .strings(["ja_cc"]))])
        == "directories: SERVER/list has no files in ja_cc. It has ja/ja_cc/level0.")
    try server.script("/a", ["body": "x"])
    #expect(
      try sentence("\(sum) 1 a\n")
        == "SERVER/a: its md5 is \(Checksummer.checksum(Array("x".utf8), .md5).hex) instead of \(sum). "
        + "It may have been replaced, or damaged in transit.")
    #expect(
      try sentence("\(sum) 7 a\n") == "SERVER/a: the file has 1 bytes instead of 7. It may have been replaced.")
  }

  /// A listing gets no token unless one is named; then those servers alone that the options name.
  @Test func aTokenGoesOnlyWhereTheDocumentSays() throws {
    _ = try HubWorkbench()
    let server = try LocalServer()
    let elsewhere = try LocalServer()
    let text = "\(Checksummer.checksum(Array("one".utf8), .sha256).hex)  one\n"
    try server.script("/list", ["body": .string(text)])
    try server.script("/one", ["status": 302, "headers": ["Location": .string(elsewhere.origin + "/one")]])
    try elsewhere.script("/one", ["body": "one"])
    _ = try run(["listing": .string(server.origin + "/list")])
    #expect(try server.questions().allSatisfy { $0.headers["authorization"] == nil })
    try server.forget()
    _ = try run(["listing": .string(server.origin + "/list"), "tokenVariable": .string(Bench.readerVariable)])
    #expect(
      try server.questions().map { $0.headers["authorization"]?.string } == ["Bearer hf_reader", "Bearer hf_reader"])
    #expect(try elsewhere.questions().allSatisfy { $0.headers["authorization"] == nil })
  }

  @Test func optionsThatAreWrong() {
    func sentence(_ options: JSONValue) -> String {
      do { _ = try StageHarness(LLMJPDownload.self, options: options).run() } catch { return "\(error)" }
      return "no error"
    }
    #expect(sentence([:]) == "repository: there is nothing to fetch. Set \"repository\" or \"listing\".")
    #expect(
      sentence(["repository": "a/b", "listing": "https://example.org/x"])
        .contains("\"repository\" and \"listing\" exclude each other"))
    #expect(
      sentence(["repository": "a/b", "folder": "https://example.org/x"]).contains("requires \"listing\""))
    #expect(
      sentence(["listing": "https://example.org/x?private_token=abc"])
        .contains("https://example.org/x?private_token=… contains a password, a token or a signature"))
    #expect(
      sentence(["listing": "http://example.org/x", "tokenVariable": "T"])
        .contains("http://example.org/x is plain http, which exposes the token"))
    #expect(sentence(["repository": "a/b", "include": .strings(["/a"])]).contains("'/a' is not a path pattern"))
    #expect(sentence(["repository": "a/b", "tokenVariable": "glpat-abc"]).contains("not contain the token itself"))
  }
}

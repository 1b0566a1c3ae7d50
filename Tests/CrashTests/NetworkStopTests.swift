import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

/// The first Ctrl-C of a run that uses the network: what keeps its state stops soon, and the next run goes on there.
@Suite(.serialized, .needs(LocalServer.isUsable, "needs Python")) final class NetworkStopTests {
  private let server: LocalServer
  private let folder = temporaryDirectory()

  init() throws { server = try LocalServer() }

  deinit { try? FileSystem.removeTree(folder) }

  private func start(_ use: String, _ options: [JSONMember]) throws -> ChildProcess {
    let all = options + [JSONMember("allowPrivateAddresses", true)]
    let document: JSONValue = [
      "format": 1, "name": "stop", "stages": ["net": ["use": .string(use), "options": .object(all)]],
    ]
    try FileSystem.write(Array(document.text().utf8), to: folder + "/p.json")
    return try ChildProcess(["run", folder + "/p.json", "--store", folder + "/store", "--json"])
  }

  /// Sends Ctrl-C and waits until the run has heard it.
  private func interrupt(_ child: ChildProcess) throws {
    child.signal(SIGINT)
    try child.works(until: "the interruption") { try child.outputSoFar().contains(#""event":"interrupted""#) }
  }

  @Test func aCrawlStopsBehindTheAnswerAtHand() throws {
    let site = folder + "/site"
    try FileSystem.makeDirectory(site)
    for page in 0..<120 {
      try FileSystem.write(Array("<p>\(page)番目の文章です。川が流れています。</p>".utf8), to: "\(site)/\(page).html")
    }
    try server.serve(folder: site)
    let options = [
      JSONMember("urls", .strings((0..<120).map { "\(server.origin)/\($0).html" })), JSONMember("snapshot", "1"),
      JSONMember("delaySeconds", .number(0.05)), JSONMember("minimumCharacters", 1),
    ]
    try server.hold(after: 10)
    let child = try start("html.crawl", options)
    try child.works(until: "the eleventh question") { try server.held() == 1 }
    try interrupt(child)
    try server.release()
    #expect(try child.wait().status == 130)
    #expect(try server.count() == 11, "a crawl of hours must not go on to its end")
    let rest = try start("html.crawl", options).wait()
    #expect(rest.status == 0, "\(rest.errors)")
    // Each page and robots.txt, once.
    #expect(try server.count() == 121)
  }

  /// Bytes of all files below a folder, hidden ones too, while somebody writes them.
  private func bytes(below folder: String) -> Int {
    ((try? FileSystem.list(folder)) ?? []).reduce(0) { sum, name in
      let path = folder + "/" + name
      return sum + (FileSystem.isDirectory(path) ? bytes(below: path) : Int(FileSystem.status(path)?.bytes ?? 0))
    }
  }

  @Test func aDownloadStopsWithinAFileAndGoesOnThere() throws {
    try server.script("/large", ["size": 8_000_000, "etag": "\"1\"", "ranges": true])
    try server.hold(after: 0, inside: true)
    let options = [JSONMember("urls", .strings(["\(server.origin)/large"]))]
    let child = try start("http.download", options)
    try child.works(until: "half of the file") { bytes(below: folder + "/store") > 3_000_000 }
    try interrupt(child)
    #expect(try child.wait().status == 130)
    try server.forgetTheDead()
    let rest = try start("http.download", options).wait()
    #expect(rest.status == 0, "\(rest.errors)")
    let ranges = try server.questions().map { $0.headers["range"]?.string }
    #expect(ranges.count == 2 && ranges[0] == nil && ranges[1] != nil, "\(ranges)")
  }
}

import ShardKit
import TestKit

@testable import NetKit

/// A misbehaving server and a crawl of it whose waits take no time.
final class CrawlWorkbench {
  let client: ClientWorkbench
  var server: LocalServer { client.server }
  var folder: String { client.folder + "/state" }

  init() throws { client = try ClientWorkbench() }

  func crawl(_ pass: String = "1") throws -> Crawl {
    try Crawl(folder: folder, pass: pass, client: client.client())
  }

  /// Paths asked so far, without robots.txt.
  func paths() throws -> [String] { try server.questions().map(\.path).filter { $0 != "/robots.txt" } }

  /// An archive of a page, its revisit and a page that is gone.
  static func archive(to folder: String) throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "おはよう", "etag": "\"1\"", "chunked": true], ["status": 304])
    try bench.server.script("/b", ["status": 404, "body": "gone"])
    for pass in ["1", "2"] {
      _ = try Crawl(folder: folder, pass: pass, client: bench.client.client()).visit(bench.client.url("/a"), kind: "k")
    }
    _ = try Crawl(folder: folder, pass: "2", client: bench.client.client()).visit(bench.client.url("/b"), kind: "k")
  }
}

import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct CrawlTests {
  @Test func withinAPassNothingIsAskedTwice() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "one"])
    try bench.server.script("/b", ["status": 404])
    for _ in 0..<3 {
      let crawl = try bench.crawl()
      let visit = try crawl.visit(bench.client.url("/a"), kind: "k")
      #expect(try crawl.content(visit).text == "one")
      #expect(visit.change(in: "1") == .new)
      #expect(try crawl.visit(bench.client.url("/b"), kind: "k").state == .gone)
    }
    #expect(try bench.paths() == ["/a", "/b"])
    #expect(try bench.server.questions().count == 3, "robots.txt is asked once")
  }

  /// A link service or a moved page leads where another site's owner may not want us.
  @Test func theRulesOfWhereARedirectLeadsCount() throws {
    let bench = try CrawlWorkbench()
    let other = try LocalServer()
    try other.script("/robots.txt", ["body": "User-agent: *\nDisallow: /private/\n"])
    try other.script("/open", ["body": "open"])
    for name in ["open", "private/page"] {
      try bench.server.script(
        "/to/\(name)", ["status": 302, "headers": ["Location": .string("\(other.origin)/\(name)")]])
    }
    let crawl = try bench.crawl()
    #expect(try crawl.content(crawl.visit(bench.client.url("/to/open"), kind: "k")).text == "open")
    let visit = try crawl.visit(bench.client.url("/to/private/page"), kind: "k")
    #expect(visit.state == .refused)
    #expect(
      visit.failure?.replacing(other.origin, with: "http://other")
        == "it redirects to http://other/private/page: the site's robots.txt does not allow it")
    #expect(try other.questions().map(\.path) == ["/robots.txt", "/open"])
  }

  @Test func aLaterPassAsksConditionally() throws {
    let bench = try CrawlWorkbench()
    let page: JSONValue = ["body": "one", "etag": "\"1\""]
    try bench.server.script("/a", page, ["status": 304, "etag": "\"1\""], page, ["body": "two", "etag": "\"2\""])
    let url = try bench.client.url("/a")
    func pass(_ name: String) throws -> (Visit.Change, String) {
      let crawl = try bench.crawl(name)
      let visit = try crawl.visit(url, kind: "k")
      return (visit.change(in: name), try crawl.content(visit).text)
    }
    #expect(try pass("1") == (.new, "one"))
    #expect(try pass("2") == (.unchanged, "one"))
    #expect(try pass("3") == (.unchanged, "one"), "the server sent it again, but it is the same")
    #expect(try pass("4") == (.updated, "two"))
    let conditions = try bench.server.questions().dropFirst().map { $0.headers["if-none-match"]?.string }
    #expect(conditions == [nil, "\"1\"", "\"1\"", "\"1\""])
    let reader = try WARCReader(path: bench.folder + "/crawl-00000.warc.gz")
    var kinds: [WARCRecord.Kind] = []
    while case .record(let record)? = try reader.next() { if let kind = record.kind { kinds.append(kind) } }
    #expect(kinds.filter { $0 == .response || $0 == .revisit } == [.response, .revisit, .revisit, .response])
  }

  @Test func whatItsListingCallsUnchangedIsNotAsked() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "one"])
    let url = try bench.client.url("/a")
    for (pass, version) in [("1", "v1"), ("2", "v1"), ("3", "v2")] {
      _ = try bench.crawl(pass).visit(url, kind: "k", version: version)
    }
    #expect(try bench.paths().count == 2)
  }

  @Test func whatIsNoLongerListedHasDisappeared() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "one"])
    try bench.server.script("/b", ["body": "two"])
    let first = try bench.crawl("1")
    for path in ["/a", "/b"] { _ = try first.visit(bench.client.url(path), kind: "k", version: "v") }
    try first.finishListing(kind: "k")
    #expect(try first.frontier.visits(kind: "k").map(\.state) == [.done, .done])
    do {
      let second = try CrawlWorkbenchReopened(bench, first).crawl("2")
      _ = try second.visit(bench.client.url("/a"), kind: "k", version: "v")
      try second.finishListing(kind: "k")
      #expect(try second.frontier.visits(kind: "k").map { $0.change(in: "2") } == [.unchanged, .disappeared])
    }
  }

  /// A crawl holds its folder, so the older one must be gone before the next opens it.
  private struct CrawlWorkbenchReopened {
    let bench: CrawlWorkbench
    init(_ bench: CrawlWorkbench, _ crawl: Crawl) throws {
      self.bench = bench
      #expect(throws: NetError.self, "two crawls in one folder") { try bench.crawl() }
    }
    func crawl(_ pass: String) throws -> Crawl {
      let copy = bench.client.folder + "/copy"
      try FileSystem.makeDirectory(copy)
      for name in try FileSystem.list(bench.folder) {
        try FileSystem.write(try FileSystem.read("\(bench.folder)/\(name)"), to: "\(copy)/\(name)")
      }
      return try Crawl(folder: copy, pass: pass, client: bench.client.client())
    }
  }

  /// Killed between the archive and the frontier: the answer is taken in, not asked for again.
  @Test func anAnswerThatTheFrontierDoesNotKnowIsTakenIn() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "one", "etag": "\"1\""])
    try bench.server.script("/b", ["status": 410])
    do {
      let crawl = try bench.crawl()
      _ = try crawl.visit(bench.client.url("/a"), kind: "k", version: "v")
      _ = try crawl.visit(bench.client.url("/b"), kind: "k")
    }
    for name in try FileSystem.list(bench.folder) where name.hasPrefix("frontier") {
      try FileSystem.remove("\(bench.folder)/\(name)")
    }
    let crawl = try bench.crawl()
    let visit = try crawl.visit(bench.client.url("/a"), kind: "k", version: "v")
    #expect(visit.validators.etag == "\"1\"")
    #expect(visit.change(in: "1") == .new)
    #expect(try crawl.content(visit).text == "one")
    #expect(try crawl.visit(bench.client.url("/b"), kind: "k").state == .gone)
    #expect(try bench.paths() == ["/a", "/b"])
  }

  @Test func contentThatTheDiskLostIsAskedAgain() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "one"])
    do { _ = try bench.crawl().visit(bench.client.url("/a"), kind: "k") }
    let path = bench.folder + "/crawl-00000.warc.gz"
    try FileSystem.write(Array(try FileSystem.read(path).dropLast(700)), to: path)
    let crawl = try bench.crawl()
    #expect(try crawl.content(crawl.visit(bench.client.url("/a"), kind: "k")).text == "one")
    #expect(try bench.paths().count == 2)
  }

  @Test func robotsAreObeyed() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/robots.txt", ["body": "User-agent: pipeline\nDisallow: /private\n"])
    let crawl = try bench.crawl()
    let visit = try crawl.visit(bench.client.url("/private/x"), kind: "k")
    #expect(visit.state == .refused)
    #expect(visit.failure == "the site's robots.txt does not allow it")
    #expect(try bench.paths() == [])
  }

  @Test func aFailureIsAStateAndTriedAgain() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["status": 403], ["body": "one"])
    let crawl = try bench.crawl()
    let visit = try crawl.visit(bench.client.url("/a"), kind: "k")
    #expect(visit.state == .failed)
    #expect(visit.failure == "the server responded with 403")
    #expect(try crawl.visit(bench.client.url("/a"), kind: "k").state == .done)
  }

  @Test func aNetworkThatIsGoneStopsTheCrawl() throws {
    let bench = try CrawlWorkbench()
    bench.client.options.retrying = .never
    let crawl = try bench.crawl()
    let sentence = bench.client.sentence {
      for i in 0..<20 {
        try bench.server.script("/\(i)", ["silent": true])
        _ = try crawl.visit(bench.client.url("/\(i)"), kind: "k")
      }
    }
    #expect(
      sentence == "http://server/7: the server closed the connection without a response; 8 consecutive requests have "
        + "failed. Run again when the network or the site is back: finished downloads are not repeated.")
  }

  @Test func damageToTheArchiveIsSaid() throws {
    let bench = try CrawlWorkbench()
    try bench.server.script("/a", ["body": "one"])
    let crawl = try bench.crawl()
    var visit = try crawl.visit(bench.client.url("/a"), kind: "k")
    visit.recordID = "<urn:uuid:another>"
    let offset = visit.location!.offset
    #expect(
      bench.client.sentence { _ = try crawl.content(visit) }
        == "FOLDER/state/crawl-00000.warc.gz: the record at byte \(offset) has changed since it was written. "
        + "The archive is damaged; move the folder away to crawl again from scratch.")
  }
}

import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct RobotsCacheTests {
  private final class Memory: RobotsStore {
    var verdicts: [String: RobotsVerdict] = [:]
    func robots(of origin: String) -> RobotsVerdict? { verdicts[origin] }
    func setRobots(_ verdict: RobotsVerdict, of origin: String) { verdicts[origin] = verdict }
  }

  private let disallow: JSONValue = ["body": "User-agent: *\nDisallow: /a\nCrawl-delay: 9\n"]

  @Test func everyKindOfAnswer() throws {
    for (steps, allowsA, allowsB) in [
      ([disallow], false, true),
      ([["status": 404]], true, true), ([["status": 403]], true, true), ([["status": 410]], true, true),
      ([["status": 503], disallow], false, true),
      ([["status": 302, "headers": ["Location": "/moved"]]], false, true),
      ([["status": 302, "headers": ["Location": "/robots.txt"]]], true, true),
      ([["body": ""]], true, true),
    ] as [([JSONValue], Bool, Bool)] {
      let bench = try ClientWorkbench()
      try bench.server.control("script", ["path": "/robots.txt", "steps": .list(steps)])
      try bench.server.script("/moved", disallow)
      let rules = try RobotsCache(bench.client(), store: nil).rules(for: bench.url("/x"))
      #expect(rules.allows("/a") == allowsA, "\(steps)")
      #expect(rules.allows("/b") == allowsB, "\(steps)")
    }
  }

  @Test func aSiteThatFailsIsLeftAlone() throws {
    let bench = try ClientWorkbench()
    let cache = RobotsCache(try bench.client(), store: nil)
    try bench.server.script("/robots.txt", ["status": 500])
    #expect(
      bench.sentence { _ = try cache.rules(for: bench.url("/x")) }
        == "http://server/robots.txt: no requests are allowed without the site's robots.txt "
        + "(the server responded with 500 (Internal Server Error), 5 times in a row). Try again when the site responds."
    )
    try bench.server.script("/robots.txt", ["status": 429])
    #expect(throws: NetError.self) { try cache.rules(for: bench.url("/x")) }
    try bench.server.script("/robots.txt", ["status": 501])
    #expect(throws: NetError.self) { try cache.rules(for: bench.url("/x")) }
    #expect(
      bench.sentence { _ = try cache.rules(for: WebURL("http://127.0.0.1:9/")) }
        == "http://127.0.0.1:9/robots.txt: no requests are allowed without the site's robots.txt "
        + "(no connection to 127.0.0.1 on port 9, 5 times in a row). Try again when the site responds.")
    try bench.server.script("/robots.txt", disallow)
    #expect(try cache.rules(for: bench.url("/x")).allows("/a") == false, "the failure was not kept")
  }

  @Test func aFileWithoutEndIsReadToTheLimit() throws {
    let bench = try ClientWorkbench()
    let filling = String(repeating: "# filling\n", count: 100_000)
    try bench.server.script("/robots.txt", ["body": .string("User-agent: *\nDisallow: /a\n\(filling)")])
    #expect(try !RobotsCache(bench.client(), store: nil).rules(for: bench.url("/x")).allows("/a"))
    try bench.server.script("/robots.txt", ["endless": true, "body": "User-agent: *\nDisallow: /a\n"])
    #expect(try !RobotsCache(bench.client(), store: nil).rules(for: bench.url("/x")).allows("/a"))
  }

  @Test func theAnswerIsKeptForADayAndOverRuns() throws {
    let bench = try ClientWorkbench()
    let store = Memory()
    try bench.server.script("/robots.txt", disallow)
    let client = try bench.client()
    let cache = RobotsCache(client, store: store)
    for _ in 0..<3 { _ = try cache.rules(for: bench.url("/x")) }
    _ = try RobotsCache(client, store: store).rules(for: bench.url("/x"))
    #expect(try bench.server.questions().count == 1)
    bench.clock.advance(seconds: 86_401)
    _ = try cache.rules(for: bench.url("/x"))
    #expect(try bench.server.questions().count == 2)
  }

  @Test func theDelayIsTheSitesWhereItIsLonger() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/robots.txt", disallow)
    try bench.server.script("/b", ["body": "x"])
    let client = try bench.client(rules: Politeness.Rules(delaySeconds: 1))
    _ = try RobotsCache(client, store: nil).rules(for: bench.url("/b"))
    for _ in 0..<3 { _ = try client.send(HTTPRequest(.get, bench.url("/b"))) }
    let waits = bench.clock.slept.map { ($0 * 10).rounded() / 10 }
    #expect(waits == [1, 9, 9], "the delay was not known when robots.txt itself was answered")
  }
}

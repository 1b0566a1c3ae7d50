import Glibc
import NetKit
import ShardKit
import TestKit
import Testing

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct PolitenessTests {
  @Test func theDelayIsCountedFromTheEndOfTheAnswer() throws {
    let server = try LocalServer()
    try server.script("/a", ["size": 3000, "slow": 10_000])
    var options = HTTPClient.Options()
    options.allowsSpecialAddresses = true
    let client = try HTTPClient(options, politeness: Politeness(Politeness.Rules(delaySeconds: 0.2)))
    for _ in 0..<3 { _ = try client.send(HTTPRequest(.get, server.origin + "/a")) }
    let questions = try server.questions()
    for (before, after) in zip(questions, questions.dropFirst()) { #expect(after.at - before.ended! > 0.18) }
  }

  @Test func oneAtATimeFromAllThreads() throws {
    let server = try LocalServer()
    try server.script("/a", ["body": "x", "wait": .number(0.05)])
    let politeness = Politeness(Politeness.Rules(delaySeconds: 0.02))
    let origin = server.origin
    var threads: [pthread_t] = []
    for _ in 0..<4 {
      var thread = pthread_t()
      let job = Unmanaged.passRetained(Job(origin: origin, politeness: politeness)).toOpaque()
      pthread_create(&thread, nil, { Unmanaged<Job>.fromOpaque($0!).takeRetainedValue().run() }, job)
      threads.append(thread)
    }
    for thread in threads { pthread_join(thread, nil) }
    let questions = try server.questions()
    #expect(questions.count == 12)
    for (before, after) in zip(questions, questions.dropFirst()) { #expect(after.at >= before.ended! + 0.015) }
  }

  private final class Job: Sendable {
    let origin: String
    let politeness: Politeness
    init(origin: String, politeness: Politeness) { (self.origin, self.politeness) = (origin, politeness) }

    func run() -> UnsafeMutableRawPointer? {
      var options = HTTPClient.Options()
      options.allowsSpecialAddresses = true
      let client = try! HTTPClient(options, politeness: politeness)
      for _ in 0..<3 { _ = try! client.send(HTTPRequest(.get, origin + "/a")) }
      return nil
    }
  }

  @Test func bandwidthIsShared() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["size": 500_000])
    let client = try bench.client(rules: Politeness.Rules(delaySeconds: 0, bytesPerSecond: 100_000))
    for _ in 0..<2 { _ = try client.send(HTTPRequest(.get, bench.url("/a"))) }
    let waited = bench.clock.slept.reduce(0, +)
    #expect(waited > 9.7 && waited < 10.1, "a million bytes at 100,000 a second, but a tenth of a second: \(waited)")
  }

  @Test func aBusyHostIsLeftAloneByAll() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["status": 503, "headers": ["Retry-After": "30"]])
    try bench.server.script("/b", ["body": "x"])
    bench.options.retrying = .never
    let client = try bench.client()
    _ = try? client.send(HTTPRequest(.get, bench.url("/a")))
    _ = try client.send(HTTPRequest(.get, bench.url("/b")))
    #expect(bench.clock.slept == [30])
  }
}

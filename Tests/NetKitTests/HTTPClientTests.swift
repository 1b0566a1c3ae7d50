import Glibc
import NetKit
import ShardKit
import TestKit
import Testing

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct HTTPClientTests {
  @Test func anAnswerIsWholeAndTheAgentSaysWhoAsks() throws {
    let bench = try ClientWorkbench()
    try bench.server.script(
      "/a", ["body": "こんにちは", "etag": "\"1\"", "headers": ["Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"]])
    let response = try bench.get("/a")
    #expect(response.status == 200)
    #expect(response.body.text == "こんにちは")
    #expect(response.validators == Validators(etag: "\"1\"", lastModified: "Mon, 01 Jan 2024 00:00:00 GMT"))
    #expect(response.address == "127.0.0.1")
    let question = try #require(try bench.server.questions().first)
    #expect(question.headers["user-agent"]?.string == "\(HTTPClient.product) (+mailto:corpus@example.org)")
  }

  @Test func connectionsAreKept() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["body": "x"])
    let client = try bench.client()
    for _ in 0..<5 { _ = try client.send(HTTPRequest(.get, bench.url("/a"))) }
    #expect(Set(try bench.server.questions().map(\.connection)).count == 1)
  }

  @Test func bodiesAreSent() throws {
    let bench = try ClientWorkbench()
    try FileSystem.write(Array("0123456789".utf8), to: bench.folder + "/part")
    try bench.server.script("/put", ["status": 503], ["status": 200, "etag": "\"p\""])
    var put = HTTPRequest(.put, try bench.url("/put"))
    put.body = .file(path: bench.folder + "/part", offset: 3, length: 5)
    #expect(try bench.client().send(put).headers["etag"] == "\"p\"")
    var post = HTTPRequest(.post, try bench.url("/post"))
    post.body = .bytes(Array("question".utf8))
    try bench.server.script("/post", ["body": "yes"])
    #expect(try bench.client().send(post).body.text == "yes")
    let questions = try bench.server.questions()
    #expect(questions.map(\.method) == ["PUT", "PUT", "POST"], "a PUT is asked again, with the same bytes")
    #expect(questions.map(\.bytes) == [5, 5, 8])
    #expect(questions[1].bodyDigest == Digester.digest(Array("34567".utf8)).hex)
  }

  @Test func aPostIsAskedOnceUnlessItMayBeRepeated() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/post", ["status": 500], ["body": "yes"])
    var post = HTTPRequest(.post, try bench.url("/post"))
    #expect(
      bench.sentence { _ = try bench.client().send(post) }
        == "http://server/post: the server responded with 500 (Internal Server Error). Try again later.")
    post.isRepeatable = true
    try bench.server.script("/post", ["status": 500], ["body": "yes"])
    #expect(try bench.client().send(post).body.text == "yes")
  }

  // MARK: Retries

  @Test func threeFailuresThenSuccess() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["status": 500], ["status": 500], ["status": 500], ["body": "at last"])
    #expect(try bench.get("/a").body.text == "at last")
    #expect(bench.clock.slept == [1, 2, 4])
    #expect(bench.retried.first == "the server responded with 500 (Internal Server Error); 1.0")
  }

  @Test func waitsKeepAPartByChance() throws {
    let bench = try ClientWorkbench()
    bench.options.retrying.chance = { 0 }
    try bench.server.script("/a", ["status": 502], ["status": 504], ["body": "at last"])
    _ = try bench.get("/a")
    #expect(bench.clock.slept == [0.5, 1])
  }

  /// As the Hub says it, whose window is minutes.
  @Test func aRateLimitSaysWhenThereIsRoomAgain() throws {
    let bench = try ClientWorkbench()
    try bench.server.script(
      "/a", ["status": 429, "headers": ["RateLimit": "\"api\";r=0;t=123"]], ["body": "now"])
    #expect(try bench.get("/a").body.text == "now")
    #expect(bench.clock.slept == [123])
  }

  @Test func theServerSaysWhenToComeBack() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["status": 429, "headers": ["Retry-After": "7"]], ["body": "now"])
    #expect(try bench.get("/a").body.text == "now")
    #expect(bench.clock.slept == [7])
    // The clock stands at 1 700 000 007 now: Tue, 14 Nov 2023 22:13:27.
    let date = "Tue, 14 Nov 2023 22:14:27 GMT"
    try bench.server.script("/a", ["status": 503, "headers": ["Retry-After": .string(date)]], ["body": "now"])
    _ = try bench.get("/a")
    #expect(bench.clock.slept == [7, 60])
  }

  @Test func aServerThatAsksForTooLongIsLeftAlone() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["status": 503, "headers": ["Retry-After": "86400"]])
    #expect(
      bench.sentence { _ = try bench.get("/a") }
        == "http://server/a: the server responded with 503 (Service Unavailable). "
        + "It asks clients to wait 86400 seconds.")
    #expect(try bench.server.questions().count == 1)
  }

  @Test func whatDoesNotPassIsGivenUp() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["status": 503])
    #expect(
      bench.sentence { _ = try bench.get("/a") }
        == "http://server/a: the server responded with 503 (Service Unavailable), 5 times in a row. Try again later.")
    try bench.server.script("/a", ["status": 404])
    #expect(try bench.get("/a").status == 404, "an answer, not an error")
    #expect(
      bench.sentence { try bench.get("/a").checked() }
        == "http://server/a: the server responded with 404 (Not Found). Check the URL; it may have moved.")
    #expect(try bench.server.questions().count == 7)
  }

  @Test func aBrokenConnectionIsTriedAgain() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["silent": true], ["size": 100_000, "cut": 70_000], ["body": "whole"])
    #expect(try bench.get("/a").body.text == "whole")
    #expect(bench.retried.count == 2)
    try bench.server.script("/b", ["size": 1000, "length": 2000])
    #expect(
      bench.sentence { _ = try bench.get("/b") }
        == "http://server/b: the response ended after 1000 bytes, before its stated length, 5 times in a row. "
        + "Try again later.")
    #expect(
      bench.sentence { _ = try bench.client().send(HTTPRequest(.get, "http://127.0.0.1:9/")) }
        == "http://127.0.0.1:9/: no connection to 127.0.0.1 on port 9, 5 times in a row. Try again later.")
    #expect(
      bench.sentence { _ = try bench.client().send(HTTPRequest(.get, "http://nowhere.invalid/")) }
        == "http://nowhere.invalid/: the host name nowhere.invalid cannot be resolved, 5 times in a row. Try again later."
    )
  }

  // MARK: Bounds

  @Test func anEndlessBodyEnds() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/endless", ["endless": true])
    #expect(
      bench.sentence { _ = try bench.get("/endless") { $0.maximumBytes = 1 << 20 } }
        == "http://server/endless: the response has too many bytes; the limit is 1048576. "
        + "Raise the limit if this size is expected.")
    try bench.server.script("/large", ["size": 2000])
    #expect(
      bench.sentence { _ = try bench.get("/large") { $0.maximumBytes = 1999 } }
        == "http://server/large: the response has 2000 bytes; the limit is 1999. "
        + "Raise the limit if this size is expected.")
    #expect(try bench.server.questions().count == 2, "neither is asked again")
  }

  @Test func aSlowBodyIsAStall() throws {
    let bench = try ClientWorkbench()
    bench.options.stallSeconds = 1
    bench.options.stallBytesPerSecond = 1000
    bench.options.retrying.attempts = 1
    try bench.server.script("/slow", ["size": 100_000, "slow": 50])
    #expect(
      bench.sentence { _ = try bench.get("/slow") }
        == "http://server/slow: fewer than 1000 bytes per second arrived for 1 seconds. Try again later.")
    bench.options.wholeSeconds = 0.3
    try bench.server.script("/wait", ["wait": 2])
    #expect(
      bench.sentence { _ = try bench.get("/wait") }
        == "http://server/wait: the response was not complete after 0.3 seconds (0 bytes arrived). Try again later.")
  }

  @Test func aMalformedAnswerIsNoAnswer() throws {
    let bench = try ClientWorkbench()
    let huge = String(repeating: "X-Long: \(String(repeating: "x", count: 60_000))\r\n", count: 6)
    try bench.server.script("/head", ["raw": .string("HTTP/1.1 200 OK\r\n\(huge)\r\n")])
    #expect(
      bench.sentence { _ = try bench.get("/head") }
        == "http://server/head: the head of the response has more than 262144 bytes.")
    try bench.server.script("/no", ["raw": "SSH-2.0-server\r\n"])
    #expect(bench.sentence { _ = try bench.get("/no") }.hasPrefix("http://server/no: "))
  }

  @Test func cancellingStopsATransferAndAWait() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/slow", ["size": 1_000_000, "slow": 10_000])
    var looks = 0
    let client = try bench.client {
      looks += 1
      return looks > 5
    }
    #expect(
      bench.sentence { _ = try client.send(HTTPRequest(.get, bench.url("/slow"))) } == "the transfer was stopped.")
  }

  // MARK: Redirects

  @Test func redirectsAreFollowedAndBounded() throws {
    let bench = try ClientWorkbench()
    try bench.server.script("/a", ["status": 301, "headers": ["Location": "b/../c?x=1"]])
    try bench.server.script("/c", ["status": 302, "headers": ["Location": .string(bench.server.origin + "/d")]])
    try bench.server.script("/d", ["body": "here"])
    let response = try bench.get("/a")
    #expect(response.body.text == "here")
    #expect(response.redirects == 2)
    #expect(response.url.target == "/d")
    try bench.server.script("/loop", ["status": 302, "headers": ["Location": "/loop"]])
    #expect(
      bench.sentence { _ = try bench.get("/loop") }
        == "http://server/loop: redirects more than 5 times. The redirects may form a loop.")
    #expect(try bench.server.questions().count == 9)
  }

  @Test func redirectsGoNowhereTheyShouldNot() throws {
    let bench = try ClientWorkbench(tls: true)
    bench.options.certificates = bench.server.certificates
    try bench.server.script("/file", ["status": 302, "headers": ["Location": "file:///etc/passwd"]])
    #expect(
      bench.sentence { _ = try bench.get("/file") }
        == "http://server/file: redirects to an unsupported URL: only http and https are supported, not file."
    )
    try bench.server.script(
      "/down", ["status": 302, "headers": ["Location": .string(bench.server.origin + "/x?token=abc")]])
    #expect(
      bench.sentence { _ = try bench.client().send(HTTPRequest(.get, WebURL(bench.server.secureOrigin + "/down"))) }
        == "https://server/down: redirects from https to unencrypted http, at http://server/x?token=….")
    #expect(try bench.server.questions().count == 2)
  }

  @Test func credentialsStayWithTheirHost() throws {
    let bench = try ClientWorkbench()
    let other = try LocalServer()
    try other.script("/theirs", ["body": "x"])
    try bench.server.script("/mine", ["status": 307, "headers": ["Location": "/next"]])
    try bench.server.script("/next", ["status": 307, "headers": ["Location": .string(other.origin + "/theirs")]])
    let named = bench.server.origin.replacing("//", with: "//user:secret@")
    var request = try HTTPRequest(.get, named + "/mine")
    request.headers["Authorization"] = "Bearer s3cret"
    request.headers["X-Other"] = "stays"
    _ = try bench.client().send(request)
    #expect(
      try bench.server.questions().map { $0.headers["authorization"]?.string } == ["Bearer s3cret", "Bearer s3cret"])
    let question = try #require(try other.questions().first)
    #expect(question.headers["authorization"] == nil)
    #expect(question.headers["x-other"]?.string == "stays")
    request.headers["Authorization"] = nil
    _ = try bench.client().send(request)
    #expect(try bench.server.questions()[2].headers["authorization"]?.string == "Basic dXNlcjpzZWNyZXQ=")
    #expect(try other.questions()[1].headers["authorization"] == nil)
  }

  @Test func requestsAreSignedAndKeysStaySecret() throws {
    let bench = try ClientWorkbench()
    bench.options.retrying = .never
    try bench.server.script("/bucket/key", ["status": 503], ["status": 200, "etag": "\"1\""])
    var put = HTTPRequest(.put, try bench.url("/bucket/key"))
    put.body = .bytes(Array("part".utf8))
    put.headers["x-amz-content-sha256"] = Digester.digest(Array("part".utf8)).hex
    put.signing = HTTPRequest.Signing(
      accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI", sessionToken: "s3ssion", region: "us-east-1")
    let sentence = bench.sentence { _ = try bench.client().send(put) }
    #expect(
      sentence == "http://server/bucket/key: the server responded with 503 (Service Unavailable). Try again later.")
    let response = try bench.client().send(put)
    #expect(!response.request.contains("s3ssion") && !response.request.contains("AKID"))
    let question = try #require(try bench.server.questions().last)
    let authorization = question.headers["authorization"]?.string ?? ""
    #expect(authorization.hasPrefix("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"))
    #expect(authorization.contains("/us-east-1/s3/aws4_request"))
    #expect(question.headers["x-amz-security-token"]?.string == "s3ssion")
    #expect(question.bytes == 4)
  }

  // MARK: Addresses

  @Test func specialAddressesAreRefused() throws {
    let bench = try ClientWorkbench()
    bench.options.allowsSpecialAddresses = false
    #expect(
      bench.sentence { _ = try bench.get("/") }
        == "http://server/: resolves to 127.0.0.1, a loopback address. "
        + "If this is intended, set \"allowPrivateAddresses\".")
    for (host, kind) in [
      ("localhost", "loopback"), ("127.1", "loopback"), ("2130706433", "loopback"), ("0x7f.0.0.1", "loopback"),
      ("10.1.2.3", "private"), ("169.254.169.254", "link-local"), ("[::1]", "loopback"),
      ("[::ffff:192.168.1.1]", "private"), ("[fe80::1]", "link-local"), ("[fd00::1]", "private"),
      ("224.0.0.1", "multicast"), ("[64:ff9b::a00:1]", "private"), ("100.100.100.200", "private"),
    ] {
      let sentence = bench.sentence { _ = try bench.client().send(HTTPRequest(.get, "http://\(host)/")) }
      #expect(sentence.contains("a \(kind) address"), "\(host): \(sentence)")
    }
    #expect(try bench.server.questions().isEmpty)
  }

  /// A name shows its address only when it is connected to; this machine's own name is such a one.
  @Test func aNameIsJudgedByTheAddressThatIsConnectedTo() throws {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count)
    let host = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let bench = try ClientWorkbench()
    bench.options.allowsSpecialAddresses = false
    bench.options.usesProxies = false
    bench.options.retrying.attempts = 1
    let port = bench.server.origin.split(separator: ":").last!
    let sentence = bench.sentence { _ = try bench.client().send(HTTPRequest(.get, "http://\(host):\(port)/")) }
    #expect(sentence.contains("resolves to ") || sentence.contains("cannot be resolved"), "\(sentence)")
    #expect(try bench.server.questions().isEmpty)
  }

  // MARK: TLS

  @Test func aCertificateThatDoesNotVerifyIsRefused() throws {
    let bench = try ClientWorkbench(tls: true)
    let sentence = bench.sentence {
      _ = try bench.client().send(HTTPRequest(.get, WebURL(bench.server.secureOrigin + "/")))
    }
    #expect(
      sentence.hasPrefix("https://server/: the server's certificate cannot be verified (SSL certificate problem: "))
    #expect(
      sentence.hasSuffix("The connection may be intercepted. If the server is yours, trust its certificate authority."))
    #expect(bench.clock.slept.isEmpty, "it is not tried again")
    try bench.server.script("/", ["body": "safe"])
    bench.options.certificates = bench.server.certificates
    #expect(try bench.client().send(HTTPRequest(.get, WebURL(bench.server.secureOrigin + "/"))).body.text == "safe")
    // The certificate speaks of 127.0.0.1; by another name it is not the server's.
    let port = bench.server.secureOrigin.split(separator: ":").last!
    let other = bench.sentence { _ = try bench.client().send(HTTPRequest(.get, "https://localhost:\(port)/")) }
    #expect(other.contains("the server's certificate cannot be verified"))
  }
}

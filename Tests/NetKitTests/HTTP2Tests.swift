import Glibc
@testable import NetKit
import ShardKit
import TestKit
import Testing

private let hasServer = system("command -v nghttpd >/dev/null 2>&1") == 0

/// nghttp2's own server speaks nothing but HTTP/2.
@Suite(.needs(hasServer && LocalServer.isUsable, "needs nghttpd (nghttp2-server) and Python"))
struct HTTP2Tests {
  /// Started on a port that nobody else has, and ready.
  private static func server(
    _ bench: ClientWorkbench, key: String, _ client: HTTPClient
  ) throws -> (ChildProcess, HTTPRequest) {
    var failure: (any Error)?
    for _ in 0..<20 {
      let port = try freePort()
      let request = try HTTPRequest(.get, "https://127.0.0.1:\(port)/page")
      let child = try ChildProcess(
        ["-d", bench.folder, "\(port)", key, bench.server.certificates], program: "nghttpd")
      do {
        try child.works(until: "an answer of nghttpd") { (try? client.send(request)) != nil }
        return (child, request)
      } catch { failure = error }
    }
    throw failure!
  }

  @Test func itIsSpokenWhereTheServerDoes() throws {
    let bench = try ClientWorkbench(tls: true)
    bench.options.certificates = bench.server.certificates
    bench.options.retrying = .never
    let key = bench.server.certificates.replacing("certificate.pem", with: "key.pem")
    let text = String(repeating: "本文", count: 100_000)
    try FileSystem.write(Array(text.utf8), to: bench.folder + "/page")
    let client = try bench.client()
    let (child, request) = try Self.server(bench, key: key, client)
    defer {
      child.signal(SIGKILL)
      _ = try? child.wait()
    }
    let response = try client.send(request)
    #expect(response.head.version == "2")
    #expect(response.head.described == "200")
    #expect(response.body.text == text)
    let file = try client.download(request, to: bench.folder + "/copy")
    #expect(file.bytes == Int64(text.utf8.count))
    #expect(try client.send(HTTPRequest(.get, request.url.resolving("/none"))).status == 404)
  }
}

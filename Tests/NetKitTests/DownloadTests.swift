import NetKit
import ShardKit
import TestKit
import Testing

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct DownloadTests {
  private func pattern(_ server: LocalServer, _ path: String = "/whole") throws -> [UInt8] {
    try server.script(path, ["size": 300_000])
    var options = HTTPClient.Options()
    options.allowsSpecialAddresses = true
    return try HTTPClient(options).send(HTTPRequest(.get, server.origin + path)).body
  }

  @Test func aBrokenDownloadGoesOn() throws {
    let bench = try ClientWorkbench()
    let whole = try pattern(bench.server)
    let sum = Checksummer.checksum(whole, .sha256)
    try bench.server.script(
      "/f", ["size": 300_000, "etag": "\"v\"", "ranges": true, "cut": 100_000],
      ["size": 300_000, "etag": "\"v\"", "ranges": true, "stop": 50_000],
      ["size": 300_000, "etag": "\"v\"", "ranges": true])
    let file = try bench.client().download(
      HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f",
      expecting: DownloadExpectation(checksums: [sum, Checksummer.checksum(whole, .md5)], bytes: 300_000))
    #expect(file.digest == sum)
    #expect(try FileSystem.read(bench.folder + "/f") == whole)
    #expect(bench.files == ["f"])
    let questions = try bench.server.questions().dropFirst()
    #expect(questions.map(\.status) == [200, 206, 206])
    #expect(questions.map { $0.headers["if-range"]?.string } == [nil, "\"v\"", "\"v\""])
  }

  @Test func anotherProcessGoesOn() throws {
    let bench = try ClientWorkbench()
    bench.options.retrying = .never
    try bench.server.script(
      "/f", ["size": 300_000, "etag": "\"v\"", "ranges": true, "stop": 200_000],
      ["size": 300_000, "etag": "\"v\"", "ranges": true])
    let request = HTTPRequest(.get, try bench.url("/f"))
    #expect(
      bench.sentence { _ = try bench.client().download(request, to: bench.folder + "/f") }
        == "http://server/f: the response ended after 200000 bytes, before its stated length. Try again later.")
    #expect(bench.files == ["f.partial", "f.partial.json"])
    let file = try bench.client().download(request, to: bench.folder + "/f")
    #expect(file.resumedBytes == 200_000)
    #expect(try FileSystem.read(bench.folder + "/f") == pattern(bench.server))
  }

  @Test func aChangeInMidResumeBeginsAtZero() throws {
    let bench = try ClientWorkbench()
    let new = try pattern(bench.server)
    try bench.server.script(
      "/f", ["size": 300_000, "salt": "old", "etag": "\"old\"", "ranges": true, "cut": 100_000],
      ["size": 300_000, "etag": "\"new\"", "ranges": true])
    _ = try bench.client().download(HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f")
    #expect(try FileSystem.read(bench.folder + "/f") == new)
    #expect(try bench.server.questions().last?.status == 200)
  }

  /// Without a validator, or with a weak one, nobody knows what the first part is a part of.
  @Test(arguments: [JSONValue.null, "W/\"1\""]) func withoutAValidatorNothingIsResumed(_ etag: JSONValue) throws {
    let bench = try ClientWorkbench()
    var first: [JSONMember] = [JSONMember("size", 300_000), JSONMember("ranges", true)]
    if etag != .null { first.append(JSONMember("etag", etag)) }
    try bench.server.script("/f", .object(first + [JSONMember("cut", 100_000)]), .object(first))
    _ = try bench.client().download(HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f")
    #expect(try bench.server.questions().map { $0.headers["range"] } == [nil, nil])
    #expect(try FileSystem.read(bench.folder + "/f") == pattern(bench.server))
  }

  @Test func aWrongPartIsRefused() throws {
    let bench = try ClientWorkbench()
    let step: JSONValue = ["size": 300_000, "etag": "\"v\"", "ranges": true, "cut": 100_000]
    try bench.server.script(
      "/f", step, ["size": 300_000, "etag": "\"v\"", "ranges": true, "range": "bytes 5-299999/300000"],
      ["size": 300_000, "etag": "\"v\"", "ranges": true])
    _ = try bench.client().download(HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f")
    #expect(try FileSystem.read(bench.folder + "/f") == pattern(bench.server))
    #expect(
      bench.retried.last == "bytes from 100000 were requested, but the server sent another range "
        + "(bytes 5-299999/300000); 2.0")
    // A part that nobody asked for.
    try bench.server.script("/g", ["status": 206, "size": 10, "headers": ["Content-Range": "bytes 0-9/100"]])
    #expect(
      bench.sentence { _ = try bench.client().download(HTTPRequest(.get, bench.url("/g")), to: bench.folder + "/g") }
        == "http://server/g: bytes from 0 were requested, but the server sent another range (bytes 0-9/100).")
    #expect(!bench.files.contains("g"))
  }

  @Test func nothingIsMissing() throws {
    let bench = try ClientWorkbench()
    let whole = try pattern(bench.server)
    try FileSystem.write(whole, to: bench.folder + "/f.partial")
    let state: JSONValue = [
      "url": .string(try bench.url("/f").text), "etag": "\"v\"", "lastModified": .null, "bytes": .null,
    ]
    try FileSystem.write(Array(state.text().utf8), to: bench.folder + "/f.partial.json")
    try bench.server.script("/f", ["size": 300_000, "etag": "\"v\"", "ranges": true])
    _ = try bench.client().download(HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f")
    #expect(try bench.server.questions().last?.status == 416)
    #expect(try FileSystem.read(bench.folder + "/f") == whole)
    // A file that has become shorter meanwhile.
    try FileSystem.write(whole + whole, to: bench.folder + "/f.partial")
    try FileSystem.write(Array(state.text().utf8), to: bench.folder + "/f.partial.json")
    _ = try bench.client().download(HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f")
    #expect(try FileSystem.read(bench.folder + "/f") == whole)
  }

  @Test func whatIsNotTheFileIsNeverPublished() throws {
    let bench = try ClientWorkbench()
    func sentence(_ path: String, _ expected: DownloadExpectation = DownloadExpectation(), maximumBytes: Int = 1 << 30)
      -> String
    {
      bench.sentence {
        var request = HTTPRequest(.get, try bench.url(path))
        request.maximumBytes = maximumBytes
        _ = try bench.client().download(request, to: bench.folder + path, expecting: expected)
      }
    }
    try bench.server.script("/f", ["body": "other"])
    #expect(
      sentence("/f", DownloadExpectation(checksums: [Checksum("sha1:" + String(repeating: "0", count: 40))!]))
        == "http://server/f: its sha1 is d0941e68da8f38151ff86a61fc59f7c5cf9fcaa2 instead of "
        + "0000000000000000000000000000000000000000. It may have been replaced, or damaged in transit.")
    #expect(
      sentence("/f", DownloadExpectation(bytes: 6))
        == "http://server/f: the file has 5 bytes instead of 6. It may have been replaced.")
    try bench.server.script("/lies", ["size": 1000, "length": 2000, "etag": "\"x\"", "ranges": true])
    #expect(sentence("/lies").hasPrefix("http://server/lies: "))
    try bench.server.script("/endless", ["endless": true])
    #expect(
      sentence("/endless", maximumBytes: 100_000)
        == "http://server/endless: the response has too many bytes; the limit is 100000. "
        + "Raise the limit if this size is expected.")
    try bench.server.script("/gone", ["status": 410])
    #expect(
      sentence("/gone")
        == "http://server/gone: the server responded with 410 (Gone). Check the URL; it may have moved.")
    #expect(!bench.files.contains { ["f", "lies", "endless", "gone"].contains($0) }, "\(bench.files)")
  }

  /// A resumed file whose checksum is wrong may be wrong in its first part alone.
  @Test func adamagedPartIsFetchedAgain() throws {
    let bench = try ClientWorkbench()
    let whole = try pattern(bench.server)
    try FileSystem.write([UInt8](repeating: 0, count: 1000), to: bench.folder + "/f.partial")
    let state: JSONValue = [
      "url": .string(try bench.url("/f").text), "etag": "\"v\"", "lastModified": .null, "bytes": 300_000,
    ]
    try FileSystem.write(Array(state.text().utf8), to: bench.folder + "/f.partial.json")
    try bench.server.script("/f", ["size": 300_000, "etag": "\"v\"", "ranges": true])
    _ = try bench.client().download(
      HTTPRequest(.get, bench.url("/f")), to: bench.folder + "/f",
      expecting: DownloadExpectation(checksums: [Checksummer.checksum(whole, .sha1)]))
    #expect(try FileSystem.read(bench.folder + "/f") == whole)
  }
}

import NetKit
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import Stages
@testable import TextKit

/// Answers in archives as servers and archivers really leave them.
@Suite struct WebArchiveTests {
  private let folder = temporaryDirectory()
  private static let sentence = String(repeating: "これは川の文章で、水位を毎朝測っている。", count: 8)
  private static let page = Array("<html><head><title>川</title></head><body><p>\(sentence)</p></body></html>".utf8)

  private struct Answer {
    var head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    var body = WebArchiveTests.page
    var type = "response"
    var url = "https://example.jp/"
    var more = ""
  }

  private func archive(_ answers: [Answer]) -> [UInt8] {
    var out: [UInt8] = []
    for (number, answer) in answers.enumerated() {
      let block = Array("\(answer.head)\r\n".utf8) + answer.body
      out += Array(
        ("WARC/1.0\r\nWARC-Type: \(answer.type)\r\nWARC-Target-URI: \(answer.url)\r\nWARC-Record-ID: <urn:uuid:\(number)>\r\n"
          + "\(answer.more)Content-Length: \(block.count)\r\n\r\n").utf8)
      out += block + Array("\r\n\r\n".utf8)
    }
    return out
  }

  private func run(_ answers: [Answer]) throws -> StageHarness {
    try FileSystem.write(archive(answers), to: folder + "/a.warc")
    let stage = try StageHarness(CommonCrawlExtract.self, options: ["files": .string(folder + "/a.warc")]).run()
    #expect(stage.ledger.imbalance == 0)
    return stage
  }

  /// The one answer's text, or why it was dropped; then what was warned of.
  private func result(_ answer: Answer) throws -> String {
    let stage = try run([answer])
    let warnings = stage.warnings.keys.filter { $0 != "encoding-guessed" }.sorted().map { " \($0)" }.joined()
    if let document = try stage.documents().first {
      let isWhole = document.textString.contains(Self.sentence)
      return (isWhole ? "whole" : "part") + warnings
    }
    return try stage.drops().map { "\($0.reason) \($0.detail ?? "")" }.joined(separator: ",") + warnings
  }

  private func packed(_ bytes: [UInt8], _ sink: (any ByteSink) throws -> any ByteSink) throws -> [UInt8] {
    let path = folder + "/packed"
    let file = try sink(FileSink(path))
    try file.write(bytes)
    try file.commit()
    return try FileSystem.read(path)
  }

  private func gzip(_ bytes: [UInt8]) throws -> [UInt8] { try packed(bytes) { try GzipSink($0) } }

  /// The page, as Google's encoder packs it.
  private static let brotli: [UInt8] = {
    let hex =
      "1b1f02001ca9515fcceec0218718c877e400bdd5e3e6e5e42d6f21d7bf9b0681ea938d625eb05138e5c0a5a82de430c0186e80070f594946a1"
      + "1f280996fd466d7e150ed6c45da40e0503d8afc29af397170c82f6d98f98b354d5de84061d1c7a427fdc5845e3ca3a00"
    var rest = hex[...]
    var out: [UInt8] = []
    while !rest.isEmpty {
      out.append(UInt8(rest.prefix(2), radix: 16)!)
      rest = rest.dropFirst(2)
    }
    return out
  }()

  // MARK: Bodies

  @Test func contentEncodingsAreUndone() throws {
    defer { try? FileSystem.removeTree(folder) }
    let gzip = try gzip(Self.page)
    // A gzip member without its head and its trailer is bare deflate.
    let raw = Array(gzip[10..<(gzip.count - 8)])
    let zstd = try packed(Self.page) { ZstdSink($0) }
    let head = Answer().head
    for (name, body) in [
      ("gzip", gzip), ("x-gzip", gzip), ("GZIP", gzip), ("gzip, gzip", try self.gzip(gzip)), ("deflate", raw),
      ("br", Self.brotli), ("zstd", zstd), ("identity", Self.page), ("gzip", gzip + gzip.prefix(0)),
      ("br, gzip", try self.gzip(Self.brotli)),
      // Undone by the archive's writer, but said.
      ("gzip", Self.page), ("br", Self.page), ("deflate", Self.page), ("zstd", Self.page), ("utf-8", Self.page),
      // Not said.
      ("", gzip),
    ] {
      var answer = Answer(body: body)
      if !name.isEmpty { answer.head = head + "Content-Encoding: \(name)\r\n" }
      #expect(try result(answer) == "whole", "\(name)")
    }
    let twice = Answer(head: head + "Content-Encoding: gzip\r\ncontent-encoding: gzip\r\n", body: try self.gzip(gzip))
    #expect(try result(twice) == "whole")
    #expect(
      try result(Answer(head: head + "Content-Encoding: compress\r\n", body: [0x1F, 0x9D, 1, 2, 3]))
        == "content-encoding compress")
  }

  /// A body that ends too early is a part of a page, and says so.
  /// A body may hold another one without end, and may be said to.
  @Test func layersAreBounded() throws {
    defer { try? FileSystem.removeTree(folder) }
    var body = Self.page
    for _ in 0..<8 { body = try gzip(body) }
    #expect(try result(Answer(body: body)) == "whole")
    let nine = try gzip(body)
    #expect(try result(Answer(body: nine)) == "content-encoding more than 8 encodings")
    let eight = String(repeating: "gzip, ", count: 8)
    var said = Answer(body: nine)
    said.head += "Content-Encoding: \(eight)\r\n"
    #expect(try result(said) == "content-encoding more than 8 encodings")
    said.head += "Content-Encoding: \(eight)\r\n"
    said.body = Self.page
    #expect(try result(said) == "content-encoding more than 8 encodings")
  }

  @Test func whatIsCutIsTold() throws {
    defer { try? FileSystem.removeTree(folder) }
    let long = Array(
      "<html><body>\((0..<40).map { "<p>\($0)番目の段落。\(Self.sentence)\($0 * 7919 % 1000)</p>" }.joined())</body></html>"
        .utf8)
    let head = Answer().head
    let gzip = try gzip(long)
    let cut = Answer(head: head + "Content-Encoding: gzip\r\n", body: Array(gzip.prefix(gzip.count * 3 / 4)))
    #expect(try result(cut) == "whole truncated-record")
    #expect(try String(decoding: run([cut]).documents()[0].metadata, as: UTF8.self).contains(#""truncated":"body""#))
    var chunks: [UInt8] = []
    for start in stride(from: 0, to: long.count, by: 1000) {
      let piece = long[start..<min(long.count, start + 1000)]
      chunks += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10]
    }
    let chunked = head + "Transfer-Encoding: chunked\r\n"
    #expect(try result(Answer(head: chunked, body: chunks + Array("0\r\n\r\n".utf8))) == "whole")
    #expect(try result(Answer(head: chunked, body: chunks)) == "whole truncated-record")
    #expect(try result(Answer(head: chunked, body: Array(chunks.dropLast(700)))) == "whole truncated-record")
    #expect(try result(Answer(head: chunked, body: long)) == "whole", "the chunks were undone, but are said")
    #expect(try result(Answer(head: head + "Content-Length: \(long.count)\r\n", body: long)) == "whole")
    #expect(
      try result(Answer(head: head + "Content-Length: \(long.count + 9)\r\n", body: long)) == "whole truncated-record")
    var broken = gzip
    broken[gzip.count / 2] ^= 0x10
    #expect(try result(Answer(head: head, body: broken)).hasPrefix("content-encoding gzip: "))
  }

  // MARK: Types

  @Test func typesAreFound() throws {
    defer { try? FileSystem.removeTree(folder) }
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let comment = Array("<!-- made by hand -->\n".utf8)
    let declaration = Array("<?xml version=\"1.0\"?>\n".utf8)
    let untitled = Array("<head><title>川</title></head><p>\(Self.sentence)</p>".utf8)
    for (type, body) in [
      ("text/html, text/html; charset=utf-8", Self.page), ("text/html; charset=utf-8, text/html", Self.page),
      ("TEXT/HTML;charset=UTF-8 ", Self.page), ("application/xhtml+xml", Self.page),
      ("application/vnd.wap.xhtml+xml", Self.page), ("application/xml", declaration + Self.page),
      ("text/xml", Self.page), ("", Self.page), ("", mark + Self.page), ("", comment + Self.page),
      ("", declaration + Self.page), ("", untitled), ("", mark + comment + untitled),
      ("application/octet-stream", comment + untitled), ("text/plain", mark + Self.page),
    ] {
      let head = type.isEmpty ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n"
      #expect(
        try result(Answer(head: head, body: body)) == "whole",
        "\(type) \(String(decoding: body.prefix(20), as: UTF8.self))")
    }
    for (type, body, dropped) in [
      (
        "application/xml", "<?xml version='1.0'?><rss><channel><title>x</title></channel></rss>",
        "not-html application/xml"
      ),
      ("", "<svg xmlns='http://www.w3.org/2000/svg'></svg>", "not-html "),
      ("image/png", "\u{89}PNG", "not-html image/png"),
    ] {
      let head = type.isEmpty ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n"
      #expect(try result(Answer(head: head, body: Array(body.utf8))) == dropped)
    }
  }

  // MARK: Records

  @Test func headsAreReadAsTheyAre() throws {
    defer { try? FileSystem.removeTree(folder) }
    for answer in [
      Answer(type: "response "), Answer(type: "Response"), Answer(url: "HTTP://EXAMPLE.JP/"),
      Answer(url: "<https://a.jp/>"),
      Answer(head: "HTTP/1.1 203 Non-Authoritative\r\nContent-Type: text/html \r\n"),
      Answer(head: "HTTP/1.1 200 OK\r\r\nContent-Type: text/html\r\r\n\r"),
      Answer(head: "HTTP/1.0 200\nContent-Type : text/html\n"),
      Answer(more: "WARC-Identified-Payload-Type: text/html \r\n"),
    ] {
      #expect(try result(answer) == "whole")
    }
  }

  @Test func recordsThatAreNoPageAreNamed() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(try result(Answer(more: "WARC-Segment-Number: 1\r\n")) == "segmented part 1 of <urn:uuid:0>")
    let part = Answer(type: "continuation", more: "WARC-Segment-Number: 2\r\nWARC-Segment-Origin-ID: <urn:uuid:9>\r\n")
    #expect(try result(part) == "segmented part 2 of <urn:uuid:9>")
    #expect(
      try result(Answer(type: "revisit", more: "WARC-Truncated: length\r\n")) == "revisit ", "no warning of its cut")
    #expect(try result(Answer(type: "novelty")) == " unknown-type")
    #expect(try result(Answer(url: "METADATA://x")) == "not-web metadata")
  }

  @Test func otherFilesLieBesideArchives() throws {
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.makeDirectory(folder + "/in/b")
    try FileSystem.write(archive([Answer()]), to: folder + "/in/a.warc")
    try FileSystem.write(Array("# About\n\nThese are archives.\n".utf8), to: folder + "/in/README.md")
    try FileSystem.write(Array("# More\n".utf8), to: folder + "/in/b/README.md")
    let stage = try StageHarness(CommonCrawlExtract.self, options: ["files": .string(folder + "/in")]).run()
    #expect(try stage.documents().count == 1)
    #expect(stage.warnings == ["no-archive": 2])
    #expect(try stage.drops().map(\.reason) == ["malformed", "malformed"])
    #expect(Set(try stage.drops().map(\.id)).count == 2)
    try FileSystem.remove(folder + "/in/a.warc")
    let error = #expect(throws: (any Error).self) {
      try StageHarness(CommonCrawlExtract.self, options: ["files": .string(folder + "/in")]).run()
    }
    #expect("\(error!)".contains("none of 2 files contains a web archive record"))
  }

  @Test func archivesOfARC() throws {
    defer { try? FileSystem.removeTree(folder) }
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + String(decoding: Self.page, as: UTF8.self)
    let arc =
      "filedesc://IA.arc 0.0.0.0 20080430204825 text/plain 76\n1 0 InternetArchive\nURL IP-address Archive-date "
      + "Content-type Archive-length\n\nhttp://example.jp/古い 192.0.2.1 20080430204826 text/html \(answer.utf8.count)\n\(answer)\n"
    try FileSystem.write(try gzip(Array(arc.utf8)), to: folder + "/a.arc.gz")
    let stage = try StageHarness(CommonCrawlExtract.self, options: ["files": .string(folder + "/a.arc.gz")]).run()
    let document = try #require(try stage.documents().first)
    #expect(document.idString == "http://example.jp/古い 2008-04-30T20:48:26Z")
    #expect(
      document.textString == Self.sentence
        && String(decoding: document.created, as: UTF8.self) == "2008-04-30T20:48:26Z")
  }

  /// A body has no dictionary before it, nor dictionaries of dictionaries.
  @Test func bodiesHaveNoDictionaries() throws {
    defer { try? FileSystem.removeTree(folder) }
    var nested: [UInt8] = []
    for _ in 0..<5000 {
      nested = [0x5D, 0x2A, 0x4D, 0x18] + (0..<4).map { UInt8(truncatingIfNeeded: nested.count >> (8 * $0)) } + nested
    }
    let body = nested + (try packed(Self.page) { ZstdSink($0) })
    let read = MessageBody(body[...], HTTPHeaders(["Content-Encoding": "zstd"]), limit: 1 << 20)
    #expect(read == .bytes(Self.page, isCut: false))
  }

  /// Bodies and heads changed at random are read or dropped.
  @Test func mutatedAnswers() throws {
    defer { try? FileSystem.removeTree(folder) }
    let bodies = [Self.page, try gzip(Self.page), Self.brotli, try packed(Self.page) { ZstdSink($0) }]
    var headers = HTTPHeaders(["Transfer-Encoding": "chunked"])
    for (number, encoding) in ["identity", "gzip", "br", "zstd", "deflate", "gzip, br"].enumerated() {
      headers["Content-Encoding"] = encoding
      if number == 1 { headers["Transfer-Encoding"] = nil }
      var mutations = Mutations(of: bodies, seed: UInt64(number + 20))
      for round in Mutations.rounds(1500) {
        let body = mutations.changed(bodies[round % bodies.count])
        guard case .bytes(let bytes, _) = MessageBody(body[...], headers, limit: 1 << 16) else { continue }
        #expect(bytes.count <= 1 << 16)
        let type = MediaType.of(bytes, said: String(decoding: body.prefix(40), as: UTF8.self), identified: nil)
        let page = PageEncoding.decode(bytes, declared: type.charset, isHTML: true)
        #expect(String(validating: page.text, as: UTF8.self) != nil)
      }
    }
  }
}

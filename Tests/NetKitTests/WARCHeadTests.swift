import ShardKit
import TestKit
import Testing

@testable import NetKit

/// Heads as writers really write them.
@Suite struct WARCHeadTests {
  private func items(_ text: String, _ format: ArchiveFormat = .warc) throws -> [WARCReader.Item] {
    let reader = WARCReader(MemorySource(Array(text.utf8)), format)
    var out: [WARCReader.Item] = []
    while let item = try reader.next() { out.append(item) }
    return out
  }

  private func one(_ head: String) throws -> WARCRecord? {
    let found = try items("WARC/1.0\r\n\(head)\r\n\r\nab\r\n\r\n")
    guard found.count == 1, case .record(let record) = found[0] else { return nil }
    return record
  }

  @Test func blanksAndCapitalsAreNoMatter() throws {
    for head in [
      "WARC-Type: response \r\nContent-Length: 2", "WARC-Type: Response\r\nContent-Length: 2 ",
      "warc-type:response\t\r\ncontent-length:2\t ", "WARC-Type : RESPONSE\r\nContent-Length : 2",
      "WARC-Type: response\r\r\nContent-Length: 2\r", "WARC-Type:\r\n response\r\nContent-Length: 2",
    ] {
      let record = try #require(try one(head), "\(head)")
      #expect(record.kind == .response && record.block == Array("ab".utf8))
    }
    let folded = try one("WARC-Type: response\r\nWARC-Target-URI: http://example.org/\r\n\ta b \r\nContent-Length: 2")
    #expect(folded?.target == "http://example.org/ a b")
  }

  @Test func headsWithoutALengthAreNamed() throws {
    for (head, why) in [
      ("WARC-Type: response", "its head states no Content-Length"),
      ("Content-Length: two", "its Content-Length 'two' is not a number of bytes"),
      ("Content-Length: -2", "its Content-Length '-2' is not a number of bytes"),
      ("Content-Length: 9223372036854775808", "its Content-Length '9223372036854775808' is not a number of bytes"),
    ] {
      #expect(try items("WARC/1.0\r\n\(head)\r\n\r\nab\r\n\r\n") == [.malformed(why)])
    }
  }

  /// An archive that ends within its version line, however it is read.
  @Test func endsWithinTheFirstLines() throws {
    let good = "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 2\r\n\r\nab\r\n\r\n"
    for rest in [
      "W", "WARC", "WARC/", "WARC/1.", "WARC/1.0", "WARC/1.0\r", "WARC/1.0\r\n", "WARC/1.0\r\nWARC-Type: x\r\n",
    ] {
      #expect(try items(rest).count == 1, "\(rest)")
      let found = try items(good + rest)
      #expect(found.count == 2, "\(rest): \(found)")
      guard case .record = found[0], case .malformed = found[1] else {
        Issue.record("\(rest): \(found)")
        continue
      }
    }
    // Heads that never end are passed over once each.
    #expect(try items(String(repeating: "WARC/1.0\r\n", count: 2000)).count == 2000)
  }

  /// Lines that go on one another are put together in linear time.
  @Test func manyFoldedLines() throws {
    let lines = String(repeating: "\r\n a", count: 200_000)
    let record = try #require(try one("WARC-Type: response\r\nX-Long: b\(lines)\r\nContent-Length: 2"))
    #expect(record.headers["X-Long"]?.utf8.count == 1 + 2 * 200_000)
  }

  /// Many lengths that point at one long head that is none, at its first place or at places within its first line.
  @Test(arguments: [
    "WARC/1.0\n" + String(repeating: "a: b\n", count: 180_000),
    String(repeating: "WARC/", count: 180_000) + "\n",
  ])
  func lengthsThatPointAtOneMalformedHead(_ far: String) throws {
    let count = 500
    func head(_ length: Int) -> String {
      let digits = String(length)
      return "WARC/1.0\r\nContent-Length: \(String(repeating: "0", count: 8 - digits.utf8.count))\(digits)\r\n\r\n"
    }
    let bytes = head(0).utf8.count + 4
    var text = ""
    for number in 0..<count {
      text += head(4 + (count - number - 1) * bytes + (far.hasPrefix("WARC/W") ? 5 * number : 0)) + "\r\n\r\n"
    }
    let found = try withoutHanging("many heads") { try items(text + far + head(2) + "ab\r\n\r\n") }
    #expect(found.count >= count, "\(found.count)")
    guard case .record(let last) = found.last else {
      Issue.record("\(String(describing: found.last))")
      return
    }
    #expect(last.block == Array("ab".utf8))
  }

  // MARK: ARC

  private static let arc = """
    filedesc://IA-1.arc 0.0.0.0 20080430204825 text/plain 76
    1 0 InternetArchive
    URL IP-address Archive-date Content-type Archive-length


    """

  private func line(_ url: String, _ block: String, off: Int = 0) -> String {
    "\(url) 192.0.2.1 20080430204826 text/html \(block.utf8.count + off)\n\(block)\n"
  }

  @Test func arcRecordsAreReadAsWARC() throws {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>古い頁"
    let more = line("http://example.jp/一 二", answer) + line("dns:example.jp", "20080430204826\nexample.jp.")
    let second =
      "http://example.jp/2 192.0.2.1 20080430204827 text/html 200 - - 0 IA-1.arc \(answer.utf8.count)\n\(answer)\n"
    let records = try items(Self.arc + more + second, .arc).compactMap { item -> WARCRecord? in
      if case .record(let record) = item { record } else { nil }
    }
    #expect(records.map(\.kind) == [.warcinfo, .response, .resource, .response])
    #expect(records[1].target == "http://example.jp/一 二" && records[1].block == Array(answer.utf8))
    #expect(records[1].headers["WARC-Date"] == "2008-04-30T20:48:26Z")
    #expect(records[1].message?.head.status == 200)
    // As the Internet Archive's own writers state the first record's length.
    let reader = WARCReader(
      MemorySource(Array((Self.arc.replacing("text/plain 76", with: "text/plain 75") + more).utf8)), .arc)
    while try reader.next() != nil {}
    #expect(reader.wrongLengths == 0)
    #expect(records[3].target == "http://example.jp/2" && records[3].block == Array(answer.utf8))
  }

  @Test func arcLengthsThatLieCostNothing() throws {
    for off in [-5, -1, 1, 30, 90] {
      let text =
        Self.arc + line("http://example.jp/1", "HTTP/1.0 200 OK\n\none", off: off) + line("http://example.jp/2", "two")
      let blocks = try items(text, .arc).dropFirst().map { item -> String in
        if case .record(let record) = item { String(decoding: record.block, as: UTF8.self) } else { "\(item)" }
      }
      #expect(
        blocks.map { $0.hasSuffix("\n") ? String($0.dropLast()) : $0 } == ["HTTP/1.0 200 OK\n\none", "two"], "\(off)")
    }
  }

  @Test func theFormatIsFoundByItsFirstBytes() {
    #expect(ArchiveFormat.detect(Array("\r\nWARC/0.17\r\n".utf8)) == .warc)
    #expect(ArchiveFormat.detect(Array(Self.arc.utf8)) == .arc)
    #expect(ArchiveFormat.detect(Array("<html>".utf8)) == nil)
  }
}

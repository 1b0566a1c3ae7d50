import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

private let writer = PeerScript("warcio_write.py")
private let counter = PeerScript("warcio_count.py")

@Suite struct CommonCrawlTests {
  private let folder = temporaryDirectory()

  private func run(_ file: String, _ options: [JSONMember] = []) throws -> StageHarness {
    let all = [JSONMember("files", .string(file))] + options
    return try StageHarness(CommonCrawlExtract.self, options: .object(all)).run()
  }

  private func member(_ text: String) throws -> [UInt8] {
    let path = folder + "/member.gz"
    let file = try FileSink(path)
    let sink = try GzipSink(file)
    try sink.write(Array(text.utf8))
    try sink.commit()
    return try FileSystem.read(path)
  }

  private func conversion(_ number: Int, _ text: String, off: Int = 0, _ more: String = "") -> String {
    "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: https://a.example.jp/\(number)\r\n"
      + "WARC-Date: 2025-01-0\(number + 1)T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:\(number)>\r\n\(more)"
      + "Content-Type: text/plain\r\nContent-Length: \(text.utf8.count + off)\r\n\r\n\(text)\r\n\r\n"
  }

  private func text(_ number: Int) -> String {
    String(repeating: "これは\(number)番目の文章で、川のことを書いている。", count: 8)
  }

  private func write(_ bytes: [UInt8], _ name: String = "file.warc.wet.gz") throws -> String {
    try FileSystem.write(bytes, to: "\(folder)/\(name)")
    return "\(folder)/\(name)"
  }

  // MARK: Peers

  @Test(.needs(writer.isUsable && counter.isUsable, "needs Python with warcio"))
  func whatWarcioWritesIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    #expect(writer.run(folder) != nil)
    let wet = try run(folder + "/wet.warc.gz")
    #expect(wet.ledger.imbalance == 0)
    let wanted = try wet.documents()
    #expect(
      wanted.map { String(decoding: $0.metadata, as: UTF8.self).contains("\"language\":\"ja\"") } == [true, true])
    #expect(wanted.allSatisfy { $0.idString.hasPrefix("urn:uuid:") && !$0.created.isEmpty })
    #expect(
      try wet.drops().map { "\($0.reason) \($0.detail ?? "")" } == [
        "wrong-language eng", "wrong-language eng,jpn", "too-short ", "wrong-language en",
      ])
    #expect(wet.metrics["records"] == 7)

    for name in ["pages.warc.gz", "plain.warc", "whole.warc.gz"] {
      let pages = try run("\(folder)/\(name)", [JSONMember("languages", .list([]))])
      #expect(pages.ledger.imbalance == 0)
      let documents = try pages.documents()
      #expect(documents.count == 6, "\(name)")
      #expect(Set(documents[..<4].map(\.textString)).count == 1, "one page in four dresses")
      #expect(documents[0].textString.hasPrefix("春になると"))
      #expect(
        try pages.drops().map(\.reason) == [
          "http-status", "not-html", "robots-directive", "boilerplate-only", "revisit",
        ], "\(name)")
      let counted = try #require(counter.run("\(folder)/\(name == "whole.warc.gz" ? "plain.warc" : name)"))
      #expect(String(decoding: counted, as: UTF8.self).contains("all:\(Int(pages.metrics["records"]!))\n"))
    }
  }

  @Test(.needs(counter.isUsable, "needs Python with warcio"), .needsRealTexts)
  func aRealArchiveIsReadWhole() throws {
    let path = realDataPath! + "/warc/sample-0000.warc.gz"
    let all = try run(path, [JSONMember("languages", .list([]))])
    let english = try run(path, [JSONMember("languages", .strings(["en"]))])
    let japanese = try run(path)
    for stage in [all, english, japanese] {
      #expect(stage.ledger.imbalance == 0)
      #expect(stage.ledger.input.documents == 24, "22 answers and 2 resources")
    }
    let counted = String(decoding: try #require(counter.run(path)), as: UTF8.self)
    #expect(counted.contains("response:22 ") && counted.contains("all:\(Int(all.metrics["records"]!))\n"))
    #expect(try all.documents().count >= english.documents().count)
    #expect(try english.documents().count >= 10)
    #expect(try japanese.documents().isEmpty)
    #expect(try all.documents().count == 22)
    #expect(try all.drops().map { "\($0.reason) \($0.detail ?? "")" } == ["not-web metadata", "not-web metadata"])
  }

  // MARK: Records

  @Test func everyRecordIsAccountedFor() throws {
    defer { try? FileSystem.removeTree(folder) }
    let header = "WARC-Identified-Content-Language: jpn\r\n"
    var bytes: [UInt8] = []
    bytes += try member(conversion(0, text(0), header))
    bytes += try member(conversion(1, String(repeating: text(1), count: 20), header))
    bytes += try member(conversion(2, "", header))
    bytes += try member("no record at all")
    bytes += try member(conversion(3, text(3), "WARC-Truncated: length\r\n" + header))
    bytes += try member(conversion(4, "\u{FFFD}", header).replacing("text/plain", with: "application/json"))
    let path = try write(bytes)
    let digest = Digester.digest(bytes).short
    let options = [JSONMember("maximumPageBytes", 4096), JSONMember("source", "cc")]
    let stage = try run(path, options)
    #expect(stage.ledger.imbalance == 0)
    #expect(
      try stage.drops() == [
        .init(id: "urn:uuid:1", reason: "too-large", threshold: 4096),
        .init(id: "urn:uuid:2", reason: "empty"),
        .init(id: "file.warc.wet.gz@\(digest):4", reason: "malformed", detail: "no record begins here"),
        .init(id: "urn:uuid:4", reason: "not-html", detail: "application/json"),
      ])
    #expect(stage.warnings == ["truncated-record": 1])
    let document = try #require(try stage.documents().first)
    #expect(document.textString == text(0))
    #expect(String(decoding: document.created, as: UTF8.self) == "2025-01-01T00:00:00Z")
    #expect(
      String(decoding: document.metadata, as: UTF8.self)
        == #"{"url":"https://a.example.jp/0","language":"ja","file":"file.warc.wet.gz"}"#)
    #expect(try run(path, options).run().digests == stage.digests)
  }

  /// CC-MAIN-2018-34 states lengths that are off by two. With a member a record nothing is lost by it.
  @Test func lengthsThatAreOffByTwoLoseNothing() throws {
    defer { try? FileSystem.removeTree(folder) }
    for off in [-2, 2, -300, 700] {
      var bytes: [UInt8] = []
      for number in 0..<4 { bytes += try member(conversion(number, text(number), off: number % 2 == 0 ? off : 0)) }
      let stage = try run(try write(bytes))
      #expect(try stage.documents().map(\.textString) == (0..<4).map { text($0) }, "\(off)")
      #expect(stage.warnings == ["wrong-length": 2])
    }
  }

  /// Damage costs the record that it stands in; a file that was cut off is read up to the cut.
  @Test func damageCostsOneRecord() throws {
    defer { try? FileSystem.removeTree(folder) }
    let members = try (0..<5).map { try member(conversion($0, text($0))) }
    for at in [0, 3, 12, 40, members[2].count / 2, members[2].count - 5] {
      var bad = members
      bad[2][at] ^= 0x55
      let stage = try run(try write(bad.flatMap(\.self)))
      let ids = try stage.documents().map(\.idString)
      #expect(Set(["urn:uuid:0", "urn:uuid:1", "urn:uuid:3", "urn:uuid:4"]).isSubset(of: ids), "byte \(at)")
      #expect(stage.ledger.imbalance == 0)
      // A flag, say, may be harmless.
      if ids.count == 4 { #expect(stage.warnings["damaged-archive"] ?? 0 >= 1, "byte \(at)") }
    }
    let cut = try run(try write(Array(members.flatMap(\.self).dropLast(12))))
    try #require(try cut.documents().count == 5)
    #expect(try text(4).hasPrefix(cut.documents()[4].textString))
    #expect(try String(decoding: cut.documents()[4].metadata, as: UTF8.self).contains("\"truncated\":\"archive\""))
    #expect(cut.warnings == ["truncated-archive": 1, "truncated-record": 1])
  }

  @Test func domainsAreChosen() throws {
    defer { try? FileSystem.removeTree(folder) }
    let urls = [
      "https://a.example.jp/", "http://b.example.jp:8080/x", "https://user@example.com/?a=jp",
      "https://WWW.EXAMPLE.NE.JP.",
      "https://notexample.jp/",
    ]
    var bytes: [UInt8] = []
    for (number, url) in urls.enumerated() {
      bytes += try member(conversion(number, text(number)).replacing("https://a.example.jp/\(number)", with: url))
    }
    let path = try write(bytes)
    func ids(_ options: JSONMember...) throws -> String {
      try run(path, options).documents().map { String($0.idString.last!) }.joined()
    }
    try FileSystem.write(Array("# a list\nexample.jp # with a remark\n\n*.ne.jp\n".utf8), to: folder + "/domains")
    #expect(try ids() == "01234")
    #expect(try ids(JSONMember("domains", .strings(["jp"]))) == "0134")
    #expect(
      try ids(JSONMember("domains", .strings([".JP"])), JSONMember("excludedDomains", .strings(["example.jp"]))) == "34"
    )
    #expect(try ids(JSONMember("domainLists", .string(folder + "/domains"))) == "013")
    #expect(try ids(JSONMember("excludedDomainLists", .string(folder + "/domains"))) == "24")
  }

  @Test func whatIsNoArchiveIsToldOf() throws {
    defer { try? FileSystem.removeTree(folder) }
    for bytes in [[], Array("id,text\n1,a\n".utf8), try member("no record")] {
      let path = try write(bytes)
      do {
        _ = try run(path)
        Issue.record("it was read")
      } catch {
        let hint = "Name WARC, WET or ARC files, and check that they are complete."
        #expect("\(error)" == "\(path): contains no web archive record. \(hint)")
      }
    }
  }

  @Test func optionsThatContradictAreToldOf() throws {
    do {
      _ = try StageHarness(CommonCrawlExtract.self, options: ["longParagraphCharacters": 10])
      Issue.record("it was taken")
    } catch {
      #expect(
        "\(error)" == "commoncrawl.extract: \"longParagraphCharacters\" (10) is less than "
          + "\"minimumParagraphCharacters\" (30).")
    }
  }
}

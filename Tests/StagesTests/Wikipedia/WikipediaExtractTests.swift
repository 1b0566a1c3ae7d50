import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import Stages

@Suite struct WikipediaExtractTests {
  static let fixtures = packagePath("Fixtures/wikipedia")

  /// A dump of bytes in a folder of its own, removed with the value.
  final class TemporaryDump {
    let path: String
    private let directory = temporaryDirectory()

    init(_ bytes: [UInt8], name: String = "dump.xml") throws {
      path = "\(directory)/\(name)"
      try FileSystem.write(bytes, to: path)
    }

    deinit { try? FileSystem.removeTree(directory) }
  }

  private func extract(_ dump: String, _ options: [JSONMember] = [], backwards: Bool = false) throws -> StageHarness {
    let all = [JSONMember("dump", .string(dump))] + options
    return try StageHarness(WikipediaExtract.self, options: .object(all), base: Self.fixtures).run(backwards: backwards)
  }

  @Test func articlesComeWithIdMetadataAndCleanText() throws {
    let harness = try extract("jawiki.xml")
    let documents = try harness.documents()
    #expect(documents.map(\.idString) == ["jawiki:11", "jawiki:13", "jawiki:17"])
    #expect(
      documents[0].textString == """
        青浜灯台（あおはまとうだい、英語: Aohama Lighthouse）は、架空の岬に立つ灯台である。高さは31 mで、光は20 km先まで届く。

        歴史
        建設
        1921年（大正10年）、地元の漁業者の願いで建てられた。設計にはジョン・ブレイクが加わったといわれる。
        ・1921年 - 着工
        ・1923年 - 初めて灯がともる
        ・油を使う灯器であった

        改修
        1960年に電化された。Re:灯台から始まる物語という小説の舞台にもなった。
        """)
    let metadata = try JSONValue.parse(documents[1].metadata).value
    #expect(metadata["title"]?.string == "Re:灯台から始まる物語")
    #expect(
      metadata["url"]?.string
        == "https://ja.wikipedia.org/wiki/Re:%E7%81%AF%E5%8F%B0%E3%81%8B%E3%82%89%E5%A7%8B%E3%81%BE%E3%82%8B%E7%89%A9%E8%AA%9E"
    )
    #expect(metadata["timestamp"]?.string == "2024-04-03T00:00:00Z")
    #expect(metadata["revision"]?.string == "9003")
    #expect(metadata["domain"]?.string == "encyclopedia")
    #expect(documents[1].source == Array("wikipedia".utf8))
    #expect(documents[2].textString.contains("10²メートルに達することがある。"))
  }

  @Test func everyOtherPageIsDroppedByItsReason() throws {
    let harness = try extract("jawiki.xml")
    #expect(
      try harness.drops() == [
        .init(id: "jawiki:12", reason: "redirect"), .init(id: "jawiki:14", reason: "namespace"),
        .init(id: "jawiki:15", reason: "not-wikitext"),
        .init(id: "jawiki:16", reason: "empty", value: 0, threshold: 100),
        .init(id: "jawiki:18", reason: "too-short", value: 9, threshold: 100),
      ])
    #expect(harness.ledger.input.documents == 8)
    #expect(harness.ledger.imbalance == 0)
    #expect(harness.warnings == [:])
  }

  @Test("Dumps without <ns> and <redirect>: by the names of siteinfo, and never by a colon alone")
  func oldDumps() throws {
    let harness = try extract("old.xml")
    let documents = try harness.documents()
    #expect(documents.map(\.idString) == ["jawiki:1"])
    #expect(documents[0].textString.hasPrefix("機織り: 糸と人は、架空の展覧会の名である。各地の"))
    #expect(try harness.drops().map(\.reason) == ["namespace", "namespace", "redirect", "redirect"])
  }

  @Test func optionsChooseNamespacesIdsAndLength() throws {
    let harness = try extract(
      "jawiki.xml",
      [
        JSONMember("namespaces", .list([.integer(0), .integer(10)])), JSONMember("minimumBytes", .integer(1)),
        JSONMember("idPrefix", "w"), JSONMember("domain", ""), JSONMember("source", "百科"),
      ])
    #expect(try harness.documents().map(\.idString) == ["w:11", "w:13", "w:17", "w:18"])
    #expect(try harness.drops().map(\.reason) == ["redirect", "empty", "not-wikitext", "empty"])
    let metadata = try JSONValue.parse(harness.documents()[0].metadata).value
    #expect(metadata["domain"] == nil)
  }

  @Test("Plain, multistream with and without index, cut small or not, forwards or backwards: the same documents")
  func partitionsChangeNothing() throws {
    let whole = try extract("jawiki.xml").documents()
    let small = JSONMember("partitionBytes", .integer(1024))
    let index = JSONMember("index", "jawiki-multistream-index.txt.bz2")
    for options in [[], [small], [index], [small, index]] {
      let harness = try extract("jawiki-multistream.xml.bz2", options)
      #expect(try harness.documents() == whole)
      #expect(harness.ledger.input.documents == 8 && harness.warnings == [:])
    }
    let forwards = try extract("jawiki.xml", [small])
    #expect(forwards.manifests.count > 3)
    #expect(try forwards.documents() == whole)
    #expect(try extract("jawiki.xml", [small], backwards: true).digests == forwards.digests)
  }

  /// Blocks end anywhere: in texts, in tags, between pages; pages may be longer than blocks.
  @Test func oneStreamIsCutBetweenItsBlocks() throws {
    var generator = SplitMix(seed: 11)
    var xml = "<mediawiki><siteinfo><dbname>jawiki</dbname></siteinfo>\n"
    for number in 0..<700 {
      let length = number % 100 == 7 ? 60_000 : Int(generator.next() % 700)
      let letters = (0..<length).map { _ in String(Unicode.Scalar(UInt32(0x4E00 + generator.next() % 20_000))!) }
      xml += "<page><title>\(number)</title><ns>0</ns><id>\(number)</id><revision><id>1</id><text>本文。"
      xml += letters.joined() + "。</text></revision></page>\n"
    }
    let plain = try TemporaryDump(Array((xml + "</mediawiki>\n").utf8))
    #expect(system("bzip2 -k1 \(plain.path)") == 0)
    let options = [JSONMember("minimumBytes", .integer(1))]
    let whole = try extract(plain.path, options).documents()
    #expect(whole.count == 700)
    let cut = try extract(plain.path + ".bz2", options + [JSONMember("partitionBytes", .integer(1024))])
    #expect(cut.manifests.count > 20 && cut.warnings == [:])
    #expect(try cut.documents() == whole)
    let larger = try extract(plain.path + ".bz2", options + [JSONMember("partitionBytes", .integer(1 << 20))])
    #expect(try larger.documents() == whole)
  }

  @Test func streamsThatCutPagesAreNotCutApart() throws {
    let bytes = try FileSystem.read(Self.fixtures + "/jawiki.xml")
    let directory = temporaryDirectory()
    defer { try? FileSystem.removeTree(directory) }
    var dump: [UInt8] = []
    for (number, start) in stride(from: 0, to: bytes.count, by: 700).enumerated() {
      let path = "\(directory)/\(number).xml"
      try FileSystem.write(Array(bytes[start..<min(start + 700, bytes.count)]), to: path)
      #expect(system("bzip2 -k \(path)") == 0)
      dump += try FileSystem.read(path + ".bz2")
    }
    let file = try TemporaryDump(dump, name: "dump.xml.bz2")
    let harness = try extract(file.path, [JSONMember("partitionBytes", .integer(1024))])
    #expect(try harness.documents() == extract("jawiki.xml").documents())
  }

  @Test func truncatedDumpsAreKeptUpToTheBreak() throws {
    let bytes = try FileSystem.read(Self.fixtures + "/jawiki.xml")
    let cut = try #require(String(decoding: bytes, as: UTF8.self).utf8.firstRange(of: "物語は三つの章".utf8))
    let length = "\(String(decoding: bytes, as: UTF8.self))".utf8.distance(
      from: String(decoding: bytes, as: UTF8.self).utf8.startIndex, to: cut.lowerBound)
    let dump = try TemporaryDump(Array(bytes[..<(length + 4)]))
    let harness = try extract(dump.path)
    #expect(try harness.documents().map(\.idString) == ["jawiki:11"])
    #expect(
      try harness.drops() == [
        .init(id: "jawiki:12", reason: "redirect"),
        .init(id: "jawiki:13", reason: "truncated", detail: "Re:灯台から始まる物語"),
      ])
    #expect(harness.warnings == ["truncated-dump": 1])
    #expect(harness.ledger.input.documents == 3 && harness.ledger.imbalance == 0)
  }

  @Test func truncatedStreamsAreKeptUpToTheBreak() throws {
    let bytes = try FileSystem.read(Self.fixtures + "/jawiki-multistream.xml.bz2")
    let dump = try TemporaryDump(Array(bytes[..<(bytes.count - 500)]), name: "dump.xml.bz2")
    let harness = try extract(dump.path)
    #expect(try harness.documents().map(\.idString).starts(with: ["jawiki:11", "jawiki:13"]))
    #expect(harness.warnings == ["truncated-dump": 1])
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func aDamagedStreamCostsNoOther() throws {
    var bytes = try FileSystem.read(Self.fixtures + "/jawiki-multistream.xml.bz2")
    let streams = try WikiDumpIndex.streams(
      Self.fixtures + "/jawiki-multistream-index.txt.bz2", dump: Self.fixtures + "/jawiki-multistream.xml.bz2",
      Int64(bytes.count))
    let middle = Int(streams[1] + streams[2]) / 2
    for index in middle..<middle + 8 { bytes[index] ^= 0xFF }
    let dump = try TemporaryDump(bytes, name: "dump.xml.bz2")
    let harness = try extract(dump.path)
    #expect(try harness.documents().map(\.idString) == ["jawiki:17"])
    #expect(harness.warnings == ["damaged-dump": 1])
    #expect(harness.ledger.imbalance == 0)
  }

  @Test("A fault of the XML costs its page alone", arguments: ["<b>", "&unknown;", "\u{01}", "</page>", "<"])
  func malformedPages(_ fault: String) throws {
    let xml = String(decoding: try FileSystem.read(Self.fixtures + "/jawiki.xml"), as: UTF8.self)
    let dump = try TemporaryDump(Array(xml.replacing("物語は三つの章", with: fault + "物語は三つの章").utf8))
    let harness = try extract(dump.path)
    #expect(try harness.documents().map(\.idString).filter { $0 != "jawiki:13" } == ["jawiki:11", "jawiki:17"])
    #expect(harness.ledger.imbalance == 0)
    #expect(harness.ledger.input.documents == 8)
    #expect(fault == "<b>" || harness.warnings == ["damaged-dump": 1])
  }

  @Test func entitiesOpenNoFileAndDoNotExpand() throws {
    let secret = try TemporaryDump(Array("秘密".utf8), name: "secret.txt")
    let laughs = (1...9).map { "<!ENTITY l\($0) \"\(String(repeating: "&l\($0 - 1);", count: 10))\">" }.joined()
    let dump = try TemporaryDump(
      Array(
        """
        <!DOCTYPE mediawiki [<!ENTITY l0 "笑"> \(laughs) <!ENTITY file SYSTEM "file://\(secret.path)">]>
        <mediawiki><page><title>一</title><id>1</id><revision><text>\(String(repeating: "あ", count: 50))&l9;&file;</text>
        </revision></page><page><title>二</title><id>2</id><revision><text>\(String(repeating: "い", count: 50))</text>
        </revision></page></mediawiki>
        """.utf8))
    let harness = try extract(dump.path)
    let text = try harness.documents().map(\.textString).joined()
    #expect(text.contains("い") && !text.contains("秘密") && text.utf8.count < 1000)
    #expect(harness.ledger.imbalance == 0)
  }

  @Test("A tag without end is a fault of its page, not minutes of work")
  func longTags() throws {
    let attributes = (0..<60_000).map { " a\($0)=''" }.joined()
    let page =
      "<page><title>一</title><id>1</id><revision><text>\(String(repeating: "あ", count: 50))</text></revision></page>"
    let dump = try TemporaryDump(
      Array(
        "<mediawiki>\(page.replacing("<text>", with: "<text\(attributes)>"))\(page.replacing("<id>1", with: "<id>2"))</mediawiki>"
          .utf8))
    let harness = try extract(dump.path)
    #expect(try harness.documents().map(\.idString) == ["wiki:2"])
    #expect(try harness.drops().map(\.reason) == ["damaged"])
    #expect(harness.warnings == ["damaged-dump": 1])
  }

  @Test("Only tags are measured, whatever the blocks that they come in", arguments: [1, 2, 7, 70_000])
  func tagLengths(_ step: Int) {
    let long = String(repeating: "x", count: WikiDumpTags.longestBytes)
    func overlong(_ text: String) -> Bool {
      var tags = WikiDumpTags()
      let bytes = Array(text.utf8)
      return stride(from: 0, to: bytes.count, by: step).contains { start in
        bytes[start..<min(start + step, bytes.count)].withUnsafeBytes { tags.overlong($0) != nil }
      }
    }
    #expect(overlong("<a \(long)>") && overlong("<a><b \(long)"))
    #expect(!overlong("<a>\(long)</a>\(long)<b/>") && !overlong("<!-- \(long) --><![CDATA[\(long)]]><?x \(long)?>"))
    #expect(!overlong("<a \(long.dropLast(4))>") && overlong("<a \(long.dropLast(2))>"))
  }

  @Test func largePagesAreDroppedNotHeld() throws {
    let text = String(repeating: "大きな頁。", count: 2000)
    let dump = try TemporaryDump(
      Array(
        "<mediawiki><page><title>大</title><id>1</id><revision><text>\(text)</text></revision></page></mediawiki>".utf8))
    let harness = try extract(dump.path, [JSONMember("maximumPageBytes", .integer(2048))])
    #expect(try harness.drops() == [.init(id: "wiki:1", reason: "too-large", value: 30000, threshold: 2048)])
  }

  @Test func wrongIndexesAreErrors() throws {
    let index = try TemporaryDump(Array("7:11:青浜灯台\n".utf8), name: "index.txt")
    #expect(throws: ShardError.self) {
      try extract("jawiki-multistream.xml.bz2", [JSONMember("index", .string(index.path))])
    }
    let text = try TemporaryDump(Array("no index\n".utf8), name: "index.txt")
    let error = #expect(throws: ShardError.self) {
      try extract("jawiki-multistream.xml.bz2", [JSONMember("index", .string(text.path))])
    }
    #expect(error?.message == "line 1 is no 'offset:id:title'")
    #expect(throws: StageError.self) {
      try extract("jawiki.xml", [JSONMember("index", .strings([index.path, text.path]))])
    }
  }

  @Test func textIsRotatedIntoShards() throws {
    let harness = try extract("jawiki.xml", [JSONMember("shardBytes", .integer(700))])
    #expect(harness.files("documents").count == 2)
    #expect(try harness.documents().count == 3)
  }

  @Test(
    "A file that is no dump is an error that says what it is",
    arguments: [
      ("", "this is no MediaWiki dump: it is empty"), ("  \n", "this is no MediaWiki dump: it is empty"),
      ("<!DOCTYPE html>\n<html><body>404</body></html>", "its first element is <html>, not <mediawiki>"),
      ("<!doctype html><meta charset=utf-8>404", "it is an HTML page"),
      ("<rss><channel/></rss>", "its first element is <rss>"),
      ("これはダンプではない。", "it does not begin with XML"), ("{\"a\":1}", "it is JSON"),
      ("-- MySQL dump 10.19\n", "it is SQL"),
      ("7z\u{BC}", "it does not begin with XML"), ("600:12:題\n", "it is the index of a multistream dump"),
      ("<mediawiki><siteinfo><sitename>W", "the dump was cut off before its first page"),
      ("<page", "it does not begin with XML"),
    ])
  func notADump(_ content: String, _ message: String) throws {
    let dump = try TemporaryDump(Array(content.utf8))
    let error = #expect(throws: ShardError.self) { try extract(dump.path) }
    #expect(error?.message.contains(message) == true && error?.hint != nil, "\(error as Any)")
  }

  @Test func archivesOfOtherFormsAreNamed() throws {
    let seven = try TemporaryDump([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C, 0, 4], name: "jawiki.xml.7z")
    let error = #expect(throws: ShardError.self) { try extract(seven.path) }
    #expect(error?.message == "this is no MediaWiki dump: it is a 7z archive")
  }

  @Test("A dump without pages is a dump; one without its head, or behind blank lines, is read")
  func oddHeads() throws {
    let empty = try TemporaryDump(Array("<mediawiki><siteinfo></siteinfo></mediawiki>".utf8))
    #expect(try extract(empty.path).documents().isEmpty)
    let page =
      "<page><title>一</title><id>1</id><revision><text>\(String(repeating: "あ", count: 50))</text></revision></page>"
    let headless = try TemporaryDump(Array("\(page)\n\(page.replacing("<id>1", with: "<id>2"))</mediawiki>".utf8))
    #expect(try extract(headless.path).documents().map(\.idString) == ["wiki:1", "wiki:2"])
    let blank = try TemporaryDump(Array("\n \n<?xml version=\"1.0\"?><mediawiki>\(page)</mediawiki>".utf8))
    let harness = try extract(blank.path)
    #expect(try harness.documents().count == 1 && harness.warnings == [:])
  }

  @Test("Elements that stand unescaped in a text are read as the tags that they are")
  func elementsInText() throws {
    let text = "前<br />の文<ref name=\"a\">注<b>太</b></ref>。<div class='x'>箱</div>後<br></br>の文。"
    let dump = try TemporaryDump(
      Array(
        "<mediawiki><page><title>題<i>名</i>だ</title><id>1</id><revision><text>\(text)</text></revision></page></mediawiki>"
          .utf8))
    let harness = try extract(dump.path, [JSONMember("minimumBytes", .integer(1))])
    #expect(try harness.documents().map(\.textString) == ["前\nの文。\n箱\n後\nの文。"])
    #expect(try JSONValue.parse(harness.documents()[0].metadata).value["title"]?.string == "題名だ")
    #expect(harness.warnings == ["unescaped-markup": 1])
  }

  @Test(
    "Redirects in the words of other wikis, where the dump marks none",
    arguments: ["#WEITERLEITUNG", "#REDIRECTION", "#REDIRECCIÓN", "#перенаправление", "#rinvia"])
  func foreignRedirects(_ word: String) throws {
    let dump = try TemporaryDump(
      Array(
        "<mediawiki><page><title>a</title><id>1</id><revision><text>\(word) [[b]]</text></revision></page></mediawiki>"
          .utf8))
    #expect(try extract(dump.path).drops().map(\.reason) == ["redirect"])
  }
}

/// On real dumps, where they are present.
@Suite(.needsRealTexts) struct WikipediaRealDataTests {
  private func residue(_ documents: [Document], _ marker: String) -> Int {
    documents.count { $0.textString.contains(marker) }
  }

  @Test(
    "No residue of markup but in one page, or one in a hundred, that writes about markup",
    arguments: ["jawiki-2022-part.xml.bz2", "jawiki_testdata_2012.xml.bz2", "enwiki_testdata_2018.xml.bz2"])
  func dumps(_ name: String) throws {
    let harness = try StageHarness(
      WikipediaExtract.self, options: ["dump": .string("wikipedia/\(name)")], base: realDataPath!
    ).run()
    let documents = try harness.documents()
    #expect(documents.count >= 30)
    #expect(harness.ledger.imbalance == 0)
    for marker in ["{{", "}}", "[[", "|}", "{|", "<ref", "</ref", "'''"] {
      #expect(residue(documents, marker) <= max(1, documents.count / 100), "\(marker) in \(name)")
    }
    #expect(harness.warnings == (name.contains("testdata") ? ["truncated-dump": 1] : [:]))
  }
}

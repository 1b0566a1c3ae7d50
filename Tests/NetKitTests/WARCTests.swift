import Glibc
import ShardKit
import TestKit
import Testing

@testable import NetKit

@Suite struct WARCTests {
  private let folder = temporaryDirectory()

  private func record(_ text: String, _ kind: WARCRecord.Kind = .response) -> WARCRecord {
    WARCRecord(
      kind, target: "http://example.org/\(text.count)", at: 0, contentType: "text/plain", block: Array(text.utf8))
  }

  private func read(_ bytes: [UInt8], limit: Int = 1 << 20) -> (texts: [String], reader: WARCReader) {
    let reader = WARCReader(MemorySource(bytes))
    var out: [String] = []
    while let record = reader.next(limit: limit) { out.append(record.block.text) }
    return (out, reader)
  }

  @Test func whatIsWrittenIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    let writer = try WARCWriter(folder: folder, prefix: "t", clock: ManualClock())
    let records = [record("一つ"), record("two", .metadata), record("")]
    let locations = try writer.append(records)
    let reader = try WARCReader(path: "\(folder)/t-00000.warc.gz")
    #expect(reader.next()?.kind == .warcinfo)
    #expect(reader.next() == records[0])
    #expect(reader.next() == records[1])
    #expect(reader.next() == records[2])
    #expect(reader.next() == nil)
    #expect(reader.malformed == 0)
    let source = try FileSource("\(folder)/t-00000.warc.gz", offset: locations[1].offset, length: locations[1].bytes)
    #expect(try WARCReader(GzipSource(source)).wholeRecord(limit: 100) == records[1])
  }

  @Test func filesAreRotated() throws {
    defer { try? FileSystem.removeTree(folder) }
    let writer = try WARCWriter(folder: folder, prefix: "t", maximumFileBytes: 1000)
    for _ in 0..<5 { _ = try writer.append([record(String(repeating: "x", count: 100)), record("y")]) }
    #expect(try FileSystem.list(folder).count > 1)
    var found = 0
    _ = try WARCWriter(folder: folder, prefix: "t", maximumFileBytes: 1000, found: { _, _ in found += 1 })
    #expect(found == 10 + (try FileSystem.list(folder).count), "each file begins with a warcinfo")
  }

  /// A kill at any byte of the last group loses that group's cut record, nothing else.
  @Test func aTruncatedTailIsCutAtTheLastWholeRecord() throws {
    defer { try? FileSystem.removeTree(folder) }
    let path = "\(folder)/t-00000.warc.gz"
    let locations = try WARCWriter(folder: folder, prefix: "t").append([record("first"), record("second")])
    let whole = try FileSystem.read(path)
    for cut in stride(from: Int(locations[1].offset), to: whole.count, by: 7) {
      try FileSystem.write(Array(whole[..<cut]), to: path)
      var found: [String] = []
      let writer = try WARCWriter(folder: folder, prefix: "t") { record, _ in found.append(record.block.text) }
      #expect(found.last == "first", "cut at \(cut)")
      #expect(FileSystem.status(path)?.bytes == locations[1].offset)
      _ = try writer.append([record("third")])
      let reader = try WARCReader(path: path)
      var texts: [String] = []
      while let record = reader.next() { texts.append(record.block.text) }
      #expect(texts.suffix(2) == ["first", "third"])
      #expect(reader.malformed == 0)
    }
  }

  @Test func plainFilesAndWrongLengthsAreRead() {
    func plain(_ text: String, length: Int) -> [UInt8] {
      Array("WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: \(length)\r\n\r\n\(text)\r\n\r\n".utf8)
    }
    #expect(read(plain("abc", length: 3) + plain("de", length: 2)).texts == ["abc", "de"])
    // Two too many: the line end is taken into the block, as in CC-MAIN-2018-34.
    #expect(read(plain("abc", length: 5) + plain("de", length: 2)).texts == ["abc\r\n", "de"])
    // Two too few: the rest is passed over, and said so.
    let (texts, reader) = read(plain("abcd", length: 2) + plain("de", length: 2))
    #expect(texts == ["ab", "de"])
    #expect(reader.malformed == 1)
    #expect(reader.skippedBytes == 6)
  }

  @Test func hostileRecordsAreBounded() {
    func head(_ fields: String) -> [UInt8] { Array("WARC/1.1\r\n\(fields)\r\n\r\n".utf8) }
    let good = head("Content-Length: 2") + Array("ok\r\n\r\n".utf8)
    #expect(read(head("Content-Length: -1") + good).texts == ["ok"])
    #expect(read(head("Content-Length: x") + good).texts == ["ok"])
    #expect(read(head("No-Length: 1") + good).texts == ["ok"])
    #expect(read(Array("garbage\nWARC".utf8) + [10] + good).texts == ["ok"])
    #expect(read(head("X: " + String(repeating: "x", count: 2 << 20)) + [10] + good).texts == ["ok"])
    let (texts, reader) = read(head("Content-Length: 9") + Array("123456789\r\n\r\n".utf8) + good, limit: 5)
    #expect(texts == ["", "ok"])
    #expect(reader.tooLarge == 1)
    #expect(read(head("Content-Length: 9223372036854775807") + good).texts == [])
    #expect(read(Array(good.dropLast(6))).texts == [])
  }

  static let warcio = PeerScript("warcio_read.py")

  /// warcio reads every record, and finds the digests that they state.
  @Test(.needs(warcio.isUsable, "needs Python with warcio")) func warcioReadsOurs() throws {
    defer { try? FileSystem.removeTree(folder) }
    try CrawlWorkbench.archive(to: folder)
    let output = try #require(Self.warcio.run("\(folder)/crawl-00000.warc.gz")).text
    #expect(
      output
        == """
        warcinfo - - - 0
        response http://server/a 200 おはよう 0
        request http://server/a GET  0
        metadata http://server/a - pipeline-kind 0
        revisit http://server/a 304  0
        request http://server/a GET  0
        metadata http://server/a - pipeline-kind 0
        response http://server/b 404 gone 0
        request http://server/b GET  0
        metadata http://server/b - pipeline-kind 0
        all digests verified

        """.replacing("pipeline-kind", with: "pipeline-url"))
  }
}

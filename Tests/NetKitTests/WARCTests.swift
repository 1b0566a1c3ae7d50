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

  private func read(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> [String] {
    let reader = WARCReader(MemorySource(bytes))
    var out: [String] = []
    while let item = try reader.next(limit: limit) {
      switch item {
      case .record(let record): out.append(record.block.text)
      case .cut: out.append("(cut)")
      case .tooLarge: out.append("(too large)")
      case .damaged, .malformed: out.append("(malformed)")
      }
    }
    return out
  }

  @Test func whatIsWrittenIsRead() throws {
    defer { try? FileSystem.removeTree(folder) }
    let writer = try WARCWriter(folder: folder, prefix: "t", clock: ManualClock())
    let records = [record("一つ"), record("two", .metadata), record("")]
    let locations = try writer.append(records)
    let reader = try WARCReader(path: "\(folder)/t-00000.warc.gz")
    guard case .record(let first)? = try reader.next() else { return #expect(Bool(false), "no record") }
    #expect(first.kind == .warcinfo)
    for record in records { #expect(try reader.next() == .record(record)) }
    #expect(try reader.next() == nil)
    #expect(reader.wrongLengths == 0 && reader.damage.isEmpty)
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
      while case .record(let record)? = try reader.next() { texts.append(record.block.text) }
      #expect(texts.suffix(2) == ["first", "third"])
      #expect(reader.damage.isEmpty)
    }
  }

  @Test func plainFilesAndWrongLengthsAreRead() throws {
    func plain(_ text: String, length: Int) -> [UInt8] {
      Array("WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: \(length)\r\n\r\n\(text)\r\n\r\n".utf8)
    }
    #expect(try read(plain("abc", length: 3) + plain("de", length: 2)) == ["abc", "de"])
    // Two too many, as in CC-MAIN-2018-34.
    #expect(try read(plain("abc", length: 5) + plain("de", length: 2)) == ["abc", "de"])
    // Two too few: the record reaches to the next head.
    #expect(try read(plain("abcd", length: 2) + plain("de", length: 2)) == ["abcd", "de"])
  }

  @Test func hostileRecordsAreBounded() throws {
    func head(_ fields: String) -> [UInt8] { Array("WARC/1.1\r\n\(fields)\r\n\r\n".utf8) }
    let good = head("Content-Length: 2") + Array("ok\r\n\r\n".utf8)
    for bad in [
      head("Content-Length: -1"), head("Content-Length: x"), head("No-Length: 1"), Array("garbage\nWARC\n".utf8),
      head("X: " + String(repeating: "x", count: 2 << 20)) + [10],
    ] {
      #expect(try read(bad + good) == ["(malformed)", "ok"])
    }
    let large = head("Content-Length: 9") + Array("123456789\r\n\r\n".utf8)
    #expect(try read(large + good, limit: 5) == ["(too large)", "ok"])
    #expect(try read(head("Content-Length: 9223372036854775807") + good) == ["(too large)"])
    #expect(try read(Array(good.dropLast(6))) == ["(cut)"])
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

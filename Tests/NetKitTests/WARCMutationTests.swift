import ShardKit
import TestKit
import Testing

@testable import NetKit

/// Archives with bytes changed at random: every one is read to its end, and what is told fits what there is.
@Suite struct WARCMutationTests {
  private static func record(_ number: Int, _ text: String) -> [UInt8] {
    let message = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n\(text)"
    return Array(
      ("WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.jp/\(number)\r\nContent-Length: \(message.utf8.count)"
        + "\r\n\r\n\(message)\r\n\r\n").utf8)
  }

  private static let arc = Array(
    ("filedesc://IA.arc 0.0.0.0 20080430204825 text/plain 76\n1 0 InternetArchive\nURL IP-address Archive-date"
      + " Content-type Archive-length\n\nhttp://example.jp/1 192.0.2.1 20080430204826 text/html 5\nabcde\n"
      + "http://example.jp/2 192.0.2.1 20080430204827 text/html 3\nabc\n").utf8)

  private static let words = ["WARC/1.0\r\n", "\r\n\r\n", "Content-Length: ", "http://"]

  private func drain(_ reader: WARCReader, _ bytes: Int) throws {
    var (items, content) = (0, 0)
    while let item = try reader.next(limit: 500) {
      items += 1
      switch item {
      case .record(let record), .cut(let record):
        content += record.block.count
        #expect(record.block.count <= 500)
        _ = record.message
      case .tooLarge(let record), .damaged(let record, _): #expect(record.block.isEmpty)
      case .malformed: break
      }
      try #require(items <= bytes + 1, "no end")
    }
  }

  @Test func plainAndPackedAsAWhole() throws {
    let plain = (0..<4).flatMap { Self.record($0, String(repeating: "文章。", count: $0 * 20)) }
    for (seed, whole) in [plain, Self.arc].enumerated() {
      var mutations = Mutations(of: [whole], words: Self.words, seed: UInt64(seed + 11))
      let format = try #require(ArchiveFormat.detect(whole))
      for _ in Mutations.rounds(3000) {
        let bytes = mutations.next()
        try drain(WARCReader(MemorySource(bytes), format), bytes.count)
      }
    }
  }

  @Test func membersOfGzip() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let whole = try (0..<4).flatMap { number -> [UInt8] in
      let collected = CollectingSink()
      let sink = try GzipSink(collected)
      try sink.write(Self.record(number, String(repeating: "文章。", count: number * 20)))
      try sink.commit()
      return collected.bytes
    }
    var mutations = Mutations(of: [whole], seed: 13)
    for _ in Mutations.rounds(2000) {
      let bytes = mutations.next()
      try FileSystem.write(bytes, to: folder + "/a.warc.gz")
      try drain(WARCReader(path: folder + "/a.warc.gz"), 1 << 20)
    }
  }
}

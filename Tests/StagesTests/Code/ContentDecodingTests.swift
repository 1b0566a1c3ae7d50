import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct ContentDecodingTests {
  private func outcome(_ bytes: [UInt8], _ encoding: String = "", limit: Int = 1 << 20) -> ContentDecoding.Outcome {
    ContentDecoding.text(bytes, blob: Checksummer.checksum(bytes, .sha1).hex, encoding: encoding, limit: limit)
  }

  @Test func encodingsBecomeUTF8() {
    #expect(outcome(Array("plain".utf8), "ascii") == .text(Array("plain".utf8)))
    #expect(outcome([0xEF, 0xBB, 0xBF, 65], "utf-8-sig") == .text([65]))
    #expect(outcome([0xE9], "ISO-8859-1") == .text(Array("é".utf8)))
    #expect(outcome([0xB3, 0xBF], "EUC-JP") == .text(Array("蛙".utf8)))
    #expect(outcome([0xFF, 0xFE, 0x42, 0x30], "UTF-16") == .text(Array("あ".utf8)))
    // A backslash is none of Shift_JIS by the letter of its standard, and is one in every source file.
    let source = Array(#"printf(""#.utf8) + [0x82, 0xA0, 0x87, 0x40] + Array(#"\n~");"#.utf8)
    #expect(outcome(source, "SHIFT_JIS") == .text(Array(#"printf("あ①\n~");"#.utf8)))
    #expect(outcome([0xC3], "UTF-8") == .failure(reason: "undecodable", detail: "it is not valid UTF-8"))
    #expect(outcome([65], "klingon") == .failure(reason: "undecodable", detail: "it is not valid klingon"))
    #expect(outcome([65, 0]) == .failure(reason: "binary", detail: "it contains NUL characters"))
    #expect(outcome([]) == .failure(reason: "empty", detail: ""))
    // More than a buffer of the converter holds.
    let long = [UInt8](repeating: 0xE9, count: 200_000)
    #expect(outcome(long, "ISO-8859-1") == .text(Array(String(repeating: "é", count: 200_000).utf8)))
  }

  /// `git hash-object` of "hello\n", a digest that git's documentation and every repository agree on.
  @Test func gitsDigestIsTakenToo() {
    let hello = Array("hello\n".utf8)
    #expect(ContentDecoding.matches(hello, "ce013625030ba8dba906f756967f9e9ca394464a"))
    #expect(ContentDecoding.matches(hello, "f572d396fae9206628714fb2ce00f72e94f2258f"))
    #expect(!ContentDecoding.matches(hello, String(repeating: "0", count: 40)))
  }

  @Test func whatUnpacksToMoreThanItMayIsRefused() throws {
    let bomb = [UInt8](repeating: 65, count: 1 << 20)
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let file = try FileSink(folder + "/packed")
    let sink = try GzipSink(file)
    try sink.write(bomb)
    try sink.commit()
    let packed = try FileSystem.read(folder + "/packed")
    let digest = Checksummer.checksum(bomb, .sha1).hex
    #expect(ContentDecoding.text(packed, blob: digest, encoding: "", limit: 1 << 20) == .text(bomb))
    guard case .failure("digest-mismatch", _) = ContentDecoding.text(packed, blob: digest, encoding: "", limit: 1000)
    else {
      Issue.record("a content above the limit was unpacked")
      return
    }
  }

  @Test func framesSurviveACut() throws {
    let path = "/tmp/contents-\(UInt64.random(in: 0...(.max)))"
    defer { try? FileSystem.remove(path) }
    do {
      let fetched = try FetchedContents(path)
      for content in [[1, 2, 3], nil, [4, 5]] as [[UInt8]?] { try fetched.append(content) }
    }
    // A kill in the middle of the third frame.
    try FileSystem.write(Array(try FileSystem.read(path).dropLast()), to: path)
    let again = try FetchedContents(path)
    guard case .content([1, 2, 3]) = try again.next(), case .missing = try again.next(), try again.next() == nil else {
      Issue.record("the frames differ")
      return
    }
    try again.append([9])
    #expect(try FileSystem.read(path) == [3, 0, 0, 0, 1, 2, 3, 255, 255, 255, 255, 1, 0, 0, 0, 9])
  }
}

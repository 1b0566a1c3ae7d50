import ShardKit
import TestKit
import Testing
import TextKit

/// Counts what is written.
private final class CountingSink: ByteSink {
  var bytes = 0
  func write(_ bytes: UnsafeRawBufferPointer) { self.bytes += bytes.count }
  func commit() {}
}

/// The size is computed by rules of its own, so it is compared with zlib's on texts of every kind.
@Suite struct CompressionRatioTests {
  /// zlib's at level 9: a gzip member has 18 bytes of frame, a zlib stream 6.
  private func zlib(_ text: [UInt8]) throws -> Int {
    let counted = CountingSink()
    let sink = try GzipSink(counted, level: 9)
    try text.withUnsafeBytes { try sink.write($0) }
    try sink.commit()
    return counted.bytes - 12
  }

  private func expectEqual(_ texts: [(name: String, bytes: [UInt8])]) throws {
    let ratio = CompressionRatio()
    for text in texts where !text.bytes.isEmpty {
      let measured = text.bytes.withUnsafeBufferPointer { ratio.zlib($0) }
      #expect(measured == Double(try zlib(text.bytes)) / Double(text.bytes.count), "\(text.name)")
    }
  }

  private func bytes(_ count: Int, of letters: ClosedRange<UInt8>, _ random: inout some RandomNumberGenerator)
    -> [UInt8]
  {
    (0..<count).map { _ in UInt8.random(in: letters, using: &random) }
  }

  /// Characters that come again after about as many others as real ones do, so that matches are short and many.
  private func japanese(_ characters: Int, _ random: inout some RandomNumberGenerator) -> [UInt8] {
    var text = ""
    for _ in 0..<characters {
      let rank = UInt32.random(in: 0..<60, using: &random) * UInt32.random(in: 0..<60, using: &random) / 20
      text.unicodeScalars.append(Unicode.Scalar(0x3041 + rank)!)
    }
    return Array(text.utf8)
  }

  @Test func shortTextsOfEveryLength() throws {
    var random = Dice(state: 1)
    let noise = bytes(300, of: 0...255, &random), words = japanese(100, &random)
    try expectEqual(
      (1..<300).flatMap { n in [("noise \(n)", Array(noise.prefix(n))), ("words \(n)", Array(words.prefix(n)))] })
  }

  /// Beyond the window of 32 KiB, beyond a block's 16,383 symbols, and with more like places than zlib looks at.
  @Test func longTexts() throws {
    var random = Dice(state: 2)
    let noise = bytes(70_000, of: 0...255, &random)
    let far = Array(noise.prefix(32_506)), farther = Array(noise.prefix(32_507))
    var texts: [(name: String, bytes: [UInt8])] = [("words", japanese(60_000, &random)), ("noise", noise)]
    texts.append(("two letters", bytes(40_000, of: 97...98, &random)))
    texts.append(("six letters", bytes(60_000, of: 97...102, &random)))
    texts.append(("one letter", [UInt8](repeating: 97, count: 100_000)))
    texts.append(("noise again", noise + noise.prefix(40_000)))
    texts.append(("as far as matches reach", far + far))
    texts.append(("one farther", farther + farther))
    let pattern: [UInt8] = [97, 98, 99, 97, 98, 100, 97, 98, 99, 97, 98, 99, 97, 98, 100]
    texts.append(("a short period", (0..<90_000).map { pattern[$0 % pattern.count] }))
    try expectEqual(texts)
  }

  /// One after another through the same tables.
  @Test func textsDoNotSeeEachOther() throws {
    var random = Dice(state: 3)
    let words = japanese(3000, &random)
    try expectEqual((0..<20).map { ("text \($0)", Array(words.dropFirst(3 * $0))) })
  }

  @Test(.needsRealTexts) func realTexts() throws {
    let path = realDataPath! + "/jaquad/contexts.jsonl.gz"
    let lines = LineReader(try openSource(path))
    var texts: [(name: String, bytes: [UInt8])] = []
    while texts.count < 400, let line = try lines.next() { texts.append(("paragraph \(texts.count)", Array(line))) }
    #expect(texts.count == 400)
    try expectEqual(texts + [("all of them", texts.flatMap(\.bytes))])
  }
}

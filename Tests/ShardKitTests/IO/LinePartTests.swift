import Glibc
@testable import ShardKit
import TestKit
import Testing

@Suite struct LinePartTests {
  private let folder = temporaryDirectory()

  private struct Line: Equatable {
    var number: Int
    var text: [UInt8]
  }

  private func whole(_ path: String) throws -> [Line] {
    var lines: [Line] = []
    let reader = LineReader(try openSource(path))
    while let line = try reader.next() { lines.append(Line(number: reader.number, text: Array(line))) }
    return lines
  }

  /// The lines of all parts, each read by itself, the last part first.
  private func parted(_ path: String, _ parts: [LinePart]) throws -> [Line] {
    try parts.reversed().reduce(into: []) { all, part in
      var lines: [Line] = []
      let reader = try part.lines(of: path, maximumLineBytes: 1 << 20)
      while part.holdsNext(reader), let line = try reader.next() {
        lines.append(Line(number: reader.number, text: Array(line)))
      }
      all = lines + all
    }
  }

  /// Lines of all lengths, empty ones and carriage returns among them.
  private func text(_ random: inout SplitMix, lines: Int, endsLine: Bool) -> [UInt8] {
    var bytes: [UInt8] = random.next() % 2 == 0 ? [0xEF, 0xBB, 0xBF] : []
    for number in 0..<lines {
      let length = [0, 1, 2, 30, 300][Int(random.next() % 5)]
      bytes += (0..<length).map { _ in UInt8(33 + random.next() % 90) }
      if random.next() % 4 == 0 { bytes.append(13) }
      if number < lines - 1 || endsLine { bytes.append(10) }
    }
    return bytes
  }

  @Test(arguments: [1, 2, 3, 7, 64, 500, 4096])
  func plainFilesDivideAnywhere(bytes: Int64) throws {
    defer { try? FileSystem.removeTree(folder) }
    var random = SplitMix(seed: UInt64(bytes))
    for turn in 0..<20 {
      let path = folder + "/a.jsonl"
      let text = text(&random, lines: 1 + turn * 2, endsLine: turn % 3 != 0)
      try FileSystem.write(text, to: path)
      let parts = try LinePart.parts(of: path, bytes: bytes) {}
      #expect(parts.isEmpty == (Int64(text.count) <= bytes))
      #expect(parts.isEmpty || parts.reduce(0) { $0 + $1.bytes } == Int64(text.count))
      #expect(parts.allSatisfy { $0.bytes <= bytes })
      #expect(try parts.isEmpty || parted(path, parts) == whole(path))
    }
  }

  /// Frames end within lines too; skippable ones have no text.
  @Test(arguments: [1, 200, 3000])
  func zstdFilesDivideBetweenFrames(bytes: Int64) throws {
    defer { try? FileSystem.removeTree(folder) }
    var random = SplitMix(seed: UInt64(bytes))
    var divided = 0
    for turn in 0..<20 {
      let path = folder + "/a.jsonl.zst"
      let text = text(&random, lines: 10 + turn * 5, endsLine: turn % 3 != 0)
      var file: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 2]
      var rest = text[...]
      while !rest.isEmpty {
        let frame = rest.prefix(1 + Int(random.next() % 400))
        file += try encoded(Array(frame), .zstd)
        rest = rest[frame.endIndex...]
        if random.next() % 5 == 0 { file += [0x51, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] }
      }
      try FileSystem.write(file, to: path)
      let parts = try LinePart.parts(of: path, bytes: bytes) {}
      #expect(parts.isEmpty || parts.reduce(0) { $0 + $1.bytes } == Int64(text.count))
      #expect(try parts.isEmpty || parted(path, parts) == whole(path))
      divided += parts.count
    }
    #expect(divided > 20)
  }

  /// Frames of several blocks, stored, repeated and compressed, end where they were written.
  @Test func framesOfAnySizeAreFound() throws {
    defer { try? FileSystem.removeTree(folder) }
    var random = SplitMix(seed: 8)
    var texts: [[UInt8]] = []
    for size in [1, 255, 256, 257, 65_791, 65_792, 131_072, 131_073, 400_000, 1_000_000] {
      texts.append([UInt8](repeating: 65, count: size))
      texts.append((0..<size).map { _ in UInt8(truncatingIfNeeded: random.next()) })
      texts.append(sampleBytes(size, seed: random.next()))
    }
    var file: [UInt8] = []
    var ends: [Int64] = []
    for (number, text) in texts.enumerated() {
      if number % 7 == 3 { file += [0x5A, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3] }
      file += try encoded(text, .zstd)
      ends.append(Int64(file.count))
    }
    try FileSystem.write(file, to: folder + "/a")
    let parts = try LinePart.parts(of: folder + "/a", bytes: 1) {}
    #expect(parts.reduce(0) { $0 + $1.bytes } == texts.reduce(0) { $0 + Int64($1.count) })
    #expect(Set(ends.dropLast()).subtracting(parts.map(\.offset)).isEmpty)
    // Cut off in any block, it is not divided.
    for end in [file.count - 1, file.count - 5, file.count - 150_000, Int(ends[20]) - 1] {
      try FileSystem.write(Array(file[..<end]), to: folder + "/a")
      #expect(try LinePart.parts(of: folder + "/a", bytes: 1) {}.isEmpty, "\(end)")
    }
  }

  /// A frame may be all of a file, and have millions of blocks.
  @Test func theWalkThroughAFrameCanBeStopped() throws {
    struct Stopped: Error {}
    defer { try? FileSystem.removeTree(folder) }
    // A window of 1 KiB, empty stored blocks, and the last one.
    let frame = [0x28, 0xB5, 0x2F, 0xFD, 0, 0] + [UInt8](repeating: 0, count: 3 * 10_000) + [1, 0, 0]
    try FileSystem.write(frame, to: folder + "/a")
    #expect(try LinePart.parts(of: folder + "/a", bytes: 1) {}.isEmpty)
    var calls = 0
    #expect(throws: Stopped.self) {
      try LinePart.parts(of: folder + "/a", bytes: 1) {
        calls += 1
        if calls == 3 { throw Stopped() }
      }
    }
    #expect(calls == 3)
  }

  /// What cannot be read apart is read as a whole: other formats, one frame, frames with a dictionary, damage.
  @Test func otherFilesAreNotDivided() throws {
    defer { try? FileSystem.removeTree(folder) }
    let text = Array(String(repeating: "line\n", count: 1000).utf8)
    let frames = try encoded(text, .zstd) + encoded(text, .zstd)
    let files: [[UInt8]] = [
      try encoded(text, .zstd), try encoded(text, .gzip) + encoded(text, .gzip), try encoded(text, .xz),
      try encoded(text, .lz4), try encoded(text, .bzip2), [], frames.dropLast(1), frames + [1, 2, 3],
      [0x5D, 0x2A, 0x4D, 0x18, 0, 0, 0, 0] + frames,
    ]
    for (i, file) in files.enumerated() {
      try FileSystem.write(file, to: folder + "/a")
      #expect(try LinePart.parts(of: folder + "/a", bytes: 1) {}.isEmpty, "\(i)")
    }
    try FileSystem.write(frames, to: folder + "/a")
    #expect(
      try LinePart.parts(of: folder + "/a", bytes: 1) {} == [
        LinePart(offset: 0, bytes: 5000, linesBefore: 0),
        LinePart(offset: Int64(frames.count / 2), bytes: 5000, linesBefore: 1000),
      ])
  }
}

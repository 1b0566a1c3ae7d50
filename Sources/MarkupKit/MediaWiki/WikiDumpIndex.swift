import ShardKit

/// The index of a multistream dump: lines `offset:page id:title`, also compressed. Titles hold colons.
enum WikiDumpIndex {
  /// The offsets of all streams, the one before the first page included, rising.
  static func streams(_ path: String, dump: String, _ bytes: Int64) throws -> [Int64] {
    let lines = LineReader(try openSource(path))
    var streams: [Int64] = [0]
    while let line = try lines.next() {
      var offset: Int64 = 0
      var digits = 0
      for byte in line {
        guard byte &- 0x30 < 10, digits < 18 else { break }
        offset = offset * 10 + Int64(byte &- 0x30)
        digits += 1
      }
      if line.isEmpty { continue }
      guard digits > 0, digits < line.count, line[digits] == UInt8(ascii: ":") else {
        throw ShardError(
          .malformed, path, "line \(lines.number) is no 'offset:id:title'",
          hint: "Name the index that came with the dump.")
      }
      if offset != streams.last { streams.append(offset) }
    }
    try check(streams, path, dump, bytes)
    return streams.filter { $0 < bytes }
  }

  /// Offsets rise, and where the dump reaches, streams start at them.
  private static func check(_ streams: [Int64], _ path: String, _ dump: String, _ bytes: Int64) throws {
    let hint = "Name the index that came with the dump, or none: streams are then found by reading the dump."
    for pair in zip(streams, streams.dropFirst()) where pair.1 <= pair.0 {
      throw ShardError(.malformed, path, "its offsets do not rise: \(pair.0), then \(pair.1)", hint: hint)
    }
    for stream in streams where stream < bytes {
      let magic = try FileSource(dump, offset: stream, length: 3).readAll()
      guard stream + 3 > bytes || magic == [0x42, 0x5A, 0x68] else {
        throw ShardError(
          .malformed, path, "it says that a bzip2 stream starts at byte \(stream) of the dump, but none does",
          hint: hint)
      }
    }
  }
}

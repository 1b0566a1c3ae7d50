import ShardKit

/// Records whose stated length exceeds the limit.
extension WARCReader {
  /// A record that is too large; or with its block if it is not, because the next record or the segment's end is near.
  func large(_ record: WARCRecord, _ length: Int, _ limit: Int) throws(ShardError) -> Item {
    let embeds = try holdsArchive()
    if !embeds {
      let isLong = try input.need(limit + 1)
      if let next = try nextRecord(within: min(length, limit + 1), limit) {
        wrongLengths += 1
        return finish(record, withoutLineEnds(next), next: next, limit)
      }
      if !isLong, isWholeSegment {
        wrongLengths += 1
        return finish(record, withoutLineEnds(input.bytes.count), next: input.bytes.count, limit)
      }
    }
    return try passOver(record, length, limit, looks: !embeds)
  }

  /// Skips to its stated end, or to a record that begins before it.
  private func passOver(
    _ record: WARCRecord, _ length: Int, _ limit: Int, looks: Bool
  ) throws(ShardError) -> Item {
    var left = length
    while left > 0 {
      let hasMore = try input.need(ArchiveFormat.signatureBytes + 1)
      let count = min(left, hasMore ? input.bytes.count - ArchiveFormat.signatureBytes : input.bytes.count)
      if count == 0 { break }
      let hit = looks ? format.candidate(input.bytes, from: 0) : nil
      // Skip first, so that the search for the end of a record here does not buffer the skipped bytes.
      let step = hit.map { $0 <= count && $0 < left ? $0 : count } ?? count
      let isBehindEnd = step == hit && isBehindEnd(step)
      input.skip(step)
      left -= step
      if step == hit, left > 0, try begins(at: 0, limit, isBehindEnd) {
        wrongLengths += 1
        return .tooLarge(record)
      }
    }
    if left > 0, !isWholeSegment {
      noteCut()
    } else {
      let isWrong = try left > 0 ? true : !endFits(0)
      if isWrong { wrongLengths += 1 }
    }
    return .tooLarge(record)
  }

  private func nextRecord(within end: Int, _ limit: Int) throws(ShardError) -> Int? {
    var from = 0
    while let hit = format.candidate(input.bytes, from: from), hit < end {
      if try begins(at: hit, limit, isBehindEnd(hit)) { return hit }
      from = hit
    }
    return nil
  }

  /// Whether a record ends before a place.
  private func isBehindEnd(_ place: Int) -> Bool {
    format.recordEnd(input.bytes, at: withoutLineEnds(place)) == place
  }

  /// Whether a record begins at a place and ends where it states. An uncompressed archive may be truncated within its
  /// last record. For a large record, the preceding bytes decide; in ARC they do not help.
  private func begins(at place: Int, _ limit: Int, _ isBehindEnd: Bool) throws(ShardError) -> Bool {
    guard case .whole(_, let length, let start) = try head(at: place) else { return false }
    guard length <= limit else { return isBehindEnd && format == .warc }
    return try input.need(start + length) ? endFits(start + length) : !isWholeSegment
  }

  /// Whether a record's content is itself an archive, whose records all have valid ends.
  private func holdsArchive() throws(ShardError) -> Bool {
    _ = try input.need(1 << 16)
    let start = Array(input.bytes.prefix(1 << 16))
    let response = start.starts(with: "HTTP/".utf8) ? HTTPResponse.Head.parse(start) : nil
    for place in [0, response?.body ?? 0] {
      if format.mayBegin(input.bytes, at: place), case .whole = try head(at: place) { return true }
    }
    return false
  }
}

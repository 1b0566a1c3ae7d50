import ShardKit

/// Records whose stated length is above the limit.
extension WARCReader {
  /// A record that is too large; with its block where it is not, since another one begins, or its segment ends, nearer.
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

  /// Up to its stated end, or to a record that begins before.
  private func passOver(
    _ record: WARCRecord, _ length: Int, _ limit: Int, looks: Bool
  ) throws(ShardError) -> Item {
    var left = length
    while left > 0 {
      let hasMore = try input.need(ArchiveFormat.signatureBytes + 1)
      let count = min(left, hasMore ? input.bytes.count - ArchiveFormat.signatureBytes : input.bytes.count)
      if count == 0 { break }
      let hit = looks ? format.candidate(input.bytes, from: 0) : nil
      // What is passed over first needs no room while the end of what begins here is looked for.
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

  /// Whether the end of a record stands before a place.
  private func isBehindEnd(_ place: Int) -> Bool {
    format.recordEnd(input.bytes, at: withoutLineEnds(place)) == place
  }

  /// Whether a record begins at a place, and ends where it says; a plain archive may be cut within its last one. Of a
  /// large one what stands before it tells, which in ARC says nothing.
  private func begins(at place: Int, _ limit: Int, _ isBehindEnd: Bool) throws(ShardError) -> Bool {
    guard case .whole(_, let length, let start) = try head(at: place) else { return false }
    guard length <= limit else { return isBehindEnd && format == .warc }
    return try input.need(start + length) ? endFits(start + length) : !isWholeSegment
  }

  /// Whether a record's content is an archive itself, whose records all have ends.
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

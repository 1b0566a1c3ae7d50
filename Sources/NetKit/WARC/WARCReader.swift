public import ShardKit

/// Reads records one after another, from archives of any writer.
///
/// The input is not trusted: heads and blocks are limited, and a stated length is only accepted if a record's end
/// follows it. Otherwise the record extends to the next head, or to the end of its segment (see `ArchiveInput`). A
/// length above the caller's limit is accepted unless a record with a valid end begins within it.
public final class WARCReader {
  public enum Item: Equatable, Sendable {
    case record(WARCRecord)
    /// Without its block.
    case tooLarge(WARCRecord)
    /// The archive ends within it; with the available part of its block.
    case cut(WARCRecord)
    /// The compressed stream is damaged; without its block.
    case damaged(WARCRecord, String)
    /// A range where no record could be read.
    case malformed(String)
  }

  /// The number of records with a wrong stated length.
  public internal(set) var wrongLengths = 0
  /// The first errors of the stream, and their number.
  public private(set) var damage: [ShardError] = []
  public private(set) var damageCount = 0

  let input: ArchiveInput
  let format: ArchiveFormat
  /// Whether the damage at the segment's end was reported with its record.
  private var isDamageTold = false
  /// Whether no head was found since the last damage.
  private var isInDamage = false
  private var hasRecord = false
  /// Bytes of invalid heads that lengths pointed at: many lengths may point at the same one.
  private var wasted = 0

  private static let maximumErrors = 16

  init(_ source: any ByteSource, _ format: ArchiveFormat = .warc) {
    input = ArchiveInput(source, format)
    self.format = format
  }

  public convenience init(_ source: any ByteSource) { self.init(source, .warc) }

  /// The next record, or range without one; nil at the end.
  /// - Parameter limit: larger blocks are not kept.
  /// - Throws: `ShardError` if the archive cannot be read; damage of the archive is no error.
  public func next(limit: Int = 64 << 20) throws(ShardError) -> Item? {
    while true {
      if let item = try nextInSegment(limit) { return item }
      let item = endOfSegment()
      guard input.nextSegment() || item != nil else { return nil }
      if let item { return item }
    }
  }

  var name: String { input.source.name }

  // MARK: Segments

  private func note(_ error: ShardError) {
    damageCount += 1
    if damage.count < Self.maximumErrors { damage.append(error) }
  }

  /// The range that damage made unreadable, unless it was reported with a record.
  private func endOfSegment() -> Item? {
    defer { (isDamageTold, hasRecord) = (false, false) }
    guard case .broken(let error) = input.end else { return nil }
    note(error)
    let isTold = isDamageTold || isInDamage || error.code == .truncated && hasRecord
    isInDamage = true
    return isTold ? nil : .malformed("its compressed stream is broken")
  }

  /// Notes a truncated record. An uncompressed archive does not mark its end.
  func noteCut() {
    isDamageTold = true
    guard input.end == .file else { return }
    note(
      ShardError(
        .truncated, input.source.name, "the archive ends within a record",
        hint: "Download the file again. The preceding records were read."))
  }

  /// Whether the segment is known to be complete.
  var isWholeSegment: Bool { input.end == .member || input.end == .file && input.hasParts }

  // MARK: Records

  /// nil if the segment contains no more.
  private func nextInSegment(_ limit: Int) throws(ShardError) -> Item? {
    while try skipLineEnds() {
      _ = try input.need(ArchiveFormat.signatureBytes)
      guard format.mayBegin(input.bytes, at: 0) || isCutSignature else {
        if let item = try passOver("no record begins here") { return item }
        continue
      }
      switch try head(at: 0) {
      case .whole(let record, let length, let start):
        (isInDamage, hasRecord) = (false, true)
        input.skip(start)
        return try length > limit ? large(record, length, limit) : block(of: record, length, limit)
      case .malformed(let why): if let item = try passOver(why) { return item }
      case .incomplete:
        noteCut()
        input.skip(input.bytes.count)
        if !isInDamage { return .malformed("it ends within the head of a record") }
      }
    }
    return nil
  }

  /// Whether the segment ends within a record's signature.
  private var isCutSignature: Bool { format == .warc && "WARC/".utf8.starts(with: input.bytes) }

  /// False at the end of the segment.
  private func skipLineEnds() throws(ShardError) -> Bool {
    while true {
      input.skip(input.bytes.prefix { $0 == 13 || $0 == 10 }.count)
      if !input.bytes.isEmpty { return true }
      guard try input.fill() else { return false }
    }
  }

  /// The head at a place; `incomplete` only if the segment ends within it.
  func head(at place: Int) throws(ShardError) -> ArchiveFormat.Head { try reachedHead(at: place).head }

  private func reachedHead(at place: Int) throws(ShardError) -> (head: ArchiveFormat.Head, reach: Int) {
    while true {
      let found = format.head(input.bytes, at: place)
      guard case .incomplete = found.head else { return found }
      // Doubles each time, so that a long head is not parsed again for each piece; limited to the maximum head size.
      let count = input.bytes.count
      _ = try input.need(min(place + 2 * (count - place), place + ArchiveFormat.maximumHeadBytes + 1))
      if input.bytes.count == count { return found }
    }
  }

  /// Skips to the next line that may begin a record; returns one item for everything before it.
  private func passOver(_ why: String) throws(ShardError) -> Item? {
    var isThere = true
    while isThere {
      if let next = format.candidate(input.bytes, from: 0) {
        input.skip(next)
        return isInDamage ? nil : .malformed(why)
      }
      // Keeps bytes that may be the beginning of a line.
      input.skip(max(0, input.bytes.count - ArchiveFormat.signatureBytes - 1))
      isThere = try input.fill()
    }
    input.skip(input.bytes.count)
    return isInDamage ? nil : .malformed(why)
  }

  /// A record's block, which begins at the input's current position.
  private func block(of record: WARCRecord, _ length: Int, _ limit: Int) throws(ShardError) -> Item {
    if try input.need(length), try endFits(length) { return finish(record, length, next: length, limit) }
    if let next = try findHead(limit) {
      wrongLengths += 1
      return finish(record, withoutLineEnds(next), next: next, limit)
    }
    let count = input.bytes.count
    let end = withoutLineEnds(count)
    switch input.end {
    case .broken:
      noteCut()
      return finish(record, count, next: count, limit, isCut: true)
    // An uncompressed archive without a record's end is truncated.
    case .file where !isWholeSegment && length > count && end == count:
      noteCut()
      return finish(record, count, next: count, limit, isCut: true)
    case .file, .member, .open:
      wrongLengths += 1
      return finish(record, end, next: count, limit)
    }
  }

  /// Whether a record's end or the next record is at a place.
  func endFits(_ place: Int) throws(ShardError) -> Bool {
    _ = try input.need(place + 16 + ArchiveFormat.signatureBytes)
    let bytes = input.bytes
    if place == bytes.count || !isWholeSegment && format.isCutEnd(bytes, at: place) { return true }
    if let end = format.recordEnd(bytes, at: place) {
      guard format == .arc else { return true }
      // ARC has one or two line ends: the first record's length excludes one of them.
      let next = end + bytes[end...].prefix(2).prefix { $0 == 13 || $0 == 10 }.count
      return try next == bytes.count ? true : isHead(at: next)
    }
    // Some writers omit the line ends.
    return try isHead(at: place)
  }

  private func isHead(at place: Int) throws(ShardError) -> Bool {
    // Beyond this bound, lengths are no longer verified by a following head; such heads are found anyway.
    let bound = 4 * (input.passed + input.bytes.count) + 4 * ArchiveFormat.maximumHeadBytes
    guard format.mayBegin(input.bytes, at: place), wasted <= bound else { return false }
    guard case (.malformed, let reach) = try reachedHead(at: place) else { return true }
    wasted += reach - place
    return false
  }

  /// The position of the next head within the limit and this segment.
  private func findHead(_ limit: Int) throws(ShardError) -> Int? {
    var from = 0
    while true {
      while let hit = format.candidate(input.bytes, from: from) {
        if case .whole = try head(at: hit) { return hit }
        from = hit
      }
      from = max(from, input.bytes.count - ArchiveFormat.signatureBytes - 1)
      guard input.bytes.count <= limit, try input.fill() else { return nil }
    }
  }

  /// A block's end without the line ends that separate records.
  func withoutLineEnds(_ end: Int) -> Int {
    let bytes = input.bytes
    var at = end
    for _ in 0..<format.lineFeeds where at > 0 && bytes[at - 1] == 10 {
      at -= 1
      while at > 0, bytes[at - 1] == 13 { at -= 1 }
    }
    return at
  }

  func finish(
    _ record: WARCRecord, _ count: Int, next: Int, _ limit: Int, isCut: Bool = false
  ) -> Item {
    let rest = input.bytes[next...]
    defer { input.skip(next) }
    if case .broken(let error) = input.end, error.code == .malformed, rest.allSatisfy({ $0 == 13 || $0 == 10 }) {
      isDamageTold = true
      return .damaged(record, "its compressed stream is broken")
    }
    if count > limit { return .tooLarge(record) }
    let record = format.finished(record, Array(input.bytes[..<count]))
    return isCut ? .cut(record) : .record(record)
  }
}

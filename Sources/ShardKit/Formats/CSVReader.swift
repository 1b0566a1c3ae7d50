import Glibc

/// Records of comma-separated values (RFC 4180), read in place, with no allocation per record or field.
///
/// Fields may be quoted, and quoted fields may contain separators, line ends and doubled quotes. Lines end with LF or
/// CRLF; a byte order mark before the first record and empty lines are skipped. A quote inside an unquoted field is
/// literal. Linear in the input; memory is one record and at least 1 MiB.
public final class CSVReader {
  /// The fields of one record. Slices are valid until the next call of `next`.
  public struct Record {
    fileprivate let base: UnsafeMutableRawPointer
    fileprivate let spans: UnsafeMutablePointer<Span>
    public let count: Int

    public subscript(index: Int) -> UnsafeRawBufferPointer {
      precondition(index < count, "a CSV record has \(count) fields")
      return UnsafeRawBufferPointer(start: base + spans[index].start, count: spans[index].count)
    }

    /// Every field as a string: for headers and small files.
    public var strings: [String] { (0..<count).map { String(decoding: self[$0], as: UTF8.self) } }
  }

  fileprivate struct Span {
    var start = 0
    var count = 0
    /// Doubled quotes inside are not yet reduced.
    var isEscaped = false
  }

  public let source: any ByteSource
  /// The number of the last returned record, from 1; the header counts as a record.
  public private(set) var number = 0
  private let separator: UInt8
  private let maximumRecordBytes: Int
  private let maximumFields: Int
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var ended = false
  private var spans: UnsafeMutablePointer<Span>
  private var spanCapacity = 64
  private var count = 0

  public init(
    _ source: any ByteSource, separator: UInt8 = UInt8(ascii: ","), maximumRecordBytes: Int = 16 << 20,
    maximumFields: Int = 4096
  ) {
    self.source = source
    self.separator = separator
    self.maximumRecordBytes = maximumRecordBytes
    self.maximumFields = maximumFields
    buffer = .allocate(byteCount: 1 << 20, alignment: 64)
    spans = .allocate(capacity: spanCapacity)
  }

  deinit {
    buffer.deallocate()
    spans.deallocate()
  }

  /// The next record; nil at the end.
  /// - Throws: `ShardError` for a bad record (`.malformed`, `.truncated`, `.tooLarge`); what the source throws.
  public func next() throws(ShardError) -> Record? {
    while true {
      if number == 0 && start == 0 { try skipByteOrderMark() }
      switch try scan() {
      case .record(let stop):
        start = stop
        if count == 1 && spans[0].count == 0 && !spans[0].isEscaped && isEmptyLine { continue }
        number += 1
        unescape()
        return Record(base: buffer.baseAddress!, spans: spans, count: count)
      case .more:
        guard try fill() else { continue }
      case .end: return nil
      }
    }
  }

  // MARK: Scanning

  private enum Outcome { case record(stop: Int), more, end }

  private var isEmptyLine = false

  /// Marks the fields of the record at `start`. `more` means that the buffer ends inside it.
  private func scan() throws(ShardError) -> Outcome {
    guard start < end else { return ended ? .end : .more }
    let bytes = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
    var at = start
    count = 0
    isEmptyLine = bytes[at] == 10 || bytes[at] == 13
    while true {
      if count == spanCapacity { try growSpans() }
      let stop: Int?
      if at < end && bytes[at] == 0x22 {
        stop = try quoted(bytes, at)
      } else {
        stop = plain(bytes, at)
      }
      guard let stop else { return .more }
      count += 1
      guard stop < end, bytes[stop] == separator else { return .record(stop: min(end, stop + lineEnd(bytes, stop))) }
      at = stop + 1
    }
  }

  private func lineEnd(_ bytes: UnsafePointer<UInt8>, _ at: Int) -> Int { at < end && bytes[at] == 13 ? 2 : 1 }

  /// The end of an unquoted field: a separator, a line end or the end of the input; nil if it has not been read yet.
  @inline(__always)
  private func plain(_ bytes: UnsafePointer<UInt8>, _ first: Int) -> Int? {
    let (end, separator) = (self.end, self.separator)
    var at = first
    while at < end {
      let byte = bytes[at]
      if byte == separator || byte == 10 { break }
      if byte == 13 {
        if at + 1 == end && !ended { return nil }
        if at + 1 == end || bytes[at + 1] == 10 { break }
      }
      at += 1
    }
    guard at < end || ended else { return nil }
    spans[count] = Span(start: first, count: at - first)
    return at
  }

  private func quoted(_ bytes: UnsafePointer<UInt8>, _ first: Int) throws(ShardError) -> Int? {
    var at = first + 1
    var isEscaped = false
    while true {
      guard let hit = memchr(bytes + at, 0x22, end - at) else {
        guard ended else { return nil }
        throw malformed(.truncated, "the quote that opens field \(count + 1) is never closed")
      }
      at = UnsafeRawPointer(hit) - UnsafeRawPointer(bytes) + 1
      guard at < end else { break }
      guard bytes[at] == 0x22 else { break }
      isEscaped = true
      at += 1
    }
    guard at < end || ended else { return nil }
    spans[count] = Span(start: first + 1, count: at - first - 2, isEscaped: isEscaped)
    if at == end || bytes[at] == separator || bytes[at] == 10 { return at }
    if bytes[at] == 13 {
      if at + 1 == end { return ended ? at : nil }
      if bytes[at + 1] == 10 { return at }
    }
    throw malformed(.malformed, "field \(count + 1) continues after its closing quote")
  }

  /// Reduces doubled quotes in place, once the record is complete.
  private func unescape() {
    let bytes = buffer.baseAddress!.assumingMemoryBound(to: UInt8.self)
    for i in 0..<count where spans[i].isEscaped {
      var read = spans[i].start
      let stop = read + spans[i].count
      var write = read
      while read < stop {
        bytes[write] = bytes[read]
        read += bytes[read] == 0x22 ? 2 : 1
        write += 1
      }
      spans[i].count = write - spans[i].start
    }
  }

  // MARK: Buffer

  /// Reads more input; false at the end.
  private func fill() throws(ShardError) -> Bool {
    if start > 0 {
      memmove(buffer.baseAddress!, buffer.baseAddress! + start, end - start)
      end -= start
      start = 0
    }
    if end == buffer.count {
      guard end < maximumRecordBytes else {
        throw malformed(.tooLarge, "the record is longer than \(maximumRecordBytes) bytes")
      }
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: buffer.count * 2, alignment: 64)
      memcpy(larger.baseAddress!, buffer.baseAddress!, end)
      buffer.deallocate()
      buffer = larger
    }
    let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
    end += read
    ended = read == 0
    return !ended
  }

  private func skipByteOrderMark() throws(ShardError) {
    while end < 3 && !ended { _ = try fill() }
    if end >= 3, buffer[0] == 0xEF, buffer[1] == 0xBB, buffer[2] == 0xBF { start = 3 }
  }

  private func growSpans() throws(ShardError) {
    guard count < maximumFields else {
      throw malformed(.tooLarge, "the record has more than \(maximumFields) fields")
    }
    let larger = UnsafeMutablePointer<Span>.allocate(capacity: spanCapacity * 2)
    larger.update(from: spans, count: count)
    spans.deallocate()
    spans = larger
    spanCapacity *= 2
  }

  private func malformed(_ code: ShardErrorCode, _ message: String) -> ShardError {
    ShardError(
      code, source.name, "record \(number + 1): \(message)",
      hint: "Check that the file is CSV as in RFC 4180, in UTF-8.")
  }
}

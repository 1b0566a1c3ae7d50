import Glibc
import ShardKit

/// The record heads of an archive: WARC, or its predecessor ARC (1996), whose records are converted to WARC's.
enum ArchiveFormat {
  case warc, arc

  enum Head {
    /// A record without its block, with the stated length and the start of the block.
    case whole(WARCRecord, length: Int, start: Int)
    case incomplete
    case malformed(String)
  }

  static let maximumHeadBytes = 1 << 20
  /// The number of bytes that show whether a record may begin.
  static let signatureBytes = 9

  /// The number of line ends after a record.
  var lineFeeds: Int { self == .warc ? 2 : 1 }

  /// The position after a record's trailing line ends: all CR LF, LF or CR CR LF. nil if there are none.
  func recordEnd(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Int? {
    var at = place
    var carriages: Int?
    for _ in 0..<lineFeeds {
      let start = at
      while at < bytes.count, at - start < 4, bytes[at] == 13 { at += 1 }
      guard at < bytes.count, bytes[at] == 10, carriages == nil || carriages == at - start else { return nil }
      carriages = at - start
      at += 1
    }
    return at
  }

  /// Whether the bytes end within the trailing line ends.
  func isCutEnd(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Bool {
    let rest = Array(bytes[place...].prefix(8))
    return rest.count < 8 && ["\r\n\r\n", "\n\n", "\r\r\n\r\r\n"].contains { $0.utf8.starts(with: rest) }
  }

  /// The record with its block.
  func finished(_ record: WARCRecord, _ block: [UInt8]) -> WARCRecord {
    var record = record
    record.block = block
    if self == .arc, record.kind == .response, !block.starts(with: "HTTP/".utf8) {
      record.headers["WARC-Type"] = "resource"
      record.headers["Content-Type"] = record.headers["WARC-Identified-Payload-Type"]
    }
    return record
  }

  /// Detects the format by the first bytes after white space; nil if it is neither.
  static func detect(_ bytes: [UInt8]) -> ArchiveFormat? {
    let head = bytes.drop { $0 <= 32 }
    if head.starts(with: "WARC/".utf8) { return .warc }
    return head.starts(with: "filedesc:".utf8) ? .arc : nil
  }

  /// Whether a record may begin at this place, which is the start of a line.
  func mayBegin(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Bool {
    func has(_ text: StaticString) -> Bool {
      bytes.count - place >= text.utf8CodeUnitCount
        && memcmp(bytes.baseAddress! + place, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
    switch self {
    case .warc: return has("WARC/")
    case .arc: return has("http://") || has("https://") || has("dns:") || has("ftp://") || has("filedesc:")
    }
  }

  /// The next start of a line after `place` at which a record may begin.
  func candidate(_ bytes: UnsafeRawBufferPointer, from place: Int) -> Int? {
    var at = place
    while at < bytes.count, let hit = memchr(bytes.baseAddress! + at, 10, bytes.count - at) {
      at = UnsafeRawPointer(hit) - bytes.baseAddress! + 1
      if mayBegin(bytes, at: at) { return at }
    }
    return nil
  }

  /// The head that begins at this place, and the position where the search for its end stopped.
  func head(_ bytes: UnsafeRawBufferPointer, at place: Int) -> (head: Head, reach: Int) {
    // Bytes beyond the longest possible head are not searched.
    let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<min(bytes.count, place + Self.maximumHeadBytes + 1)])
    var at = place
    let head = self == .warc ? Self.warcHead(bytes, place, &at) : Self.arcHead(bytes, place, &at)
    return (head, at)
  }

  // MARK: WARC

  /// Lines of fields up to an empty line. Any number of CRs and blanks may precede a line end.
  private static func warcHead(_ bytes: UnsafeRawBufferPointer, _ place: Int, _ at: inout Int) -> Head {
    var headers = HTTPHeaders()
    var field: (name: String, value: String)?
    while let line = line(bytes, at) {
      let isFirst = at == place
      at = line.next
      if isFirst { continue }
      if line.range.isEmpty {
        if let field { headers.add(field.name, field.value) }
        return finished(headers, at)
      }
      // A record cannot begin within the head of another.
      if ArchiveFormat.warc.mayBegin(bytes, at: line.range.lowerBound) { return .malformed("its head has no end") }
      if at - place > maximumHeadBytes { return .malformed("its head is longer than \(maximumHeadBytes) bytes") }
      let text = UnsafeRawBufferPointer(rebasing: bytes[line.range])
      if text[0] == 32 || text[0] == 9 {
        let more = string(text[...].drop { $0 == 32 || $0 == 9 })
        // In place: a copy per line would take quadratic time.
        if field?.value.isEmpty == false { field?.value += " " }
        field?.value += more
      } else if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
        if let field { headers.add(field.name, field.value) }
        let name = text[..<colon].prefix { $0 != 32 && $0 != 9 }
        field = (string(name), string(text[(colon + 1)...].drop { $0 == 32 || $0 == 9 }))
      }
    }
    at = bytes.count
    return bytes.count - place > maximumHeadBytes
      ? .malformed("its head is longer than \(maximumHeadBytes) bytes") : .incomplete
  }

  private static func finished(_ headers: HTTPHeaders, _ start: Int) -> Head {
    guard let stated = headers["Content-Length"] else { return .malformed("its head states no Content-Length") }
    guard let length = Int(stated), length >= 0 else {
      return .malformed(
        "its Content-Length '\(String(String.UnicodeScalarView(stated.unicodeScalars.prefix(40))))' is not a number of bytes"
      )
    }
    var headers = headers
    headers["Content-Length"] = nil
    return .whole(WARCRecord(headers: headers, block: []), length: length, start: start)
  }

  /// A line without trailing CRs and blanks, and the start of the next line; nil if it has no end.
  private static func line(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> (range: Range<Int>, next: Int)? {
    guard at < bytes.count, let hit = memchr(bytes.baseAddress! + at, 10, bytes.count - at) else { return nil }
    let newline = UnsafeRawPointer(hit) - bytes.baseAddress!
    var end = newline
    while end > at, bytes[end - 1] == 13 || bytes[end - 1] == 32 || bytes[end - 1] == 9 { end -= 1 }
    return (at..<end, newline + 1)
  }

  private static func string(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
    String(decoding: bytes, as: UTF8.self)
  }

  // MARK: ARC

  private static let maximumLineBytes = 1 << 16

  /// `URL IP-address date content-type length`, with more fields between the last two in version 2.
  private static func arcHead(_ bytes: UnsafeRawBufferPointer, _ place: Int, _ at: inout Int) -> Head {
    at = bytes.count
    guard let line = line(bytes, place) else {
      return bytes.count - place > maximumLineBytes ? .malformed("its first line has no end") : .incomplete
    }
    at = line.next
    let fields = bytes[line.range].split(separator: 32)
    // URLs and types may contain blanks; a date consists of digits only.
    let isDate = { (field: Slice<UnsafeRawBufferPointer>) in
      (8...14).contains(field.count) && field.allSatisfy { $0 &- 0x30 < 10 }
    }
    guard fields.count >= 5, let length = Int(string(fields.last!)), length >= 0,
      let date = fields[2..<(fields.count - 1)].firstIndex(where: isDate)
    else { return .malformed("its first line is not a valid ARC record line") }
    let url = string(bytes[fields[0].startIndex..<fields[date - 2].endIndex])
    var record = WARCRecord(headers: HTTPHeaders(), block: [])
    record.headers.add(
      "WARC-Type", url.hasPrefix("filedesc:") ? "warcinfo" : url.hasPrefix("http") ? "response" : "resource")
    record.headers.add("WARC-Target-URI", url)
    if let time = self.date(fields[date]) { record.headers.add("WARC-Date", time) }
    record.headers.add("WARC-IP-Address", string(fields[date - 1]))
    if date + 1 < fields.count - 1 {
      record.headers.add("WARC-Identified-Payload-Type", string(fields[date + 1]))
    }
    return .whole(record, length: length, start: line.next)
  }

  /// Converts `20080430204825` to `2008-04-30T20:48:25Z`.
  private static func date(_ digits: Slice<UnsafeRawBufferPointer>) -> String? {
    guard digits.count == 14 else { return nil }
    let text = string(digits)
    func part(_ start: Int, _ count: Int) -> Substring { text.dropFirst(start).prefix(count) }
    return "\(part(0, 4))-\(part(4, 2))-\(part(6, 2))T\(part(8, 2)):\(part(10, 2)):\(part(12, 2))Z"
  }
}

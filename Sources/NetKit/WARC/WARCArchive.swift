import ShardKit

/// Goes through an archive of any make: a gzip member a record (as Common Crawl's), compressed as a whole, or plain.
///
/// With a member a record, its end is the record's end whatever length the record states, and damage costs the one
/// record that it stands in. Else records are found by their lengths (see `WARCReader`), and damage ends the archive.
public final class WARCArchive {
  public enum Item: Equatable, Sendable {
    case record(WARCRecord)
    /// Without its block.
    case tooLarge(WARCRecord)
    /// A place where no record could be read.
    case malformed(String)
  }

  /// Records whose stated length is not the one they have.
  public private(set) var wrongLengths = 0
  /// Where the compressed stream is broken.
  public private(set) var damage: [ShardError] = []

  private let members: GzipMembers?
  private let reader: WARCReader?
  /// Records of the member that was read last, those to come last first.
  private var pending: [Item] = []

  public init(path: String) throws(ShardError) {
    let members = try Compression.detect(path) == .gzip ? Self.members(path) : nil
    self.members = members
    reader = members == nil ? try WARCReader(path: path) : nil
  }

  /// nil where the first member holds several records, or more than is reasonable for one.
  private static func members(_ path: String) throws(ShardError) -> GzipMembers? {
    let members = try GzipMembers(path: path)
    switch members.next(limit: 8 << 20) {
    case .whole:
      var rest = members.content[...]
      guard case (.record, let length)? = WARCRecord.parse(UnsafeRawBufferPointer(rebasing: rest)) else { break }
      rest = rest.dropFirst(length)
      if WARCRecord.begins(rest) { return nil }
    case .tooLarge: return nil
    case .damaged, nil: break
    }
    members.rewind()
    return members
  }

  /// The next record, or place without one; nil at the end.
  /// - Parameter limit: blocks with more bytes are not kept.
  public func next(limit: Int) -> Item? {
    if members != nil {
      while pending.isEmpty, readMember(limit) {}
    } else if pending.isEmpty {
      readNext(limit)
    }
    return pending.popLast()
  }

  // MARK: A member a record

  private static let maximumHeadBytes = 1 << 20

  /// False at the end of the file.
  private func readMember(_ limit: Int) -> Bool {
    guard let members, let member = members.next(limit: limit + Self.maximumHeadBytes) else { return false }
    switch member {
    case .damaged(let error):
      damage.append(error)
      pending = [.malformed("its gzip member is broken")]
    case .tooLarge:
      if case (.record(var record), _)? = WARCRecord.parse(members.content) {
        record.block = []
        pending = [.tooLarge(record)]
      } else {
        pending = [.malformed("a gzip member is too large and begins with no record")]
      }
    case .whole: pending = records(members.content, limit).reversed()
    }
    return true
  }

  private func records(_ content: UnsafeRawBufferPointer, _ limit: Int) -> [Item] {
    var items: [Item] = []
    var rest = content[...]
    while !rest.allSatisfy({ $0 == 13 || $0 == 10 }) {
      guard let (item, length) = WARCRecord.parse(UnsafeRawBufferPointer(rebasing: rest)) else { break }
      let next = rest.dropFirst(length)
      if WARCRecord.begins(next) || next.elementsEqual([13, 10, 13, 10]) {
        items.append(bounded(item, limit))
        rest = next
      } else {
        // What it holds up to the end of the member is its own, whatever length it states.
        wrongLengths += 1
        items.append(bounded(WARCRecord.parse(UnsafeRawBufferPointer(rebasing: rest), isLast: true)!.item, limit))
        return items
      }
    }
    return items.isEmpty ? [.malformed("a gzip member holds no record")] : items
  }

  private func bounded(_ item: Item, _ limit: Int) -> Item {
    guard case .record(var record) = item, record.block.count > limit else { return item }
    record.block = []
    return .tooLarge(record)
  }

  // MARK: Records one after another

  private func readNext(_ limit: Int) {
    guard let reader else { return }
    let (malformed, tooLarge) = (reader.malformed, reader.tooLarge)
    let record = reader.next(limit: limit)
    if let record { pending = [reader.tooLarge > tooLarge ? .tooLarge(record) : .record(record)] }
    pending += repeatElement(.malformed("no record could be read here"), count: reader.malformed - malformed)
    if let error = reader.damage, damage.isEmpty { damage = [error] }
  }
}

extension WARCRecord {
  /// Whether a record begins here, after any line ends.
  static func begins(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
    bytes.drop { $0 == 13 || $0 == 10 }.starts(with: "WARC/".utf8)
  }

  /// The record that bytes begin with, and where its block ends.
  /// - Parameter isLast: takes what lies before the last two line ends for its block.
  static func parse(
    _ bytes: UnsafeRawBufferPointer, isLast: Bool = false
  ) -> (item: WARCArchive.Item, length: Int)? {
    guard begins(bytes[...]), let (headers, start) = head(bytes) else { return nil }
    guard let length = headers["Content-Length"].flatMap({ Int($0) }), length >= 0 else { return nil }
    var fields = headers
    fields["Content-Length"] = nil
    var end = length > bytes.count - start ? bytes.count : start + length
    if isLast {
      end = bytes.count
      if bytes[start...].suffix(4).elementsEqual([13, 10, 13, 10]) { end -= 4 }
    }
    return (.record(WARCRecord(headers: fields, block: Array(bytes[start..<end]))), end)
  }

  private static func head(_ bytes: UnsafeRawBufferPointer) -> (HTTPHeaders, Int)? {
    var headers = HTTPHeaders()
    var at = bytes.firstIndex { $0 != 13 && $0 != 10 } ?? 0
    var isFirst = true
    while at < min(bytes.count, 1 << 20), let end = bytes[at...].firstIndex(of: 10) {
      let isCarriage = end > at && bytes[end - 1] == 13
      let line = bytes[at..<(isCarriage ? end - 1 : end)]
      at = end + 1
      if line.isEmpty { return (headers, at) }
      if isFirst {
        isFirst = false
      } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
        let value = line[(colon + 1)...].drop { $0 == 32 || $0 == 9 }
        headers.add(String(decoding: line[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self))
      }
    }
    return nil
  }
}

import Glibc

/// The central directory of a zip archive: its location and its entries.
///
/// The directory itself is authoritative, not the counts stored next to it: writers without zip64 count modulo 65,536.
/// Inconsistencies, including entries after the stated end and overlapping members, count as damage.
struct ZipDirectory {
  private static let maximumEntries = 1 << 20
  private static let maximumBytes = 256 << 20

  private let storage: ZipReader.Storage
  private let name: String

  init(_ storage: ZipReader.Storage, _ name: String) {
    self.storage = storage
    self.name = name
  }

  /// The contents of the end records.
  private struct End {
    var offset: Int
    var bytes: Int
    var count: Int
    /// Where these records start.
    var start: Int
    var isZip64 = false
  }

  func entries() throws(ShardError) -> [ZipReader.Entry] {
    let end = try self.end()
    guard end.offset >= 0, end.bytes >= 0, end.count >= 0 else { throw damaged("a number is negative") }
    guard end.bytes <= Self.maximumBytes else {
      throw ShardError(
        .tooLarge, name, "the zip archive has a directory of \(end.bytes) bytes; the limit is \(Self.maximumBytes)")
    }
    guard end.count <= Self.maximumEntries else {
      throw ShardError(.tooLarge, name, "the zip archive has \(end.count) members; the limit is \(Self.maximumEntries)")
    }
    let (directory, shift) = try read(end)
    var entries: [ZipReader.Entry] = []
    var at = 0
    while directory.begins(at, Self.entrySignature) {
      guard entries.count < Self.maximumEntries else {
        throw ShardError(.tooLarge, name, "the zip archive has more than \(Self.maximumEntries) members")
      }
      let (entry, next) = try self.entry(directory, at, shift)
      entries.append(entry)
      at = next
    }
    guard end.isZip64 ? entries.count == end.count : entries.count & 0xFFFF == end.count else {
      throw damaged("it states \(end.count) members but contains \(entries.count)")
    }
    try refuseOverlaps(entries, before: end.start)
    return entries
  }

  private static let entrySignature: [UInt8] = [0x50, 0x4B, 1, 2]

  private func entry(_ directory: [UInt8], _ at: Int, _ shift: Int) throws(ShardError) -> (ZipReader.Entry, Int) {
    guard at + 46 <= directory.count else { throw damaged("it ends inside an entry") }
    let (nameLength, extraLength) = (directory.number(at + 28, 2), directory.number(at + 30, 2))
    let end = at + 46 + nameLength + extraLength + directory.number(at + 32, 2)
    guard end <= directory.count else { throw damaged("it ends inside an entry") }
    var entry = ZipReader.Entry(
      name: Array(directory[(at + 46)..<(at + 46 + nameLength)]), compressedBytes: directory.number(at + 20, 4),
      bytes: directory.number(at + 24, 4), offset: directory.number(at + 42, 4), method: directory.number(at + 10, 2),
      isEncrypted: directory.number(at + 8, 2) & 1 != 0, checksum: UInt32(directory.number(at + 16, 4)))
    let extra = at + 46 + nameLength
    guard entry.takeZip64(directory[extra..<(extra + extraLength)]) else { throw damaged("an entry has no sizes") }
    let (offset, overflows) = entry.offset.addingReportingOverflow(shift)
    guard !overflows else { throw damaged("a member is after the end") }
    entry.offset = offset
    return (entry, end)
  }

  /// The directory's bytes up to the end records; the second number is the offset of all positions, which is nonzero in
  /// a self-extracting archive.
  private func read(_ end: End) throws(ShardError) -> ([UInt8], shift: Int) {
    let (stated, overflows) = end.offset.addingReportingOverflow(end.bytes)
    guard !overflows, stated <= end.start else {
      throw ShardError(
        .truncated, name, "the zip archive points past its end", hint: "Download or copy it again.")
    }
    let directory = try ZipReader.bytes(storage, name, end.offset, end.bytes)
    if stated == end.start || directory.begins(0, Self.entrySignature) {
      let behind = try ZipReader.bytes(storage, name, stated, min(4, end.start - stated))
      guard !behind.begins(0, Self.entrySignature) else { throw damaged("it is longer than it states") }
      return (directory, 0)
    }
    let moved = try ZipReader.bytes(storage, name, end.start - end.bytes, end.bytes)
    return (moved, end.start - stated)
  }

  private func refuseOverlaps(_ entries: [ZipReader.Entry], before end: Int) throws(ShardError) {
    var last = 0
    for entry in entries.sorted(by: { $0.offset < $1.offset }) {
      guard entry.offset >= last else {
        throw ShardError(
          .malformed, name,
          "members of the zip archive overlap, for example \(String(decoding: entry.name, as: UTF8.self))",
          hint: "The archive is malicious or corrupt; do not use it.")
      }
      let (stop, overflows) = entry.offset.addingReportingOverflow(entry.compressedBytes)
      guard !overflows, stop <= end else {
        throw ShardError(
          .truncated, name, "the zip archive points past its end", hint: "Download or copy it again.")
      }
      last = max(last, min(stop + 30, end))
    }
  }

  // MARK: The end records

  private func end() throws(ShardError) -> End {
    let total = storage.bytes
    let tailBytes = min(total, 22 + 65535)
    let tail = try ZipReader.bytes(storage, name, total - tailBytes, tailBytes)
    guard let at = Self.endRecord(tail) else {
      throw ShardError(
        .malformed, name, "this is not a complete zip archive: it has no end record", hint: "Download or copy it again."
      )
    }
    let end = End(
      offset: tail.number(at + 16, 4), bytes: tail.number(at + 12, 4), count: tail.number(at + 10, 2),
      start: total - tailBytes + at)
    guard end.count == 0xFFFF || end.bytes == 0xFFFF_FFFF || end.offset == 0xFFFF_FFFF, at >= 20,
      tail.begins(at - 20, [0x50, 0x4B, 6, 7])
    else { return end }
    let place = tail.number(at - 12, 8)
    let record = try ZipReader.bytes(storage, name, place, 56)
    guard record.begins(0, [0x50, 0x4B, 6, 6]) else { throw damaged("its zip64 end is missing") }
    return End(
      offset: record.number(48, 8), bytes: record.number(40, 8), count: record.number(32, 8), start: place,
      isZip64: true)
  }

  /// The last record whose comment reaches the end of the file, or else the last one: a comment may contain the
  /// signature.
  private static func endRecord(_ tail: [UInt8]) -> Int? {
    var last: Int?
    var at = tail.count - 22
    while at >= 0 {
      if tail.begins(at, [0x50, 0x4B, 5, 6]) {
        if at + 22 + tail.number(at + 20, 2) == tail.count { return at }
        if last == nil { last = at }
      }
      at -= 1
    }
    return last
  }

  private func damaged(_ why: String) -> ShardError {
    ShardError(
      .malformed, name, "the directory of the zip archive is damaged: \(why)", hint: "Download or copy it again.")
  }
}

extension ZipReader.Entry {
  /// Sizes and offsets that do not fit their fields are in extra field 1. False if it is too short.
  fileprivate mutating func takeZip64(_ extra: ArraySlice<UInt8>) -> Bool {
    guard bytes == 0xFFFF_FFFF || compressedBytes == 0xFFFF_FFFF || offset == 0xFFFF_FFFF else { return true }
    let extra = Array(extra)
    var at = 0
    while at + 4 <= extra.count {
      let end = at + 4 + extra.number(at + 2, 2)
      guard end <= extra.count else { return false }
      if extra.number(at, 2) == 1 {
        var field = at + 4
        func take(_ value: inout Int) -> Bool {
          guard value == 0xFFFF_FFFF else { return true }
          guard field + 8 <= end else { return false }
          value = extra.number(field, 8)
          field += 8
          return value >= 0
        }
        return take(&bytes) && take(&compressedBytes) && take(&offset)
      }
      at = end
    }
    return false
  }
}

extension [UInt8] {
  /// A little-endian number; eight bytes with the highest bit set give a negative number, which all callers reject.
  func number(_ offset: Int, _ count: Int) -> Int {
    var value: UInt64 = 0
    for i in 0..<count { value |= UInt64(self[offset + i]) << (8 * UInt64(i)) }
    return Int(bitPattern: UInt(value))
  }

  fileprivate func begins(_ at: Int, _ signature: [UInt8]) -> Bool {
    at + signature.count <= count && self[at...].starts(with: signature)
  }
}

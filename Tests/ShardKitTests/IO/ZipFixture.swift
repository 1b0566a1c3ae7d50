import CZlib

/// A zip archive with stored members, made byte by byte, so that every number in it can lie.
struct ZipFixture {
  struct Member {
    var name: String
    var bytes: [UInt8]
    /// Where the directory says that it lies; its own place unless set.
    var offset: Int?
  }

  var members: [Member]
  /// Numbers of the end record; what is so unless set.
  var count: Int?
  var directoryBytes: Int?
  var directoryOffset: Int?
  var prefix: [UInt8] = []
  var comment: [UInt8] = []
  /// Adds a zip64 end record with these numbers.
  var zip64: (count: Int, bytes: Int, offset: Int)?

  init(_ members: [(String, String)]) { self.members = members.map { Member(name: $0, bytes: Array($1.utf8)) } }

  static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  private func common(_ member: Member) -> [UInt8] {
    let little = Self.little
    let checksum = Int(crc32_z(0, member.bytes, member.bytes.count))
    return little(20, 2) + little(0x800, 2) + little(0, 2) + little(0, 4) + little(checksum, 4)
      + little(member.bytes.count, 4) + little(member.bytes.count, 4) + little(member.name.utf8.count, 2) + little(0, 2)
  }

  var bytes: [UInt8] {
    let little = Self.little
    var out: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
      let offset = member.offset ?? out.count
      if member.offset == nil {
        out += [0x50, 0x4B, 3, 4] + common(member) + Array(member.name.utf8) + member.bytes
      }
      directory +=
        [0x50, 0x4B, 1, 2] + little(20, 2) + common(member) + little(0, 2) + little(0, 2) + little(0, 2) + little(0, 4)
        + little(offset, 4) + Array(member.name.utf8)
    }
    let start = out.count
    out += directory
    if let zip64 {
      let place = out.count
      out += [0x50, 0x4B, 6, 6] + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4) + little(0, 4)
      out += little(zip64.count, 8) + little(zip64.count, 8) + little(zip64.bytes, 8) + little(zip64.offset, 8)
      out += [0x50, 0x4B, 6, 7] + little(0, 4) + little(place, 8) + little(1, 4)
    }
    let count = zip64 != nil ? 0xFFFF : self.count ?? members.count
    out += [0x50, 0x4B, 5, 6] + little(0, 4) + little(count, 2) + little(count, 2)
    out += little(directoryBytes ?? directory.count, 4) + little(directoryOffset ?? start, 4)
    out += little(comment.count, 2) + comment
    return prefix + out
  }
}

import Glibc

/// The members of a tar stream in order: ustar, GNU long names, pax headers, base-256 sizes.
///
/// Takes the decompressed stream (`openSource` decompresses by content). Memory is one block; a member is read in
/// pieces or skipped. Format: POSIX.1-2017, `pax`; GNU tar manual, "Basic Tar Format".
public final class TarReader {
  public struct Member: Equatable, Sendable {
    /// The name as stored, in an unknown encoding.
    public var nameBytes: [UInt8]
    public var bytes: Int
    public var isFile: Bool

    /// The name as UTF-8; invalid bytes are replaced.
    public var name: String { String(decoding: nameBytes, as: UTF8.self) }
  }

  public let source: any ByteSource
  /// Remaining bytes of the current member.
  public private(set) var remaining = 0
  private var padding = 0
  private var position: Int64 = 0
  private var header = [UInt8](repeating: 0, count: 512)
  private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)

  private static let maximumNameBytes = 1 << 20

  public init(_ source: any ByteSource) { self.source = source }

  deinit { scratch.deallocate() }

  /// Advances to the next member, skipping the remainder of this one; nil at the end of the archive.
  /// - Throws: `ShardError` (`.malformed`, `.truncated`, or `.tooLarge` for a name); what the source throws.
  public func next() throws(ShardError) -> Member? {
    var longName: [UInt8]?
    var longSize: Int?
    while true {
      try skip(remaining + padding)
      guard try readHeader() else { return nil }
      try begin(member: octal(124, 12))
      switch header[156] {
      case UInt8(ascii: "L"): longName = try nulTerminated(readExtension())
      case UInt8(ascii: "x"):
        let records = try paxRecords(readExtension())
        longName = records["path"] ?? longName
        if let size = records["size"] {
          guard let number = Int(String(decoding: size, as: UTF8.self)), number >= 0 else { throw badNumber }
          longSize = number
        }
      case UInt8(ascii: "K"), UInt8(ascii: "g"): continue
      case let type:
        if let longSize { try begin(member: longSize) }
        if Self.hasNoData(type) { (remaining, padding) = (0, 0) }
        let isFile = type == UInt8(ascii: "0") || type == 0 || type == UInt8(ascii: "7")
        return Member(nameBytes: longName ?? shortName, bytes: remaining, isFile: isFile)
      }
    }
  }

  /// No file is larger; sums with this limit cannot overflow.
  private static let maximumMemberBytes = 1 << 60

  private func begin(member size: Int) throws(ShardError) {
    guard size <= Self.maximumMemberBytes else {
      throw ShardError(
        .malformed, source.name, "the tar header before byte \(position) states a member of \(size) bytes",
        hint: "Check that the file is a complete tar archive.")
    }
    (remaining, padding) = (size, (512 - size % 512) % 512)
  }

  /// All bytes of the current member.
  /// - Throws: `ShardError`: it exceeds `limit` (`.tooLarge`) or is cut off (`.truncated`); what the source throws.
  public func readMember(limit: Int) throws(ShardError) -> [UInt8] {
    guard remaining <= limit else {
      throw ShardError(.tooLarge, source.name, "a member has \(remaining) bytes; the limit is \(limit)")
    }
    var out: [UInt8] = []
    // A stated size may be wrong: never reserve more than is likely to come.
    out.reserveCapacity(min(remaining, 1 << 20))
    while remaining > 0 {
      let piece = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(scratch.count, remaining)])
      let count = try fill(piece)
      remaining -= count
      out.append(contentsOf: piece[..<count])
    }
    return out
  }

  // MARK: Headers

  /// Links, devices and folders sometimes state a size, but have no data.
  private static func hasNoData(_ type: UInt8) -> Bool { UInt8(ascii: "1")...UInt8(ascii: "6") ~= type }

  /// False at the end: two blocks of zeros, or (with some writers) simply the end of the stream.
  private func readHeader() throws(ShardError) -> Bool {
    var filled = 0
    while filled < 512 {
      let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: scratch[filled..<512]))
      if count == 0 { break }
      filled += count
    }
    position += Int64(filled)
    if filled == 0 { return false }
    guard filled == 512 else { throw truncated("inside a header") }
    header.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: scratch[..<512])) }
    if header.allSatisfy({ $0 == 0 }) { return false }
    var sum = 0
    for (i, byte) in header.enumerated() { sum += 148..<156 ~= i ? 32 : Int(byte) }
    guard try octal(148, 8) == sum else {
      throw ShardError(
        .malformed, source.name, "there is no tar header at byte \(position - 512)",
        hint: "Check that the file is a complete tar archive.")
    }
    return true
  }

  private var shortName: [UInt8] {
    let name = field(0, 100)
    guard header[257..<262].elementsEqual("ustar".utf8), header[262] == 0, header[345] != 0 else { return name }
    return field(345, 155) + [0x2F] + name
  }

  private func field(_ offset: Int, _ length: Int) -> [UInt8] {
    nulTerminated(Array(header[offset..<(offset + length)]))
  }

  private func nulTerminated(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix { $0 != 0 }) }

  private func octal(_ offset: Int, _ length: Int) throws(ShardError) -> Int {
    let bytes = header[offset..<(offset + length)]
    var value = 0
    if bytes.first! & 0x80 != 0 {  // GNU: big-endian binary
      for byte in bytes.dropFirst(length - 8) { value = (value & (.max >> 8)) << 8 | Int(byte) }
      guard bytes.dropFirst().dropLast(8).allSatisfy({ $0 == 0 }), value >= 0 else { throw badNumber }
      return value
    }
    for byte in bytes {
      switch byte {
      case 0x30...0x37: value = value << 3 | Int(byte - 0x30)
      case 0x20, 0: if value > 0 { return value }
      default: throw badNumber
      }
    }
    return value
  }

  private var badNumber: ShardError {
    ShardError(
      .malformed, source.name, "the tar header at byte \(position - 512) has an invalid number",
      hint: "Check that the file is a complete tar archive.")
  }

  // MARK: Extensions

  private func readExtension() throws(ShardError) -> [UInt8] { try readMember(limit: Self.maximumNameBytes) }

  /// `LENGTH KEY=VALUE
  /// `, repeated.
  private func paxRecords(_ bytes: [UInt8]) throws(ShardError) -> [String: [UInt8]] {
    var records: [String: [UInt8]] = [:]
    var at = 0
    while at < bytes.count {
      guard let space = bytes[at...].firstIndex(of: 0x20),
        let length = Int(String(decoding: bytes[at..<space], as: UTF8.self)),
        length > space - at + 1, length <= bytes.count - at, bytes[at + length - 1] == 10,
        let equals = bytes[space..<(at + length - 1)].firstIndex(of: 0x3D)
      else { throw ShardError(.malformed, source.name, "a pax header before byte \(position) cannot be read") }
      let key = String(decoding: bytes[(space + 1)..<equals], as: UTF8.self)
      records[key] = Array(bytes[(equals + 1)..<(at + length - 1)])
      at += length
    }
    return records
  }

  // MARK: Bytes

  private func skip(_ count: Int) throws(ShardError) {
    var left = count
    while left > 0 {
      left -= try fill(UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(scratch.count, left)]))
    }
    (remaining, padding) = (0, 0)
  }

  private func fill(_ piece: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    let count = try source.read(into: piece)
    guard count > 0 else { throw truncated("inside a member") }
    position += Int64(count)
    return count
  }

  private func truncated(_ place: String) -> ShardError {
    ShardError(
      .truncated, source.name, "the tar archive ends \(place), at byte \(position)", hint: "Download or copy it again.")
  }
}

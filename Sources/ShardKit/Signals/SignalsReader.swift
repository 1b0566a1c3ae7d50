import CZstd

/// Reads single columns of a file of `SignalsWriter`, block by block.
///
/// Safe to use from several threads.
public final class SignalsReader: Sendable {
  private let file: MappedFile
  private let footer: SignalsFooter
  public let columns: [SignalColumn]
  /// Documents of each block.
  public let blocks: [Int]
  public let rows: Int

  /// Opens a file and reads its footer.
  /// - Throws: `ShardError`, as `MappedFile` does; `.malformed` if it is not a signals file.
  public init(_ path: String) throws(ShardError) {
    file = try MappedFile(path)
    let magic = SignalsFooter.magic
    let bytes = file.bytes
    let shortest = 2 * magic.count + 4
    guard bytes.count >= shortest, bytes.prefix(magic.count).elementsEqual(magic),
      bytes.suffix(magic.count).elementsEqual(magic)
    else { throw Self.malformed(path, "does not begin and end as a signals file does") }
    let end = bytes.count - magic.count - 4
    let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt32.self)))
    guard length <= end - magic.count else { throw Self.malformed(path, "its footer is longer than the file") }
    do { footer = try JSONValue.parse(Array(bytes[(end - length)..<end])).decode(SignalsFooter.self) } catch {
      throw Self.malformed(path, "its footer is not valid: \(error)")
    }
    columns = footer.columns
    blocks = footer.blocks.map(\.rows)
    for block in footer.blocks {
      let isSane =
        block.parts.count == footer.columns.count + 2 && (1...SignalsFooter.blockRows).contains(block.rows)
        && block.parts.allSatisfy {
          $0.at >= 0 && $0.bytes >= 0 && $0.at <= end && $0.bytes <= end - $0.at
            && (0...SignalsFooter.largestPart).contains($0.size)
        }
      guard isSane else { throw Self.malformed(path, "its footer names parts that it does not have") }
    }
    rows = blocks.reduce(0, +)
  }

  private static func malformed(_ path: String, _ message: String) -> ShardError {
    ShardError(.malformed, path, message, hint: "Run 'pipeline verify', which has the damaged task repeated.")
  }

  /// - Returns: the place of a column among `columns`; nil if there is none of this name.
  public func column(_ name: String) -> Int? { columns.firstIndex { $0.name == name } }

  /// The numbers of a column.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func numbers(_ column: Int, block: Int) throws(ShardError) -> [Double] {
    let bytes = try part(column + 2, block)
    let rows = blocks[block]
    guard columns[column].kind == .number, bytes.count == rows * 8 else { throw damaged(block) }
    return bytes.withUnsafeBufferPointer { bytes in
      (0..<rows).map { row in
        var bits: UInt64 = 0
        for plane in 0..<8 { bits |= UInt64(bytes[plane * rows + row]) << UInt64(8 * plane) }
        return Double(bitPattern: bits)
      }
    }
  }

  /// The texts of a column.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func texts(_ column: Int, block: Int) throws(ShardError) -> CodedTexts {
    guard columns[column].kind == .text else { throw damaged(block) }
    var rest = Cursor(try part(column + 2, block))
    guard let count = rest.numbers(1)?.first, let lengths = rest.numbers(Int(count)),
      let values = rest.texts(lengths), let codes = rest.numbers(blocks[block]), rest.isAtEnd,
      codes.allSatisfy({ $0 < count })
    else { throw damaged(block) }
    return CodedTexts(values: values.map { String(decoding: $0, as: UTF8.self) }, codes: codes)
  }

  /// The ids of a block's documents.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func ids(block: Int) throws(ShardError) -> [[UInt8]] {
    var rest = Cursor(try part(0, block))
    guard let lengths = rest.numbers(blocks[block]), let ids = rest.texts(lengths), rest.isAtEnd else {
      throw damaged(block)
    }
    return ids.map { Array($0) }
  }

  /// `recordHash` of the ids of a block's documents.
  /// - Throws: `ShardError` (`.malformed`) if the file is damaged.
  public func hashes(block: Int) throws(ShardError) -> [UInt64] {
    let bytes = try part(1, block)
    guard bytes.count == blocks[block] * 8 else { throw damaged(block) }
    return bytes.withUnsafeBytes { bytes in
      (0..<blocks[block]).map { UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)) }
    }
  }

  private func part(_ number: Int, _ block: Int) throws(ShardError) -> [UInt8] {
    let part = footer.blocks[block].parts[number]
    let packed = UnsafeRawBufferPointer(rebasing: file.bytes[part.at..<(part.at + part.bytes)])
    // A frame says how long its content is; a part that lies about it must not take memory.
    guard ZSTD_getFrameContentSize(packed.baseAddress, packed.count) == UInt64(part.size) else { throw damaged(block) }
    var count = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: part.size) { out, filled in
      count = ZSTD_decompress(out.baseAddress, part.size, packed.baseAddress, packed.count)
      filled = count == part.size ? count : 0
    }
    guard count == part.size else { throw damaged(block) }
    return bytes
  }

  private func damaged(_ block: Int) -> ShardError { Self.malformed(file.path, "its block \(block) is damaged") }

  /// Takes numbers and texts from the front of a part.
  private struct Cursor {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func numbers(_ count: Int) -> [UInt32]? {
      guard rest.count / 4 >= count else { return nil }
      let numbers = rest.withUnsafeBytes { bytes in
        (0..<count).map { UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)) }
      }
      rest = rest.dropFirst(count * 4)
      return numbers
    }

    mutating func texts(_ lengths: [UInt32]) -> [ArraySlice<UInt8>]? {
      var texts: [ArraySlice<UInt8>] = []
      texts.reserveCapacity(lengths.count)
      for length in lengths {
        guard rest.count >= Int(length) else { return nil }
        texts.append(rest.prefix(Int(length)))
        rest = rest.dropFirst(Int(length))
      }
      return texts
    }
  }
}

import CZstd

/// Writes measures of documents as columns, without their text; `SignalsFooter` describes the format.
///
///     let writer = SignalsWriter(file, columns: [SignalColumn("characters", .number)])
///     try writer.append(id: document.id, numbers: [Double(characters)], texts: [])
///     try writer.finish()
///
/// Uses about 8 bytes of memory per value of a block of 65,536 documents, besides their ids.
public final class SignalsWriter {
  private let sink: any ByteSink
  private let columns: [SignalColumn]
  private let context: OpaquePointer?
  private var position = 0
  private var blocks: [SignalsFooter.Block] = []
  private var idLengths: [UInt32] = []
  private var ids: [UInt8] = []
  /// `recordHash` of the ids of all documents so far.
  public private(set) var hashes: [UInt64] = []
  private var numbers: [[Double]]
  private var texts: [TextColumn]

  private struct TextColumn {
    var numbers: [ExactText: UInt32] = [:]
    var values: [ExactText] = []
    var codes: [UInt32] = []

    mutating func append(_ value: String) {
      let value = ExactText(value)
      if let known = numbers[value] { return codes.append(known) }
      numbers[value] = UInt32(values.count)
      codes.append(UInt32(values.count))
      values.append(value)
    }
  }

  /// - Parameter columns: those of numbers and of texts, in any order.
  public init(_ sink: any ByteSink, columns: [SignalColumn]) throws(ShardError) {
    self.sink = sink
    self.columns = columns
    context = ZSTD_createCCtx()
    numbers = Array(repeating: [], count: columns.count { $0.kind == .number })
    texts = Array(repeating: TextColumn(), count: columns.count { $0.kind == .text })
    try put(SignalsFooter.magic)
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Adds a document.
  /// - Parameters:
  ///   - numbers: one per column of numbers, in order; NaN for none.
  ///   - texts: one per column of texts, in order; empty for none.
  /// - Throws: what the sink throws.
  public func append(id: [UInt8], numbers row: [Double], texts words: [String] = []) throws(ShardError) {
    precondition(row.count == numbers.count && words.count == texts.count, "a value per column")
    idLengths.append(UInt32(id.count))
    ids.append(contentsOf: id)
    hashes.append(recordHash(id))
    for (column, value) in row.enumerated() { numbers[column].append(value) }
    for (column, value) in words.enumerated() { texts[column].append(value) }
    if idLengths.count == SignalsFooter.blockRows || ids.count >= SignalsFooter.largestPart / 4 { try flush() }
  }

  /// Writes what is left and the footer; the sink is not committed.
  /// - Throws: what the sink throws.
  public func finish() throws(ShardError) {
    try flush()
    let footer = Array(SignalsFooter(columns: columns, blocks: blocks).json.text().utf8)
    try put(footer)
    try put(Self.bytes(of: [UInt32(footer.count).littleEndian]))
    try put(SignalsFooter.magic)
  }

  private func flush() throws(ShardError) {
    let rows = idLengths.count
    guard rows > 0 else { return }
    var parts = [try part(Self.bytes(of: idLengths) + ids)]
    parts.append(try part(Self.bytes(of: Array(hashes.suffix(rows)))))
    var (number, text) = (0, 0)
    for column in columns {
      switch column.kind {
      case .number:
        parts.append(try part(Self.planes(of: numbers[number])))
        numbers[number].removeAll(keepingCapacity: true)
        number += 1
      case .text:
        parts.append(try part(Self.bytes(of: texts[text])))
        texts[text] = TextColumn()
        text += 1
      }
    }
    blocks.append(SignalsFooter.Block(rows: rows, parts: parts))
    idLengths.removeAll(keepingCapacity: true)
    ids.removeAll(keepingCapacity: true)
  }

  private func part(_ bytes: [UInt8]) throws(ShardError) -> SignalsFooter.Part {
    var out = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
    let count = out.withUnsafeMutableBytes { out in
      bytes.withUnsafeBytes { bytes in
        ZSTD_compressCCtx(context, out.baseAddress, out.count, bytes.baseAddress, bytes.count, 3)
      }
    }
    guard ZSTD_isError(count) == 0 else { throw ShardError(.io, "zstd", String(cString: ZSTD_getErrorName(count))) }
    let part = SignalsFooter.Part(at: position, bytes: count, size: bytes.count)
    out.removeLast(out.count - count)
    try put(out)
    return part
  }

  private func put(_ bytes: [UInt8]) throws(ShardError) {
    try sink.write(bytes)
    position += bytes.count
  }

  private static func bytes(of values: [some FixedWidthInteger & BitwiseCopyable]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
  }

  private static func bytes(of column: TextColumn) -> [UInt8] {
    let values = column.values.map { Array($0.text.utf8) }
    return bytes(of: [UInt32(values.count)]) + bytes(of: values.map { UInt32($0.count) }) + values.joined()
      + bytes(of: column.codes)
  }

  /// The first bytes of all numbers, then the second bytes, …: similar bytes stand together.
  private static func planes(of numbers: [Double]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: numbers.count * 8) { out, count in
      for (row, number) in numbers.enumerated() {
        var bits = number.isNaN ? Double.nan.bitPattern : number.bitPattern
        for plane in 0..<8 {
          out[plane * numbers.count + row] = UInt8(truncatingIfNeeded: bits)
          bits >>= 8
        }
      }
      count = numbers.count * 8
    }
  }
}

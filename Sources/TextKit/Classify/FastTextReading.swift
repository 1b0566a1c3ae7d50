import ShardKit

/// Reads the little-endian numbers of a fastText model one after another.
struct FastTextCursor {
  private let bytes: UnsafeRawBufferPointer
  private let path: String
  private(set) var at = 0

  init(_ bytes: UnsafeRawBufferPointer, path: String) {
    self.bytes = bytes
    self.path = path
  }

  func malformed(_ why: String) -> ShardError {
    ShardError(
      .malformed, path, "is not a fastText model that can be read: \(why)",
      hint: "Take a .bin or .ftz file of a supervised model (fastText 0.2 or newer).")
  }

  mutating func number<Number: BitwiseCopyable>(_: Number.Type = Number.self) throws(ShardError) -> Number {
    let start = try skip(MemoryLayout<Number>.size, count: 1)
    return bytes.loadUnaligned(fromByteOffset: start, as: Number.self)
  }

  mutating func flag() throws(ShardError) -> Bool { try number(UInt8.self) != 0 }

  /// A number of 4 or 8 bytes that counts something.
  mutating func count<Number: FixedWidthInteger & BitwiseCopyable>(
    _: Number.Type, _ what: String, in range: ClosedRange<Int>
  ) throws(ShardError) -> Int {
    let number: Number = try number()
    guard let count = Int(exactly: number), range.contains(count) else { throw malformed("\(what) is \(number)") }
    return count
  }

  /// - Returns: where it stood.
  mutating func skip(_ size: Int, count: Int) throws(ShardError) -> Int {
    let (length, overflow) = size.multipliedReportingOverflow(by: count)
    guard !overflow, length >= 0, length <= bytes.count - at else { throw malformed("it ends too early") }
    defer { at += length }
    return at
  }

  /// Up to a zero, which is skipped.
  mutating func text() throws(ShardError) -> Range<Int> {
    guard let end = bytes[at...].firstIndex(of: 0) else { throw malformed("a word does not end") }
    defer { at = end + 1 }
    return at..<end
  }
}

/// What a model was trained with, as far as it decides what it says.
struct FastTextSettings {
  enum Loss: Int32 { case hierarchicalSoftmax = 1, negativeSampling, softmax, oneVsAll }

  var dimension: Int
  var wordGrams: Int
  var loss: Loss
  var buckets: Int
  var shortest: Int
  var longest: Int

  private static let magic: Int32 = 793_712_314

  init(_ cursor: inout FastTextCursor) throws(ShardError) {
    guard try cursor.number(Int32.self) == Self.magic else { throw cursor.malformed("it does not begin as one does") }
    let version = try cursor.count(Int32.self, "its version", in: 11...12)
    dimension = try cursor.count(Int32.self, "the length of its vectors", in: 1...1 << 16)
    _ = try cursor.skip(4, count: 4)  // window, epochs, minimum count, negatives
    wordGrams = try cursor.count(Int32.self, "wordNgrams", in: 0...1000)
    let loss = try cursor.number(Int32.self)
    guard let known = Loss(rawValue: loss) else { throw cursor.malformed("its loss is number \(loss)") }
    self.loss = known
    let kind = try cursor.number(Int32.self)
    guard kind == 3 else { throw cursor.malformed("it has word vectors, but no labels") }
    buckets = try cursor.count(Int32.self, "bucket", in: 0...Int(Int32.max))
    shortest = try cursor.count(Int32.self, "minn", in: 0...1000)
    longest = try cursor.count(Int32.self, "maxn", in: 0...1000)
    // The first supervised models did not use n-grams of characters, whatever they say.
    if version == 11 { longest = 0 }
    _ = try cursor.skip(4, count: 1)
    _ = try cursor.skip(8, count: 1)
  }
}

/// Rows of numbers of a model, as they are or quantized.
struct FastTextMatrix {
  private enum Form {
    case plain(at: Int)
    /// Codes of parts of each row; `norms`: a code of its length.
    case quantized(codes: Int, parts: Quantizer, norms: (codes: Int, lengths: Quantizer)?)
    /// What was quantized, row after row.
    case decoded(Numbers)
  }

  private final class Numbers: @unchecked Sendable {
    let start: UnsafeMutablePointer<Float>

    init(_ count: Int) {
      start = .allocate(capacity: count)
      start.initialize(repeating: 0, count: count)
    }

    deinit { start.deallocate() }
  }

  /// Centroids for the parts of a vector.
  private struct Quantizer {
    let parts: Int
    let size: Int
    let lastSize: Int
    let at: Int

    init(_ cursor: inout FastTextCursor, dimension: Int) throws(ShardError) {
      let stated = try cursor.count(Int32.self, "the length of quantized vectors", in: dimension...dimension)
      parts = try cursor.count(Int32.self, "the number of parts", in: 1...stated)
      size = try cursor.count(Int32.self, "the length of a part", in: 1...stated)
      lastSize = try cursor.count(Int32.self, "the length of the last part", in: 1...size)
      guard (parts - 1) * size + lastSize == stated else { throw cursor.malformed("its parts do not fit its vectors") }
      at = try cursor.skip(4, count: stated * 256)
    }

    func centroid(_ part: Int, _ code: UInt8) -> Int {
      part == parts - 1 ? at + 4 * (part * 256 * size + Int(code) * lastSize) : at + 4 * (part * 256 + Int(code)) * size
    }

    func size(_ part: Int) -> Int { part == parts - 1 ? lastSize : size }
  }

  let rows: Int
  let columns: Int
  private var form: Form

  init(_ cursor: inout FastTextCursor, isQuantized: Bool, dimension: Int) throws(ShardError) {
    let hasNorms = isQuantized ? try cursor.flag() : false
    rows = try cursor.count(Int64.self, "the number of rows", in: 0...1 << 40)
    columns = try cursor.count(Int64.self, "the number of columns", in: dimension...dimension)
    guard isQuantized else {
      guard rows <= Int.max / (4 * columns) else { throw cursor.malformed("it ends too early") }
      form = .plain(at: try cursor.skip(4 * columns, count: rows))
      return
    }
    let bytes = try cursor.count(Int32.self, "the number of codes", in: 0...Int(Int32.max))
    let codes = try cursor.skip(1, count: bytes)
    let parts = try Quantizer(&cursor, dimension: columns)
    guard bytes == rows * parts.parts else { throw cursor.malformed("its codes do not fit its rows") }
    guard hasNorms else {
      form = .quantized(codes: codes, parts: parts, norms: nil)
      return
    }
    let norms = try cursor.skip(1, count: rows)
    form = .quantized(codes: codes, parts: parts, norms: (norms, try Quantizer(&cursor, dimension: 1)))
  }

  /// The largest matrix that is worth to be decoded, in bytes: adding a row is then several times faster.
  private static let mostDecoded = 64 << 20

  /// Decodes a quantized matrix that is not large; others stay as they are.
  mutating func decode(_ bytes: UnsafeRawBufferPointer) {
    guard case .quantized = form, rows <= Self.mostDecoded / (4 * columns) else { return }
    let numbers = Numbers(rows * columns)
    for row in 0..<rows {
      parts(of: row, in: bytes) { column, value in numbers.start[row * columns + column] = value }
    }
    form = .decoded(numbers)
  }

  /// Where the rows stand one after another, if they do.
  func start(in bytes: UnsafeRawBufferPointer) -> UnsafeRawPointer? {
    switch form {
    case .plain(let at): bytes.baseAddress! + at
    case .decoded(let numbers): UnsafeRawPointer(numbers.start)
    case .quantized: nil
    }
  }

  /// Adds rows to `sum`, in their order.
  func add(_ rows: UnsafeBufferPointer<UInt32>, of bytes: UnsafeRawBufferPointer, to sum: UnsafeMutablePointer<Float>) {
    guard let start = start(in: bytes) else {
      for row in rows { parts(of: Int(row), in: bytes) { column, value in sum[column] += value } }
      return
    }
    var column = 0
    while column &+ 16 <= columns {
      Self.add(rows, SIMD16<Float>.self, start + 4 &* column, stride: 4 &* columns, to: sum + column)
      column &+= 16
    }
    while column &+ 4 <= columns {
      Self.add(rows, SIMD4<Float>.self, start + 4 &* column, stride: 4 &* columns, to: sum + column)
      column &+= 4
    }
    while column < columns {
      Self.add(rows, Float.self, start + 4 &* column, stride: 4 &* columns, to: sum + column)
      column &+= 1
    }
  }

  /// Adds some columns of rows; their sum stays in a register.
  @inline(__always)
  private static func add<Columns: BitwiseCopyable & SIMDScalarSum>(
    _ rows: UnsafeBufferPointer<UInt32>, _: Columns.Type, _ start: UnsafeRawPointer, stride: Int,
    to sum: UnsafeMutablePointer<Float>
  ) {
    let place = UnsafeMutableRawPointer(sum)
    var total = place.loadUnaligned(as: Columns.self)
    for row in rows { total += start.loadUnaligned(fromByteOffset: Int(row) &* stride, as: Columns.self) }
    place.storeBytes(of: total, as: Columns.self)
  }

  /// The product of a row with a vector.
  func product(_ row: Int, of bytes: UnsafeRawBufferPointer, with vector: UnsafePointer<Float>) -> Float {
    var sum: Float = 0
    if let start = start(in: bytes) {
      let own = start + 4 * row * columns
      for column in 0..<columns {
        sum += own.loadUnaligned(fromByteOffset: 4 &* column, as: Float.self) * vector[column]
      }
    } else {
      parts(of: row, in: bytes) { column, value in sum += value * vector[column] }
    }
    return sum
  }

  @inline(__always)
  private func parts(of row: Int, in bytes: UnsafeRawBufferPointer, _ body: (Int, Float) -> Void) {
    guard case .quantized(let codes, let quantizer, let norms) = form else { return }
    var length: Float = 1
    if let norms {
      let place = norms.lengths.centroid(0, bytes[norms.codes + row])
      length = bytes.loadUnaligned(fromByteOffset: place, as: Float.self)
    }
    for part in 0..<quantizer.parts {
      let start = quantizer.centroid(part, bytes[codes + row * quantizer.parts + part])
      for place in 0..<quantizer.size(part) {
        let value = bytes.loadUnaligned(fromByteOffset: start + 4 * place, as: Float.self)
        body(part * quantizer.size + place, length * value)
      }
    }
  }
}

/// What sums of columns are kept in.
private protocol SIMDScalarSum { static func += (sum: inout Self, value: Self) }

extension SIMD16: SIMDScalarSum where Scalar == Float {}
extension SIMD4: SIMDScalarSum where Scalar == Float {}
extension Float: SIMDScalarSum {}

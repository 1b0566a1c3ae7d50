public import ShardKit

/// A safetensors file, mapped into memory.
///
/// The header is checked when the file is opened: types, shapes, and that the tensors fill the file without gap or
/// overlap. The file must not change meanwhile.
public final class SafetensorsFile: Sendable {
  public let path: String
  /// In the order of their bytes.
  public let entries: [Safetensors.Entry]
  public let metadata: [String: String]
  private let mapped: MappedFile
  private let start: Int
  private let places: [String: Int]

  /// Maps the file and checks its header.
  /// - Throws: `ShardError` if the file cannot be read, is not a safetensors file, or has a longer header.
  public init(
    _ path: String, maximumHeaderBytes: Int = Safetensors.maximumHeaderBytes
  ) throws(ShardError) {
    self.path = path
    mapped = try MappedFile(path)
    let json = try SafetensorsHeader.json(of: mapped.bytes, file: path, limit: maximumHeaderBytes)
    start = 8 + json.count
    let header = try SafetensorsHeader(json, dataBytes: mapped.bytes.count - start, file: path)
    entries = header.entries
    metadata = header.metadata
    var places: [String: Int] = [:]
    for (place, entry) in entries.enumerated() { places[entry.name] = place }
    self.places = places
  }

  /// nil if there is no tensor of that name.
  public subscript(name: String) -> Safetensors.Entry? { places[name].map { entries[$0] } }

  /// - Throws: `ShardError` if there is no tensor of that name.
  public func entry(_ name: String) throws(ShardError) -> Safetensors.Entry {
    guard let entry = self[name] else {
      throw ShardError(
        .malformed, path, "has no tensor '\(name)'; it has \(entries.count), such as '\(entries.first?.name ?? "")'")
    }
    return entry
  }

  /// Lends a tensor's bytes to `body`, little-endian in row-major order; not necessarily aligned to its element.
  /// - Throws: `ShardError` if there is no tensor of that name; what `body` throws.
  public func withBytes<Result>(
    of name: String, _ body: (Safetensors.Entry, UnsafeRawBufferPointer) throws(ShardError) -> Result
  ) throws(ShardError) -> Result {
    let entry = try entry(name)
    let range = (start + entry.range.lowerBound)..<(start + entry.range.upperBound)
    return try body(entry, UnsafeRawBufferPointer(rebasing: mapped.bytes[range]))
  }

  /// A tensor's values in row-major order: F32 as stored; F16, BF16 and F64 converted.
  /// - Parameter elements: those wanted; nil: all.
  /// - Throws: `ShardError` if there is no tensor of that name, or its elements are not floating point.
  public func floats(of name: String, elements: Range<Int>? = nil) throws(ShardError) -> [Float] {
    try withBytes(of: name) { (entry, all) throws(ShardError) in
      let size = entry.type.bytes
      let bytes = elements.map { UnsafeRawBufferPointer(rebasing: all[$0.lowerBound * size..<$0.upperBound * size]) }
      let wanted = bytes ?? all
      switch entry.type {
      case .float32: return Self.numbers(wanted, UInt32.self) { Float(bitPattern: $0) }
      case .float16: return Self.numbers(wanted, UInt16.self) { Float(Float16(bitPattern: $0)) }
      case .bfloat16: return Self.numbers(wanted, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
      case .float64: return Self.numbers(wanted, UInt64.self) { Float(Double(bitPattern: $0)) }
      default:
        throw ShardError(.unsupported, path, "tensor '\(name)' is of type \(entry.type.rawValue), not floating point")
      }
    }
  }

  /// Passes a tensor's values to a sink, some at a time; see `floats(of:elements:)`.
  /// - Throws: `ShardError` if there is no tensor of that name, or its elements are not floating point; what the sink throws.
  public func floats(of name: String, elements: Range<Int>, to sink: TensorSource.Sink) throws(ShardError) {
    for start in stride(from: elements.lowerBound, to: elements.upperBound, by: Self.block) {
      let floats = try floats(of: name, elements: start..<min(start + Self.block, elements.upperBound))
      try floats.withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
      release()
    }
  }

  /// Values that are held at a time.
  private static let block = 1 << 18

  private static func numbers<Bits: BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _: Bits.Type, _ convert: (Bits) -> Float
  ) -> [Float] {
    let count = bytes.count / MemoryLayout<Bits>.size
    return [Float](unsafeUninitializedCapacity: count) { out, filled in
      for i in 0..<count {
        out.initializeElement(
          at: i, to: convert(bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<Bits>.size, as: Bits.self)))
      }
      filled = count
    }
  }

  /// Releases the memory of the pages that were read.
  public func release() { mapped.release() }
}

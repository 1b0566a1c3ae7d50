public import ShardKit

/// The safetensors format: eight bytes with the header's length, a JSON header, then the tensors' bytes end to end.
///
/// Little-endian throughout; see the format section of the safetensors project's README.
public enum Safetensors {
  public enum ElementType: String, Sendable, CaseIterable {
    case float64 = "F64"
    case int64 = "I64"
    case float32 = "F32"
    case int32 = "I32"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint8 = "U8"
    case bool = "BOOL"

    /// Bytes of one element.
    public var bytes: Int {
      switch self {
      case .float64, .int64: 8
      case .float32, .int32: 4
      case .float16, .bfloat16: 2
      case .uint8, .bool: 1
      }
    }
  }

  /// A tensor of a file, without its values.
  public struct Entry: Equatable, Sendable {
    public var name: String
    public var type: ElementType
    /// [rows, columns]; empty for a single number.
    public var shape: [Int]
    /// The byte range of the values, counted from the end of the header.
    public internal(set) var range: Range<Int>

    /// The number of elements.
    public var count: Int { range.count / type.bytes }
    public var bytes: Int { range.count }
  }

  /// The longest header that is read: about 150,000 tensors.
  public static let maximumHeaderBytes = 16 << 20

  /// Bytes of a tensor; nil if a dimension is negative or the product overflows.
  static func bytes(type: ElementType, shape: [Int]) -> Int? {
    var product = type.bytes
    var isEmpty = false
    for dimension in shape {
      guard dimension >= 0 else { return nil }
      if dimension == 0 {
        isEmpty = true
        continue
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
      guard !overflow else { return nil }
      product = next
    }
    return isEmpty ? 0 : product
  }
}

/// A tensor to be written, and the source of its bytes.
public struct TensorSource: Sendable {
  /// Takes the bytes in any number of pieces.
  public typealias Sink = (UnsafeRawBufferPointer) throws(ShardError) -> Void

  public var name: String
  public var type: Safetensors.ElementType
  public var shape: [Int]
  /// Passes the values to the sink in row-major order, little-endian; called once, on the thread that writes.
  public var values: @Sendable (Sink) throws(ShardError) -> Void

  public init(
    _ name: String, _ type: Safetensors.ElementType, shape: [Int],
    values: @escaping @Sendable (Sink) throws(ShardError) -> Void
  ) {
    self.name = name
    self.type = type
    self.shape = shape
    self.values = values
  }

  /// Values in memory.
  public init(_ name: String, _ type: Safetensors.ElementType, shape: [Int], bytes: [UInt8]) {
    self.init(name, type, shape: shape) { (sink) throws(ShardError) in
      try bytes.withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
    }
  }

  public init(_ name: String, shape: [Int], floats: [Float]) {
    self.init(name, .float32, shape: shape) { (sink) throws(ShardError) in
      try floats.withUnsafeBufferPointer { (b) throws(ShardError) in try sink(UnsafeRawBufferPointer(b)) }
    }
  }
}

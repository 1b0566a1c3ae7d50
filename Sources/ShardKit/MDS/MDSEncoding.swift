/// Element types of MDS scalars and arrays, by their NumPy names.
public enum MDSScalar: String, Sendable, CaseIterable {
  case uint8, int8, uint16, int16, float16, uint32, int32, float32, uint64, int64, float64

  public var bytes: Int {
    switch self {
    case .uint8, .int8: 1
    case .uint16, .int16, .float16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    }
  }

  /// The type byte of an array whose column does not fix its type.
  public var code: UInt8 {
    switch self {
    case .uint8: 8
    case .int8: 9
    case .uint16: 16
    case .int16: 17
    case .float16: 18
    case .uint32: 32
    case .int32: 33
    case .float32: 34
    case .uint64: 64
    case .int64: 65
    case .float64: 66
    }
  }

  init?(code: UInt8) {
    guard let found = Self.allCases.first(where: { $0.code == code }) else { return nil }
    self = found
  }
}

/// Swift types that can be elements of an MDS array. All are stored little-endian.
public protocol MDSElement: BitwiseCopyable { static var mdsScalar: MDSScalar { get } }

extension UInt8: MDSElement { public static let mdsScalar = MDSScalar.uint8 }
extension Int8: MDSElement { public static let mdsScalar = MDSScalar.int8 }
extension UInt16: MDSElement { public static let mdsScalar = MDSScalar.uint16 }
extension Int16: MDSElement { public static let mdsScalar = MDSScalar.int16 }
extension UInt32: MDSElement { public static let mdsScalar = MDSScalar.uint32 }
extension Int32: MDSElement { public static let mdsScalar = MDSScalar.int32 }
extension Float: MDSElement { public static let mdsScalar = MDSScalar.float32 }
extension UInt64: MDSElement { public static let mdsScalar = MDSScalar.uint64 }
extension Int64: MDSElement { public static let mdsScalar = MDSScalar.int64 }
extension Double: MDSElement { public static let mdsScalar = MDSScalar.float64 }

/// How a column's values are stored, as named in an MDS index: `str`, `int`, `ndarray:uint16`, …
public enum MDSEncoding: Equatable, Sendable {
  case bytes
  /// UTF-8.
  case str
  /// A Python `int` in 64 bits.
  case int
  case scalar(MDSScalar)
  /// Decimal digits: `str_int`, `str_float`, `str_decimal`.
  case digits(String)
  case json
  /// If type or shape are nil, each value stores its own.
  case array(MDSScalar?, shape: [Int]?)
  /// Images and pickles: readable as bytes, never written.
  case opaque(String)

  private static let digitNames = ["str_int", "str_float", "str_decimal"]
  private static let opaqueNames = [
    "pil", "jpeg", "jpeg_array", "jpegarray", "png", "list[pil]", "list[jpeg]", "list[png]", "pkl",
  ]
  /// Every name that can be written, for messages.
  public static let names =
    ["str", "bytes", "int", "json", "ndarray[:TYPE[:SHAPE]]"] + MDSScalar.allCases.map(\.rawValue) + digitNames

  /// nil for a name that the format does not have.
  public init?(name: String) {
    switch name {
    case "bytes": self = .bytes
    case "str": self = .str
    case "int": self = .int
    case "json": self = .json
    default:
      if let scalar = MDSScalar(rawValue: name) {
        self = .scalar(scalar)
      } else if Self.digitNames.contains(name) {
        self = .digits(name)
      } else if Self.opaqueNames.contains(name) {
        self = .opaque(name)
      } else {
        guard let array = Self.array(named: name) else { return nil }
        self = array
      }
    }
  }

  private static func array(named name: String) -> MDSEncoding? {
    let parts = name.split(separator: ":", omittingEmptySubsequences: false)
    guard parts[0] == "ndarray", parts.count <= 3 else { return nil }
    guard parts.count > 1 else { return .array(nil, shape: nil) }
    guard let type = MDSScalar(rawValue: String(parts[1])) else { return nil }
    guard parts.count > 2 else { return .array(type, shape: nil) }
    var shape: [Int] = []
    var size = type.bytes
    for axis in parts[2].split(separator: ",", omittingEmptySubsequences: false) {
      guard let length = Int(axis), length > 0 else { return nil }
      let (product, overflow) = size.multipliedReportingOverflow(by: length)
      guard !overflow, product < 1 << 32 else { return nil }
      size = product
      shape.append(length)
    }
    return .array(type, shape: shape)
  }

  public var name: String {
    switch self {
    case .bytes: "bytes"
    case .str: "str"
    case .int: "int"
    case .scalar(let scalar): scalar.rawValue
    case .digits(let name), .opaque(let name): name
    case .json: "json"
    case .array(nil, _): "ndarray"
    case .array(let type?, nil): "ndarray:\(type.rawValue)"
    case .array(let type?, let shape?):
      "ndarray:\(type.rawValue):" + shape.map { String($0) }.joined(separator: ",")
    }
  }

  /// The size of every value in bytes, if the encoding fixes it.
  public var fixedBytes: Int? {
    switch self {
    case .int: 8
    case .scalar(let scalar): scalar.bytes
    case .array(let type?, let shape?): shape.reduce(type.bytes, *)
    default: nil
    }
  }
}

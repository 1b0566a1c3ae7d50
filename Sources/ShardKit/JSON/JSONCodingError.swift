/// A mismatch when a JSON value is decoded into a Swift type or encoded from one, with its location.
///
/// `description`: `checkpoint.steps[2]: should be an integer, not a string`.
public struct JSONCodingError: DescribedError, Equatable {
  /// `checkpoint.steps[2]`; empty for the root.
  public var path: String
  public var message: String
  /// The position of the value in the text it was read from; 0 if it was not read from text.
  public var offset: Int

  public init(_ path: String, _ message: String, offset: Int = 0) {
    self.path = path
    self.message = message
    self.offset = offset
  }

  public var description: String { path.isEmpty ? message : "\(path): \(message)" }

  init(_ path: [any CodingKey], _ message: String, offset: Int = 0) {
    self.init(Self.text(path), message, offset: offset)
  }

  static func text(_ path: [any CodingKey]) -> String {
    path.reduce(into: "") { out, key in
      if let index = key.intValue {
        out += "[\(index)]"
      } else {
        out += out.isEmpty ? key.stringValue : ".\(key.stringValue)"
      }
    }
  }

  /// Any error that a type's `init(from:)` or `encode(to:)` throws.
  init(_ error: any Error, at path: [any CodingKey], offset: Int = 0) {
    switch error {
    case let error as JSONCodingError: self = error
    case DecodingError.typeMismatch(_, let context), DecodingError.dataCorrupted(let context):
      self.init(context.codingPath, context.debugDescription, offset: offset)
    case DecodingError.valueNotFound(_, let context):
      self.init(context.codingPath, context.debugDescription, offset: offset)
    case DecodingError.keyNotFound(let key, let context):
      self.init(context.codingPath, Self.missing(key), offset: offset)
    case EncodingError.invalidValue(_, let context): self.init(context.codingPath, context.debugDescription)
    default: self.init(path, "\(error)", offset: offset)
    }
  }

  static func missing(_ key: any CodingKey) -> String { "the member '\(key.stringValue)' is missing" }
}

/// A key or an index of a path.
struct JSONCodingKey: CodingKey {
  let stringValue: String
  let intValue: Int?

  init(stringValue: String) {
    self.stringValue = stringValue
    intValue = nil
  }
  init(intValue: Int) {
    stringValue = "\(intValue)"
    self.intValue = intValue
  }
}

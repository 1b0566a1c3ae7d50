public import ShardKit

/// Why XML was not read to its end, and where.
public struct XMLFault: Equatable {
  enum Cause: Equatable {
    /// Not well-formed, with libxml2's message; nil where it gave none.
    case malformed(String?)
    case noMemory
    case tooManyAttributes
    case tooDeep(Int)
    case tooManyNamespaces(Int)
    case declaredEntity
    case declaredAttribute
    case undeclaredEntity
  }

  var cause: Cause
  /// From 1; 0 where it is not known.
  var line: Int
  /// Bytes that libxml2 had read.
  var position: Int

  /// One clause without the place.
  var message: String {
    switch cause {
    case .malformed(let message): message ?? "the XML is not well-formed"
    case .noMemory: "there is not enough memory to read its XML"
    case .tooManyAttributes: "an element has more than \(XMLTagBound.maximumAttributes) attributes"
    case .tooDeep(let depth): "elements are nested more than \(depth) deep"
    case .tooManyNamespaces(let count): "more than \(count) namespaces are declared at once"
    case .declaredEntity: "it declares entities, which are not expanded"
    case .declaredAttribute: "it declares attributes"
    case .undeclaredEntity: "it refers to an entity that is not declared"
    }
  }

  /// There was not enough memory: a fault of the machine, not of the XML.
  public static let noMemory = ShardError(.io, "there is not enough memory to read its XML")

  var error: ShardError {
    cause == .noMemory ? Self.noMemory : ShardError(.malformed, line > 0 ? "line \(line)" : "", message)
  }
}

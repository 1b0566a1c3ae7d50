import Glibc

/// What a reader does with a parser's events. Pointers are valid during the call only.
protocol XMLEvents: AnyObject {
  func start(_ tag: XMLStartTag)
  /// - Parameter depth: the element's depth, as in its start tag.
  func end(_ name: XMLName, depth: Int)
  /// Part of the text of an element: a run of text may come in several calls.
  func text(_ bytes: UnsafeBufferPointer<UInt8>)
  /// A reference to an entity that XML does not define, in a document with a DTD.
  func entity(_ name: XMLName)
}

extension XMLEvents {
  func entity(_ name: XMLName) {}
}

/// A start tag.
struct XMLStartTag {
  /// The local name.
  let name: XMLName
  let prefix: XMLName?
  /// The address of its namespace.
  let space: XMLName?
  let attributes: XMLAttributes
  /// 1 for the root.
  let depth: Int
}

/// Text that libxml2 owns, with a zero byte behind it.
struct XMLName {
  let bytes: UnsafePointer<UInt8>

  var count: Int { strlen(UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self)) }
  var buffer: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: bytes, count: count) }
  var string: String { String(cString: bytes) }

  static func == (name: XMLName, text: String) -> Bool {
    strcmp(UnsafeRawPointer(name.bytes).assumingMemoryBound(to: CChar.self), text) == 0
  }
}

/// The attributes of a start tag as libxml2 passes them: per attribute, five pointers to its local name, prefix,
/// namespace, and the start and end of its value. libxml2 leaves `&amp;` in values as `&#38;`.
struct XMLAttributes {
  let base: UnsafeMutablePointer<UnsafePointer<UInt8>?>?
  let count: Int

  /// The value of an attribute by its local name; of several with the same name, the first.
  subscript(name: String) -> String? {
    for index in 0..<count {
      if let attribute = attribute(index), attribute.name == name {
        return String(decoding: attribute.value, as: UTF8.self)
      }
    }
    return nil
  }

  func attribute(_ index: Int) -> (name: XMLName, value: UnsafeBufferPointer<UInt8>)? {
    guard let attribute = base.map({ $0 + index * 5 }), let name = attribute[0], let start = attribute[3],
      let end = attribute[4]
    else { return nil }
    return (XMLName(bytes: name), UnsafeBufferPointer(start: start, count: end - start))
  }
}

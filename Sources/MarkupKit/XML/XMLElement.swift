import CXML2

/// An element of a small XML document, as answers of S3 are: no attributes, names without their prefix.
///
/// libxml2 reads it from memory with no network, no DTD of elsewhere and no entities of its own making, and bounds its
/// depth (256) and its texts.
public struct XMLElement {
  public var name: String
  /// Of an element without children.
  var text = ""
  var children: [XMLElement] = []

  /// nil where the bytes are no XML.
  public init?(_ bytes: [UInt8]) {
    let flags = XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue
    let document = bytes.withUnsafeBytes { bytes in
      xmlReadMemory(bytes.bindMemory(to: CChar.self).baseAddress, Int32(bytes.count), nil, nil, Int32(flags))
    }
    guard let document else { return nil }
    defer { xmlFreeDoc(document) }
    guard let root = xmlDocGetRootElement(document) else { return nil }
    self.init(root)
  }

  private init(_ node: xmlNodePtr) {
    name = String(cString: node.pointee.name)
    var child = node.pointee.children
    while let next = child {
      switch next.pointee.type {
      case XML_ELEMENT_NODE: children.append(XMLElement(next))
      case XML_TEXT_NODE, XML_CDATA_SECTION_NODE: text += next.pointee.content.map { String(cString: $0) } ?? ""
      default: break
      }
      child = next.pointee.next
    }
    if !children.isEmpty { text = "" }
  }

  /// The text of the first child of a name.
  public subscript(name: String) -> String? { children.first { $0.name == name }?.text }

  public func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

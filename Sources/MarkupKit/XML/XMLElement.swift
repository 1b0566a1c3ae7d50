/// An element of a small XML document, such as a response of S3: no attributes, names without their prefix.
public struct XMLElement {
  public var name: String
  /// Of an element without children.
  var text = ""
  var children: [XMLElement] = []

  /// nil where the bytes are not XML, or nested more than 256 deep.
  public init?(_ bytes: [UInt8]) {
    let tree = XMLTree()
    let parser = XMLPushParser(tree, policy: XMLPolicy())
    parser.parse(bytes)
    guard parser.fault == nil, let root = tree.root else { return nil }
    self = root
  }

  fileprivate init(name: String) { self.name = name }

  /// The text of the first child of a name.
  public subscript(name: String) -> String? { children.first { $0.name == name }?.text }

  public func all(_ name: String) -> [XMLElement] { children.filter { $0.name == name } }
}

/// Builds elements from events.
private final class XMLTree: XMLEvents {
  private(set) var root: XMLElement?
  private var open: [(element: XMLElement, text: [UInt8])] = []

  func start(_ tag: XMLStartTag) {
    // A prefix that no namespace belongs to is part of the name.
    let prefix = tag.space == nil ? tag.prefix.map { $0.string + ":" } : nil
    open.append((XMLElement(name: (prefix ?? "") + tag.name.string), []))
  }

  func end(_ name: XMLName, depth: Int) {
    var (element, text) = open.removeLast()
    if element.children.isEmpty { element.text = String(decoding: text, as: UTF8.self) }
    if open.isEmpty { root = element } else { open[open.count - 1].element.children.append(element) }
  }

  func text(_ bytes: UnsafeBufferPointer<UInt8>) {
    if !open.isEmpty { open[open.count - 1].text.append(contentsOf: bytes) }
  }
}

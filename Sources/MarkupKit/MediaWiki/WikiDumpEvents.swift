import CXML2
import Glibc
import ShardKit

/// libxml2's callbacks, which find their reader in the user data.
enum WikiDumpEvents {
  static let library: Void = xmlInitParser()

  static var handler: xmlSAXHandler {
    var handler = xmlSAXHandler()
    handler.initialized = UInt32(XML_SAX2_MAGIC)
    handler.startElementNs = { context, name, _, _, _, _, count, _, attributes in
      WikiDumpEvents.reader(context).start(name!, WikiDumpAttributes(base: attributes, count: Int(count)))
    }
    handler.endElementNs = { context, name, _, _ in WikiDumpEvents.reader(context).end(name!) }
    handler.characters = { context, bytes, count in WikiDumpEvents.reader(context).text(bytes!, Int(count)) }
    handler.ignorableWhitespace = handler.characters
    handler.cdataBlock = handler.characters
    handler.serror = { context, error in
      guard let context, let error, error.pointee.level == XML_ERR_FATAL else { return }
      let message = error.pointee.message.map { String(cString: $0) } ?? "unknown fault"
      WikiDumpEvents.reader(context).fail("\(message.prefix { $0 != "\n" }) in line \(error.pointee.line)")
    }
    return handler
  }

  @inline(__always)
  static func reader(_ context: UnsafeMutableRawPointer?) -> WikiDumpReader {
    Unmanaged<WikiDumpReader>.fromOpaque(context!).takeUnretainedValue()
  }
}

/// The elements that matter, by name.
enum WikiDumpElement {
  case mediawiki, siteinfo, sitename, dbname, base, namespace, page, title, ns, id, redirect, revision, timestamp
  case model, text, other

  init(_ name: UnsafePointer<xmlChar>) {
    self = Self.table.value(name, strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))) ?? .other
  }

  private static let table: ByteNameTable<WikiDumpElement> = {
    var table = ByteNameTable<WikiDumpElement>()
    for element: WikiDumpElement in [
      .mediawiki, .siteinfo, .sitename, .dbname, .base, .namespace, .page, .title, .ns, .id, .redirect, .revision,
      .timestamp, .model, .text,
    ] {
      table.insert("\(element)", element)
    }
    return table
  }()
}

/// Where characters go.
enum WikiDumpField {
  case none, siteName, databaseName, base, namespace, title, pageNamespace, id, revision, timestamp, model, text

  init(_ element: WikiDumpElement, depth: Int, isInsidePage: Bool, isInsideRevision: Bool) {
    switch (element, depth) {
    case (.text, 4) where isInsideRevision: self = .text
    case (.id, 4) where isInsideRevision: self = .revision
    case (.timestamp, 4) where isInsideRevision: self = .timestamp
    case (.model, 4) where isInsideRevision: self = .model
    case (.title, 3) where isInsidePage: self = .title
    case (.ns, 3) where isInsidePage: self = .pageNamespace
    case (.id, 3) where isInsidePage: self = .id
    case (.sitename, 3) where !isInsidePage: self = .siteName
    case (.dbname, 3) where !isInsidePage: self = .databaseName
    case (.base, 3) where !isInsidePage: self = .base
    case (.namespace, 4) where !isInsidePage: self = .namespace
    default: self = .none
    }
  }
}

/// An element's attributes as libxml2 hands them: five pointers each.
struct WikiDumpAttributes {
  var base: UnsafeMutablePointer<UnsafePointer<xmlChar>?>?
  var count: Int

  /// The value of the first attribute of a name.
  subscript(name: String) -> String? {
    for index in 0..<count {
      if let (key, value) = attribute(index), key == name { return value }
    }
    return nil
  }

  /// All of them as they stand in a tag: ` name="value"`.
  var text: String {
    var text = ""
    for index in 0..<count {
      guard let (key, value) = attribute(index) else { continue }
      text += " \(key)=\"\(value.replacing("\"", with: "&quot;"))\""
    }
    return text
  }

  private func attribute(_ index: Int) -> (key: String, value: String)? {
    guard let attribute = base.map({ $0 + index * 5 }), let key = attribute[0], let start = attribute[3],
      let end = attribute[4]
    else { return nil }
    return (
      String(cString: key), String(decoding: UnsafeBufferPointer(start: start, count: end - start), as: UTF8.self)
    )
  }
}

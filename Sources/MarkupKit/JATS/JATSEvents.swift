import CXML2
import Glibc
import ShardKit

/// Feeds an article to libxml2's push parser and hands its events to a `JATSReader`.
///
/// No DTD is loaded, no file or connection is opened, and no entity of a document is ever declared, so none can be
/// expanded: the names of HTML 4 are known, any other is dropped and counted. Depth, attributes and namespaces are
/// limited here; libxml2 limits the length of a name, an attribute and a run of text.
public enum JATSEvents {
  public static let noMemory = ShardError(.io, "there is not enough memory to read its XML")
  static let tooManyAttributes = ShardError(
    .malformed, "an element has more than \(XMLTagBound.maximumAttributes) attributes")
  static let maximumDepth = 256
  static let maximumNamespaces = 1024
  private static let library: Void = xmlInitParser()

  /// What is wrong has the line as its subject, where the parser knows it.
  public static func parse(_ bytes: [UInt8], into reader: JATSReader) throws(ShardError) {
    _ = library
    var events = handler
    let user = Unmanaged.passUnretained(reader).toOpaque()
    guard let context = xmlCreatePushParserCtxt(&events, user, nil, 0, nil) else { throw noMemory }
    defer {
      if let document = context.pointee.myDoc { xmlFreeDoc(document) }
      context.pointee.myDoc = nil
      xmlFreeParserCtxt(context)
    }
    xmlCtxtUseOptions(context, Int32(XML_PARSE_NONET.rawValue))
    reader.stop = { xmlStopParser(context) }
    defer { reader.stop = nil }
    var bound = XMLTagBound()
    bytes.withUnsafeBytes { all in
      var start = 0
      while start < all.count && reader.fault == nil {
        let part = UnsafeRawBufferPointer(rebasing: all[start..<min(all.count, start + 1 << 20)])
        if bound.isExceeded(by: part) { return reader.fail(tooManyAttributes) }
        xmlParseChunk(context, part.baseAddress!, Int32(part.count), 0)
        start += part.count
      }
      if reader.fault == nil { xmlParseChunk(context, nil, 0, 1) }
    }
    if let fault = reader.fault { throw fault }
    guard context.pointee.wellFormed != 0 else { throw ShardError(.malformed, "the XML is not well-formed") }
  }

  private static var handler: xmlSAXHandler {
    var handler = xmlSAXHandler()
    handler.initialized = UInt32(XML_SAX2_MAGIC)
    handler.startElementNs = { context, name, _, _, namespaces, _, count, _, attributes in
      JATSEvents.reader(context).start(
        JATSElement(name!),
        JATSAttributes(base: attributes, count: Int(count), namespaces: Int(namespaces)))
    }
    handler.endElementNs = { context, _, _, _ in JATSEvents.reader(context).end() }
    handler.characters = { context, bytes, count in
      JATSEvents.reader(context).text(UnsafeBufferPointer(start: bytes!, count: Int(count)))
    }
    handler.ignorableWhitespace = handler.characters
    handler.cdataBlock = handler.characters
    // Entities unknown to the parser are reported here by name, if a document refers to a DTD.
    handler.reference = { context, name in
      guard let name else { return }
      let length = strlen(UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self))
      JATSEvents.reader(context).entity(UnsafeBufferPointer(start: name, count: length))
    }
    // Attributes declared by a document would be added to each of its elements.
    handler.attributeDecl = { context, _, _, _, _, _, tree in
      xmlFreeEnumeration(tree)
      JATSEvents.reader(context).fail(ShardError(.malformed, "it declares attributes of its own"))
    }
    handler.serror = { context, error in
      guard let context, let error, error.pointee.level == XML_ERR_FATAL else { return }
      if error.pointee.code == Int32(XML_ERR_NO_MEMORY.rawValue) {
        return JATSEvents.reader(context).fail(JATSEvents.noMemory)
      }
      let message = error.pointee.message.map { String(cString: $0) } ?? "unknown fault"
      let line = error.pointee.line
      JATSEvents.reader(context).fail(
        ShardError(.malformed, line > 0 ? "line \(line)" : "", String(message.prefix { $0 != "\n" })))
    }
    return handler
  }

  @inline(__always)
  private static func reader(_ context: UnsafeMutableRawPointer?) -> JATSReader {
    Unmanaged<JATSReader>.fromOpaque(context!).takeUnretainedValue()
  }
}

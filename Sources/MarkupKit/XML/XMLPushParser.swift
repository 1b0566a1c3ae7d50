import CXML2

/// Feeds XML to libxml2 block by block and passes its events to a reader. The only place that calls libxml2.
///
/// No DTD is loaded, no file and no connection is opened, and no entity that a document declares is stored, so none can
/// expand. Depth, attributes and namespaces are bounded by `XMLPolicy`; libxml2 bounds the length of names, attributes
/// and runs of text. Parsing ends at the first fault.
///
/// libxml2 holds unretained references to the parser and the reader: the reader must outlive the parser.
final class XMLPushParser {
  private static let library: Void = xmlInitParser()

  /// Why parsing ended early; nil where it did not, or where the reader stopped it.
  private(set) var fault: XMLFault?
  /// Bytes passed to libxml2 so far.
  private(set) var fedBytes = 0
  // Read at each event; checks of exclusive access would cost more than the events' own work.
  @exclusivity(unchecked) private var isStopped = false
  /// Open elements.
  @exclusivity(unchecked) private(set) var depth = 0
  /// Open elements that declare namespaces, and how many namespaces are in scope in each.
  private var namespaces: [(depth: Int, count: Int)] = []
  private var bound = XMLTagBound()
  private let policy: XMLPolicy
  private unowned(unsafe) let events: any XMLEvents
  private var context: xmlParserCtxtPtr?

  init(_ events: any XMLEvents, policy: XMLPolicy) {
    _ = Self.library
    self.events = events
    self.policy = policy
    var handler = Self.handler(policy)
    context = xmlCreatePushParserCtxt(&handler, Unmanaged.passUnretained(self).toOpaque(), nil, 0, nil)
    if context == nil { fail(.noMemory) } else { xmlCtxtUseOptions(context, Int32(XML_PARSE_NONET.rawValue)) }
  }

  deinit {
    guard let context else { return }
    if let document = context.pointee.myDoc { xmlFreeDoc(document) }
    context.pointee.myDoc = nil
    xmlFreeParserCtxt(context)
  }

  /// Parses a complete document.
  func parse(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { bytes in
      var start = 0
      while start < bytes.count, !isStopped {
        let end = min(bytes.count, start + policy.blockBytes)
        feed(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        start = end
      }
    }
    if !isStopped { send(nil, 0, isLast: true) }
  }

  /// Parses the next bytes of a document.
  func feed(_ bytes: UnsafeRawBufferPointer) {
    guard !isStopped, let base = bytes.bindMemory(to: CChar.self).baseAddress else { return }
    if policy.boundsAttributes, bound.isExceeded(by: bytes) { return fail(.tooManyAttributes) }
    send(base, bytes.count, isLast: false)
  }

  /// Whether nothing waits for the bytes behind it.
  var hasReadAll: Bool {
    guard !isStopped, let input = context?.pointee.input else { return false }
    return input.pointee.cur == input.pointee.end
  }

  /// Whether bytes are taken as they are, not converted from another encoding.
  var readsUTF8: Bool {
    guard let buffer = context?.pointee.input?.pointee.buf else { return false }
    return buffer.pointee.encoder == nil
  }

  /// Counts lines that are not fed, which numbers in messages then include.
  func skip(lines: Int) { context?.pointee.input?.pointee.line += Int32(truncatingIfNeeded: lines) }

  /// Ends parsing: no event follows.
  func stop() {
    guard !isStopped else { return }
    isStopped = true
    if let context { xmlStopParser(context) }
  }

  private func send(_ bytes: UnsafePointer<CChar>?, _ count: Int, isLast: Bool) {
    xmlParseChunk(context, bytes, Int32(count), isLast ? 1 : 0)
    fedBytes += count
    if !isStopped, let context, context.pointee.wellFormed == 0 { fail(.malformed(nil)) }
  }

  private func fail(_ cause: XMLFault.Cause, line: Int = 0) {
    guard !isStopped else { return }
    fault = XMLFault(cause: cause, line: line, position: max(0, context.map { xmlByteConsumed($0) } ?? 0))
    stop()
  }
}

// MARK: libxml2's callbacks, which find their parser in the user data

extension XMLPushParser {
  private static func handler(_ policy: XMLPolicy) -> xmlSAXHandler {
    var handler = xmlSAXHandler()
    handler.initialized = UInt32(XML_SAX2_MAGIC)
    handler.startElementNs = { user, name, prefix, space, namespaces, _, count, _, attributes in
      XMLPushParser.with(user) {
        $0.start(name!, prefix, space, Int(namespaces), XMLAttributes(base: attributes, count: Int(count)))
      }
    }
    handler.endElementNs = { user, name, _, _ in XMLPushParser.with(user) { $0.end(name!) } }
    handler.characters = { user, bytes, count in
      XMLPushParser.with(user) { $0.text(UnsafeBufferPointer(start: bytes!, count: Int(count))) }
    }
    handler.ignorableWhitespace = handler.characters
    handler.cdataBlock = handler.characters
    // Called for names that XML does not define, in a document that refers to a DTD.
    handler.reference = { user, name in
      if let name { XMLPushParser.with(user) { $0.entity(XMLName(bytes: name)) } }
    }
    if policy.refusesEntityDeclarations {
      handler.entityDecl = { user, _, _, _, _, _ in XMLPushParser.with(user) { $0.fail(.declaredEntity) } }
    }
    if policy.refusesAttributeDeclarations {
      handler.attributeDecl = { user, _, _, _, _, _, tree in
        xmlFreeEnumeration(tree)
        XMLPushParser.with(user) { $0.fail(.declaredAttribute) }
      }
    }
    handler.serror = { user, error in
      guard let user, let error, error.pointee.level == XML_ERR_FATAL else { return }
      let isMemory = error.pointee.code == Int32(XML_ERR_NO_MEMORY.rawValue)
      let message = error.pointee.message.map { String(String(cString: $0).prefix { $0 != "\n" }) }
      let cause = isMemory ? XMLFault.Cause.noMemory : .malformed(message ?? "unknown fault")
      XMLPushParser.with(user) { $0.fail(cause, line: Int(error.pointee.line)) }
    }
    return handler
  }

  /// Without counting references: `feed` holds the parser.
  @inline(__always)
  private static func with(_ user: UnsafeMutableRawPointer?, _ body: (XMLPushParser) -> Void) {
    Unmanaged<XMLPushParser>.fromOpaque(user!)._withUnsafeGuaranteedRef(body)
  }

  @inline(__always)
  private func text(_ bytes: UnsafeBufferPointer<UInt8>) {
    if !isStopped { events.text(bytes) }
  }

  private func start(
    _ name: UnsafePointer<UInt8>, _ prefix: UnsafePointer<UInt8>?, _ space: UnsafePointer<UInt8>?, _ declared: Int,
    _ attributes: XMLAttributes
  ) {
    guard !isStopped else { return }
    depth += 1
    guard depth <= policy.maximumDepth else { return fail(.tooDeep(policy.maximumDepth)) }
    if declared > 0 {
      let count = (namespaces.last?.count ?? 0) + declared
      guard count <= policy.maximumNamespaces else { return fail(.tooManyNamespaces(policy.maximumNamespaces)) }
      namespaces.append((depth, count))
    }
    events.start(
      XMLStartTag(
        name: XMLName(bytes: name), prefix: prefix.map { XMLName(bytes: $0) }, space: space.map { XMLName(bytes: $0) },
        attributes: attributes, depth: depth))
  }

  private func end(_ name: UnsafePointer<UInt8>) {
    guard !isStopped else { return }
    events.end(XMLName(bytes: name), depth: depth)
    if namespaces.last?.depth == depth { namespaces.removeLast() }
    depth -= 1
  }

  private func entity(_ name: XMLName) {
    guard !isStopped else { return }
    if policy.refusesReferences { fail(.undeclaredEntity) } else { events.entity(name) }
  }
}

import CXML2
import Glibc
import ShardKit

/// Why a dump could not be read on from some point.
struct WikiDumpBreak: Sendable {
  enum Kind: String, Sendable {
    /// The dump, or the stream that holds it, ends in its middle.
    case truncated = "truncated-dump"
    /// The XML or the compressed stream is damaged; reading goes on at the next page that can be found.
    case damaged = "damaged-dump"
  }

  var kind: Kind
  var message: String
  /// Whether a page was being read; it is lost, and `page` holds what was known of it.
  var isInsidePage: Bool
}

/// Reads a MediaWiki export, or a run of its `<page>` elements, page by page.
///
/// libxml2's push parser does the XML: bytes go in block by block and events come out, so memory is one page. It
/// resolves no entity but the predefined ones, opens no file and no connection, and keeps libxml2's own bounds on names
/// and depth. A fault of the XML costs the page it stands in: reading goes on at the next `<page>`.
final class WikiDumpReader {
  /// Titles are 255 bytes at most; anything longer in a short field is cut.
  static let longestField = 4096

  let maximumPageBytes: Int
  var site = WikiSite()
  /// The page being read, complete when `onPage` is called.
  var page = WikiDumpPage()
  var onPage: (WikiDumpReader) throws -> Void
  var onBreak: (WikiDumpReader, WikiDumpBreak) throws -> Void

  private var depth = 0
  /// The first element's name.
  private var root: String?
  private var field = WikiDumpField.none
  /// The depth of the element that `field` is read from; elements below it stand in its text.
  private var fieldDepth = 0
  /// `page.textBytes` behind the last start tag in the text.
  private var startTagEnd = -1
  private var isInsidePage = false
  private var isInsideRevision = false
  private var namespaceKey = 0
  private var characters: [UInt8] = []
  private var sawEnd = false
  private var failure: (any Error)?
  private var fault: (message: String, position: Int)?
  private var context: xmlParserCtxtPtr?
  private var fedBytes = 0
  private var isSearching = false
  private var carry: [UInt8] = []

  init(
    maximumPageBytes: Int, onPage: @escaping (WikiDumpReader) throws -> Void,
    onBreak: @escaping (WikiDumpReader, WikiDumpBreak) throws -> Void = { _, _ in }
  ) {
    self.maximumPageBytes = maximumPageBytes
    self.onPage = onPage
    self.onBreak = onBreak
    _ = WikiDumpEvents.library
  }

  deinit { close() }

  /// Reads the beginning of a file, up to the first page or a megabyte. Damage is reported, not thrown. The steps are
  /// small, since a decompressor that meets damage loses what it has unpacked in the same step.
  static func head(of source: any ByteSource) -> WikiDumpHead {
    let reader = WikiDumpReader(maximumPageBytes: 0, onPage: { _ in })
    reader.open()
    var head = WikiDumpHead()
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 64)
    defer { block.deallocate() }
    for _ in 0..<2048 where !reader.isInsidePage && reader.fault == nil {
      let count: Int
      do { count = try source.read(into: block) } catch {
        head.damage = error
        head.isWhole = true
        break
      }
      if count == 0 {
        head.isWhole = true
        break
      }
      var bytes = UnsafeRawBufferPointer(rebasing: block[..<count])
      if head.bytes.isEmpty {
        bytes = withoutLeadingSpace(bytes)
        head.bytes = Array(bytes.prefix(64))
      }
      reader.parse(bytes)
    }
    head.site = reader.site
    head.root = reader.root
    head.hasPage = reader.isInsidePage || reader.root == "page"
    head.isClosed = reader.sawEnd
    return head
  }

  /// White space may not stand before an XML declaration, and does where a dump was copied by hand.
  private static func withoutLeadingSpace(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes.drop { $0 <= 0x20 })
  }

  /// Reads a source to its end.
  /// - Parameters:
  ///   - isFragment: the source starts with a `<page>`, not with `<mediawiki>`.
  ///   - isLast: the source should hold the end of the dump.
  func read(_ source: any ByteSource, isFragment: Bool, isLast: Bool) throws {
    open()
    sawEnd = false
    isSearching = false
    carry = []
    if isFragment { openRoot() }
    var isAtStart = !isFragment
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
    defer { block.deallocate() }
    while true {
      let count: Int
      do {
        count = try source.read(into: block)
      } catch {
        if error.code != .truncated, error.code != .malformed { throw error }
        let goesOn = (source as? Bzip2Streams)?.skipDamaged() ?? false
        try lose(goesOn || error.code == .malformed ? .damaged : .truncated, error.description)
        isSearching = true
        if goesOn { continue }
        break
      }
      if count == 0 { break }
      var bytes = UnsafeRawBufferPointer(rebasing: block[..<count])
      if isAtStart {
        bytes = Self.withoutLeadingSpace(bytes)
        if bytes.isEmpty { continue }
        if bytes.starts(with: "<page>".utf8) { openRoot() }
        isAtStart = false
      }
      try feed(bytes)
    }
    if isInsidePage || isLast && !sawEnd && !isSearching {
      try lose(.truncated, "\(source.name): the dump ends without its closing tag; it was cut off")
    }
    close()
  }

  // MARK: Feeding

  private func feed(_ bytes: UnsafeRawBufferPointer) throws {
    if isSearching {
      carry.append(contentsOf: bytes)
      let all = carry
      carry = []
      try all.withUnsafeBytes { try resume(in: $0, from: 0) }
    } else {
      try feedWhole(bytes)
    }
  }

  /// Parses bytes; after a fault, the rest of them from the next page on.
  private func feedWhole(_ bytes: UnsafeRawBufferPointer) throws {
    let before = fedBytes
    parse(bytes)
    if let failure { throw failure }
    guard let fault else { return }
    try lose(.damaged, "the XML is not well-formed: \(fault.message)")
    try resume(in: bytes, from: min(max(0, fault.position - before), bytes.count))
  }

  private func resume(in bytes: UnsafeRawBufferPointer, from start: Int) throws {
    let marker = StaticString("<page>")
    let length = marker.utf8CodeUnitCount
    var index = start
    while index + length <= bytes.count {
      guard let hit = memchr(bytes.baseAddress! + index, 0x3C, bytes.count - length + 1 - index) else { break }
      index = UnsafeRawPointer(hit) - bytes.baseAddress!
      if memcmp(bytes.baseAddress! + index, marker.utf8Start, length) == 0 {
        isSearching = false
        open()
        openRoot()
        return try feedWhole(UnsafeRawBufferPointer(rebasing: bytes[index...]))
      }
      index += 1
    }
    isSearching = true
    carry = Array(bytes[max(start, bytes.count - length + 1)...])
  }

  private func lose(_ kind: WikiDumpBreak.Kind, _ message: String) throws {
    try onBreak(self, WikiDumpBreak(kind: kind, message: message, isInsidePage: isInsidePage))
    isInsidePage = false
  }

  // MARK: The parser

  private func open() {
    close()
    depth = 0
    root = nil
    field = .none
    isInsidePage = false
    isInsideRevision = false
    fault = nil
    failure = nil
    fedBytes = 0
    var events = WikiDumpEvents.handler
    context = xmlCreatePushParserCtxt(&events, Unmanaged.passUnretained(self).toOpaque(), nil, 0, nil)
    xmlCtxtUseOptions(context, Int32(XML_PARSE_NONET.rawValue))
  }

  private func close() {
    guard let context else { return }
    if let document = context.pointee.myDoc { xmlFreeDoc(document) }
    context.pointee.myDoc = nil
    xmlFreeParserCtxt(context)
    self.context = nil
  }

  private func parse(_ bytes: UnsafeRawBufferPointer) {
    guard fault == nil, let base = bytes.bindMemory(to: CChar.self).baseAddress else { return }
    xmlParseChunk(context, base, Int32(bytes.count), 0)
    fedBytes += bytes.count
    if fault == nil, let context, context.pointee.wellFormed == 0 { fault = ("unknown fault", fedBytes) }
  }

  /// Gives a run of pages a root.
  private func openRoot() {
    var root = "<mediawiki>"
    root.withUTF8 { parse(UnsafeRawBufferPointer($0)) }
  }

  func fail(_ message: String) {
    guard fault == nil else { return }
    fault = (message, max(0, context.map { xmlByteConsumed($0) } ?? 0))
  }

  // MARK: Events

  func start(_ name: UnsafePointer<xmlChar>, _ attributes: WikiDumpAttributes) {
    depth += 1
    if field != .none { return startInField(name, attributes) }
    let element = WikiDumpElement(name)
    if depth == 1 { root = String(cString: name) }
    switch (depth, element) {
    case (1, .mediawiki): if let language = attributes["lang"] { site.language = language }
    case (2, .page):
      page.clear()
      isInsidePage = true
    case (3, .revision) where isInsidePage:
      isInsideRevision = true
      page.clearRevision()
    case (3, .redirect) where isInsidePage: page.isRedirect = true
    default:
      field = WikiDumpField(element, depth: depth, isInsidePage: isInsidePage, isInsideRevision: isInsideRevision)
      if field == .namespace { namespaceKey = attributes["key"].flatMap { Int($0) } ?? 0 }
      fieldDepth = depth
      characters.removeAll(keepingCapacity: true)
    }
  }

  /// An element inside a text: a tag of the wikitext (`<br />`) that the writer of the dump did not escape. It is put
  /// back as it stood; in other fields its content alone is read.
  private func startInField(_ name: UnsafePointer<xmlChar>, _ attributes: WikiDumpAttributes) {
    guard field == .text else { return }
    page.textElements += 1
    var tag = "<" + String(cString: name) + attributes.text + ">"
    tag.withUTF8 { text($0.baseAddress!, $0.count) }
    startTagEnd = page.textBytes
  }

  private func endInField(_ name: UnsafePointer<xmlChar>) {
    guard field == .text else { return }
    var tag = "</" + String(cString: name) + ">"
    if startTagEnd == page.textBytes, page.text.count == page.textBytes {
      page.text.truncate(to: page.text.count - 1)
      page.textBytes -= 1
      tag = " />"
    }
    tag.withUTF8 { text($0.baseAddress!, $0.count) }
    startTagEnd = -1
  }

  func text(_ bytes: UnsafePointer<xmlChar>, _ count: Int) {
    switch field {
    case .none: break
    case .text:
      page.textBytes += count
      if page.textBytes <= maximumPageBytes { page.text.append(bytes, count) }
    default:
      guard characters.count + count <= Self.longestField else { return }
      characters.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
    }
  }

  func end(_ name: UnsafePointer<xmlChar>) {
    if field != .none, depth > fieldDepth {
      endInField(name)
      depth -= 1
      return
    }
    if field != .none { store() }
    field = .none
    switch (depth, WikiDumpElement(name)) {
    case (1, _): sawEnd = true
    case (2, .page) where isInsidePage:
      isInsidePage = false
      if failure == nil { do { try onPage(self) } catch { failure = error } }
    case (3, .revision): isInsideRevision = false
    default: break
    }
    depth -= 1
  }

  private func store() {
    switch field {
    case .none, .text: break
    case .siteName: site.siteName = String(decoding: characters, as: UTF8.self)
    case .databaseName: site.databaseName = String(decoding: characters, as: UTF8.self)
    case .base: site.base = String(decoding: characters, as: UTF8.self)
    case .namespace: site.addNamespace(key: namespaceKey, name: String(decoding: characters, as: UTF8.self))
    case .title: swap(&page.title, &characters)
    case .pageNamespace: swap(&page.namespace, &characters)
    case .id: swap(&page.id, &characters)
    case .revision: swap(&page.revision, &characters)
    case .timestamp: swap(&page.timestamp, &characters)
    case .model: swap(&page.model, &characters)
    }
  }
}

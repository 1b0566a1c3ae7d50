import CXML2
import Glibc
import ShardKit

/// A site's list of pages, or of further lists (https://www.sitemaps.org/protocol.html): XML, or one URL per line.
///
/// Limited as in the protocol: 50 MiB decompressed and 50,000 URLs. Entries before an error are kept.
public struct Sitemap: Equatable {
  public struct Entry: Equatable {
    public var url: String
    /// `lastmod` as written; empty if missing.
    public var modified = ""

    public init(url: String, modified: String = "") {
      self.url = url
      self.modified = modified
    }
  }

  public static let maximumBytes = 50 << 20
  static let maximumEntries = 50_000
  /// In bytes; the protocol's limit is 2,048 characters.
  public static let longestAddress = 8192

  public var pages: [Entry] = []
  public var sitemaps: [Entry] = []
  /// Number of ignored URLs that are longer than any server accepts.
  public var longAddresses = 0
  /// Why it was not read completely.
  public var problem: String?

  /// - Parameter content: the response's body, possibly compressed with gzip.
  public init(_ content: [UInt8]) {
    var bytes = content
    if content.starts(with: [0x1F, 0x8B]) {
      do {
        bytes = try GzipSource(MemorySource(content, name: "it")).readAll(limit: Self.maximumBytes)
      } catch {
        problem = error.code == .tooLarge ? "it has more than 50 MiB" : "its gzip stream is broken"
        return
      }
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    if bytes.first(where: { $0 > 32 }) == UInt8(ascii: "<") {
      SitemapReader(self).read(SitemapRepair.mended(bytes), &self)
    } else {
      readLines(bytes)
    }
  }

  /// The sitemaps that a robots.txt lists.
  public init(robots: [String]) { sitemaps = robots.map { Entry(url: $0) } }

  private mutating func readLines(_ bytes: [UInt8]) {
    for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
      let text = String(decoding: line, as: UTF8.self).filter { $0 > " " }
      guard text.hasPrefix("http") else { continue }
      if text.utf8.count <= Self.longestAddress { add(Entry(url: text), isPage: true) } else { longAddresses += 1 }
    }
    // A site under maintenance may return a notice in place of its list.
    if pages.isEmpty && problem == nil { problem = "it lists no URL" }
  }

  fileprivate mutating func add(_ entry: Entry, isPage: Bool) {
    guard pages.count + sitemaps.count < Self.maximumEntries else {
      problem = "it lists more than \(Self.maximumEntries) URLs"
      return
    }
    if isPage { pages.append(entry) } else { sitemaps.append(entry) }
  }
}

/// libxml2's events for a sitemap. Parsing stops at entity declarations: no entity is expanded, internal or
/// external.
private final class SitemapReader {
  private var found: Sitemap
  private var path: [Name] = []
  private var entry = Sitemap.Entry(url: "")
  private var text: [UInt8] = []
  private var context: xmlParserCtxtPtr?

  private enum Name { case sitemapindex, sitemap, urlset, url, loc, lastmod, other }

  private static let maximumDepth = 64

  init(_ sitemap: Sitemap) { found = sitemap }

  func read(_ bytes: [UInt8], _ sitemap: inout Sitemap) {
    _ = WikiDumpEvents.library
    var handler = Self.handler
    context = xmlCreatePushParserCtxt(&handler, Unmanaged.passUnretained(self).toOpaque(), nil, 0, nil)
    guard let context else { return }
    xmlCtxtUseOptions(context, Int32(XML_PARSE_NONET.rawValue))
    var bound = XMLTagBound()
    bytes.withUnsafeBytes { bytes in
      var at = 0
      while at < bytes.count, found.problem == nil {
        let count = min(1 << 16, bytes.count - at)
        if bound.isExceeded(by: UnsafeRawBufferPointer(rebasing: bytes[at..<(at + count)])) {
          return fail("an element has more than \(XMLTagBound.maximumAttributes) attributes")
        }
        let start = (bytes.baseAddress! + at).assumingMemoryBound(to: CChar.self)
        xmlParseChunk(context, start, Int32(count), 0)
        at += count
      }
      if found.problem == nil { xmlParseChunk(context, nil, 0, 1) }
    }
    if let document = context.pointee.myDoc { xmlFreeDoc(document) }
    context.pointee.myDoc = nil
    xmlFreeParserCtxt(context)
    self.context = nil
    sitemap = found
  }

  private func fail(_ problem: String) {
    if found.problem == nil { found.problem = problem }
    xmlStopParser(context)
  }

  private static var handler: xmlSAXHandler {
    var handler = xmlSAXHandler()
    handler.initialized = UInt32(XML_SAX2_MAGIC)
    handler.startElementNs = { context, name, prefix, space, _, _, _, _, _ in
      let isOwn = prefix == nil || space.map { String(cString: $0).contains("/schemas/sitemap/") } ?? false
      SitemapReader.reader(context).start(String(cString: name!), isOwn: isOwn)
    }
    handler.endElementNs = { context, _, _, _ in SitemapReader.reader(context).end() }
    handler.characters = { context, bytes, count in
      SitemapReader.reader(context).take(UnsafeBufferPointer(start: bytes, count: Int(count)))
    }
    handler.cdataBlock = handler.characters
    handler.entityDecl = { context, _, _, _, _, _ in
      SitemapReader.reader(context).fail("it declares entities, which are not expanded")
    }
    handler.serror = { context, error in
      guard let context, let error, error.pointee.level == XML_ERR_FATAL else { return }
      let message = error.pointee.message.map { String(cString: $0) } ?? "unknown error"
      SitemapReader.reader(context).fail("its XML is not well-formed: \(message.prefix { $0 != "\n" })")
    }
    return handler
  }

  private static func reader(_ context: UnsafeMutableRawPointer?) -> SitemapReader {
    Unmanaged<SitemapReader>.fromOpaque(context!).takeUnretainedValue()
  }

  private func start(_ name: String, isOwn: Bool) {
    guard path.count < Self.maximumDepth else { return fail("it is nested too deeply") }
    path.append(isOwn ? Self.names[name] ?? .other : .other)
    if path.count == 1, path[0] != .urlset, path[0] != .sitemapindex {
      return fail("its root is <\(name.prefix(40))>, not <urlset> or <sitemapindex>")
    }
    if path.count == 2 { entry = Sitemap.Entry(url: "") }
    text.removeAll(keepingCapacity: true)
  }

  private static let names: [String: Name] = [
    "sitemapindex": .sitemapindex, "sitemap": .sitemap, "urlset": .urlset, "url": .url, "loc": .loc,
    "lastmod": .lastmod,
  ]

  private func take(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard path.count == 3 else { return }
    text.append(contentsOf: bytes.prefix(max(0, Sitemap.longestAddress + 1 - text.count)))
  }

  private func end() {
    let name = path.removeLast()
    switch (path.count, name) {
    case (2, .loc) where text.count > Sitemap.longestAddress: found.longAddresses += 1
    case (2, .loc): entry.url = String(decoding: text, as: UTF8.self).filter { $0 > " " }
    case (2, .lastmod): entry.modified = String(decoding: text, as: UTF8.self).filter { $0 > " " }
    case (1, .url) where path[0] == .urlset && !entry.url.isEmpty: found.add(entry, isPage: true)
    case (1, .sitemap) where path[0] == .sitemapindex && !entry.url.isEmpty: found.add(entry, isPage: false)
    default: break
    }
    if found.problem != nil { xmlStopParser(context) }
  }
}

import ShardKit

/// Reads a sitemap in XML. A document that declares entities is not read on: none is expanded, from here or
/// elsewhere.
final class SitemapReader: XMLEvents {
  private var found: Sitemap
  private var path: [Name] = []
  private var entry = Sitemap.Entry(url: "")
  private var text: [UInt8] = []
  private var parser: XMLPushParser?

  private enum Name { case sitemapindex, sitemap, urlset, url, loc, lastmod, other }

  private static let policy = XMLPolicy(maximumDepth: 64, refusesEntityDeclarations: true, blockBytes: 1 << 16)

  init(_ sitemap: Sitemap) { found = sitemap }

  func read(_ bytes: [UInt8], _ sitemap: inout Sitemap) {
    let parser = XMLPushParser(self, policy: Self.policy)
    self.parser = parser
    parser.parse(bytes)
    self.parser = nil
    if let fault = parser.fault, found.problem == nil { found.problem = Self.problem(fault) }
    sitemap = found
  }

  private static func problem(_ fault: XMLFault) -> String {
    switch fault.cause {
    case .malformed(let message): "its XML is not well-formed" + (message.map { ": " + $0 } ?? "")
    case .tooDeep: "it is nested too deeply"
    default: fault.message
    }
  }

  func start(_ tag: XMLStartTag) {
    let name = tag.name.string
    let isOwn = tag.prefix == nil || tag.space?.string.contains("/schemas/sitemap/") ?? false
    path.append(isOwn ? Self.names[name] ?? .other : .other)
    if path.count == 1, path[0] != .urlset, path[0] != .sitemapindex {
      found.problem = "its root is <\(name.prefix(40))>, and not <urlset> or <sitemapindex>"
      parser?.stop()
      return
    }
    if path.count == 2 { entry = Sitemap.Entry(url: "") }
    text.removeAll(keepingCapacity: true)
  }

  private static let names: [String: Name] = [
    "sitemapindex": .sitemapindex, "sitemap": .sitemap, "urlset": .urlset, "url": .url, "loc": .loc,
    "lastmod": .lastmod,
  ]

  func text(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard path.count == 3 else { return }
    text.append(contentsOf: bytes.prefix(max(0, Sitemap.longestAddress + 1 - text.count)))
  }

  func end(_: XMLName, depth: Int) {
    let name = path.removeLast()
    switch (path.count, name) {
    case (2, .loc) where text.count > Sitemap.longestAddress: found.longAddresses += 1
    case (2, .loc): entry.url = String(decoding: text, as: UTF8.self).filter { $0 > " " }
    case (2, .lastmod): entry.modified = String(decoding: text, as: UTF8.self).filter { $0 > " " }
    case (1, .url) where path[0] == .urlset && !entry.url.isEmpty: found.add(entry, isPage: true)
    case (1, .sitemap) where path[0] == .sitemapindex && !entry.url.isEmpty: found.add(entry, isPage: false)
    default: break
    }
    if found.problem != nil { parser?.stop() }
  }
}

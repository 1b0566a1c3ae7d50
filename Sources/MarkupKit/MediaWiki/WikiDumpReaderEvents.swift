import CXML2

/// What the reader makes of the parser's events.
extension WikiDumpReader {
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

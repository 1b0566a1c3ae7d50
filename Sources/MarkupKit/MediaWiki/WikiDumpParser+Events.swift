/// What becomes of the elements and texts.
extension WikiDumpParser: XMLEvents {
  func start(_ tag: XMLStartTag) {
    if field != .none { return startInField(tag) }
    let element = WikiDumpElement(tag.name)
    if tag.depth == 1 {
      root = tag.name.string
      if element == .mediawiki, let language = tag.attributes["lang"] { site.language = language }
    }
    begin(element, depth: tag.depth)
    if field == .namespace { namespaceKey = tag.attributes["key"].flatMap { Int($0) } ?? 0 }
  }

  /// The start of an element that is in no field.
  func begin(_ element: WikiDumpElement, depth: Int) {
    switch (depth, element) {
    case (1, .mediawiki): break
    case (2, .page):
      page.clear()
      isInsidePage = true
    case (3, .revision) where isInsidePage:
      isInsideRevision = true
      page.clearRevision()
    case (3, .redirect) where isInsidePage: page.isRedirect = true
    default:
      field = WikiDumpField(element, depth: depth, isInsidePage: isInsidePage, isInsideRevision: isInsideRevision)
      fieldDepth = depth
      isCut = false
      characters.removeAll(keepingCapacity: true)
    }
  }

  /// An element inside a text: a tag of the wikitext (`<br />`) that the writer of the dump did not escape. It is put
  /// back as it stood; in other fields its content alone is read.
  private func startInField(_ tag: XMLStartTag) {
    guard field == .text else { return }
    page.textElements += 1
    var source = "<" + tag.name.string
    for index in 0..<tag.attributes.count {
      guard let (name, value) = tag.attributes.attribute(index) else { continue }
      source += " \(name.string)=\"\(String(decoding: value, as: UTF8.self).replacing("\"", with: "&quot;"))\""
    }
    source += ">"
    source.withUTF8 { text($0) }
    startTagEnd = page.textBytes
  }

  private func endInField(_ name: XMLName) {
    guard field == .text else { return }
    var tag = "</" + name.string + ">"
    if startTagEnd == page.textBytes, page.text.count == page.textBytes {
      page.text.truncate(to: page.text.count - 1)
      page.textBytes -= 1
      tag = " />"
    }
    tag.withUTF8 { text($0) }
    startTagEnd = -1
  }

  func text(_ bytes: UnsafeBufferPointer<UInt8>) {
    switch field {
    case .none: break
    case .text:
      page.textBytes += bytes.count
      let count = min(bytes.count, maximumPageBytes - page.text.count)
      if count > 0, let base = bytes.baseAddress { page.text.append(base, count) }
    default:
      if isCut { return }
      var count = min(bytes.count, Self.longestField - characters.count)
      isCut = count < bytes.count
      while isCut, count > 0, bytes[count] & 0xC0 == 0x80 { count -= 1 }
      characters.append(contentsOf: bytes[..<count])
    }
  }

  func end(_ name: XMLName, depth: Int) {
    if field != .none, depth > fieldDepth { endInField(name) } else { end(WikiDumpElement(name), depth: depth) }
  }

  /// The end of a field, or of an element that is in none.
  func end(_ element: WikiDumpElement, depth: Int) {
    if field != .none { store() }
    field = .none
    switch (depth, element) {
    case (1, _): sawEnd = true
    case (2, .page) where isInsidePage: completePages.append(takePage())
    case (3, .revision): isInsideRevision = false
    default: break
    }
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

import Glibc
public import ShardKit

/// A source that can be read on behind a place that it cannot read.
protocol PartlyDamagedSource: ByteSource {
  /// Leaves what failed. False where nothing follows it.
  func skipDamaged() throws(ShardError) -> Bool
}

/// Reads a MediaWiki export, or a run of its `<page>` elements, page by page.
///
/// A fault of the XML or of a compressed stream costs the page that it is in: reading resumes at the next `<page>`.
public final class WikiDumpReader {
  public enum Item {
    /// Valid until the next call of `next`.
    case page(WikiDumpPage)
    case damage(WikiDumpBreak)
  }

  private let source: any ByteSource
  private let isLast: Bool
  private let parser: WikiDumpParser
  private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 64)
  /// What was read and not yet returned, from `nextItem` on.
  private var items: [Item] = []
  private var nextItem = 0
  private var isAtStart: Bool
  private var isAtEnd = false
  /// Whether the next `<page>` is searched for.
  private var isSearching = false
  /// The last bytes searched, in which one may begin.
  private var carry: [UInt8] = []

  /// - Parameters:
  ///   - isFragment: the source starts with a `<page>`, not with `<mediawiki>`.
  ///   - isLast: the source should hold the end of the dump.
  ///   - maximumPageBytes: the text of a page beyond this is not kept.
  public init(_ source: any ByteSource, isFragment: Bool, isLast: Bool, maximumPageBytes: Int) {
    self.source = source
    self.isLast = isLast
    isAtStart = !isFragment
    parser = WikiDumpParser(maximumPageBytes: maximumPageBytes)
    if isFragment { parser.open(isFragment: true) }
  }

  deinit { block.deallocate() }

  /// The next page, or the next place that could not be read; nil at the end.
  /// - Throws: what the source throws, except for `.truncated` and `.malformed`, which are returned as damage.
  public func next() throws -> Item? {
    if nextItem > 0, case .page(let page) = items[nextItem - 1] { parser.recycle(page) }
    while nextItem == items.count {
      items.removeAll(keepingCapacity: true)
      nextItem = 0
      if isAtEnd { return nil }
      try readBlock()
    }
    nextItem += 1
    return items[nextItem - 1]
  }

  private func readBlock() throws {
    let count: Int
    do {
      count = try source.read(into: block)
    } catch {
      if error.code != .truncated, error.code != .malformed { throw error }
      let goesOn = try (source as? any PartlyDamagedSource)?.skipDamaged() ?? false
      addDamage(goesOn || error.code == .malformed ? .damaged : .truncated, error.description)
      isSearching = true
      return goesOn ? () : finish()
    }
    if count == 0 { return finish() }
    var bytes = UnsafeRawBufferPointer(rebasing: block[..<count])
    if isAtStart {
      bytes = WikiDumpHead.withoutLeadingSpace(bytes)
      if bytes.isEmpty { return }
      if bytes.starts(with: "<page>".utf8) { parser.open(isFragment: true) }
      isAtStart = false
    }
    if carry.isEmpty { return read(bytes) }
    let all = carry + bytes
    carry = []
    all.withUnsafeBytes { read($0) }
  }

  private func finish() {
    isAtEnd = true
    if parser.isInsidePage || isLast && !parser.sawEnd && !isSearching {
      addDamage(.truncated, "\(source.name): the dump ends without its closing tag; it was cut off")
    }
  }

  /// Parses bytes; after each fault, what follows from the next page on.
  private func read(_ bytes: UnsafeRawBufferPointer) {
    var start = 0
    while true {
      if isSearching {
        guard let page = pageStart(in: bytes, from: start) else { return }
        start = page
        isSearching = false
        parser.open(isFragment: true)
      }
      let before = parser.fedBytes
      parser.feed(UnsafeRawBufferPointer(rebasing: bytes[start...]))
      for page in parser.completePages { items.append(.page(page)) }
      parser.completePages.removeAll(keepingCapacity: true)
      guard let fault = parser.fault else { return }
      addDamage(.damaged, "the XML is not well-formed: \(fault.message)")
      start += min(max(0, fault.position - before), bytes.count - start)
      isSearching = true
    }
  }

  /// The first `<page>` at or after a place. If there is none, the last bytes are kept, in which one may begin.
  private func pageStart(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    let marker = StaticString("<page>")
    let length = marker.utf8CodeUnitCount
    var index = start
    while index + length <= bytes.count {
      guard let hit = memchr(bytes.baseAddress! + index, 0x3C, bytes.count - length + 1 - index) else { break }
      index = UnsafeRawPointer(hit) - bytes.baseAddress!
      if memcmp(bytes.baseAddress! + index, marker.utf8Start, length) == 0 { return index }
      index += 1
    }
    carry = Array(bytes[max(start, bytes.count - length + 1)...])
    return nil
  }

  private func addDamage(_ kind: WikiDumpBreak.Kind, _ message: String) {
    let page = parser.isInsidePage ? parser.takePage() : nil
    items.append(.damage(WikiDumpBreak(kind: kind, message: message, page: page)))
  }
}

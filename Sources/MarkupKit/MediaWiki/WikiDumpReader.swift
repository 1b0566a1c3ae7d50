import Glibc
public import ShardKit

/// A source that can be read on behind a place that it cannot read.
protocol PartlyDamagedSource: ByteSource {
  /// Leaves what failed. False where nothing follows it.
  func skipDamaged() throws(ShardError) -> Bool
}

/// Reads a MediaWiki export, or a run of its `<page>` elements, page by page.
///
/// Pages as MediaWiki writes them are read by `WikiPageScanner`, all else by libxml2. A fault of the XML or of a
/// compressed stream costs the page that it is in: reading resumes at the next `<page>`.
public final class WikiDumpReader {
  public enum Item {
    /// Valid until the next call of `next`.
    case page(WikiDumpPage)
    case damage(WikiDumpBreak)
  }

  /// What is behind the bytes that were read.
  private enum Outlook {
    case more, end
    case damage(WikiDumpBreak.Kind, String, goesOn: Bool)
  }

  private static let pageEnd = Array("</page>".utf8)
  private static let pageStart = Array("<page>".utf8)

  private let source: any ByteSource
  private let isLast: Bool
  private let scansPages: Bool
  private let parser: WikiDumpParser
  private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 19, alignment: 64)
  /// The bytes of the block that are not yet read.
  private var unread = 0..<0
  /// Bytes without which reading on would find nothing new.
  private var wanted = 1
  private var outlook = Outlook.more
  /// What was read and not yet returned, from `nextItem` on.
  private var items: [Item] = []
  private var nextItem = 0
  private var isAtStart: Bool
  private var isAtEnd = false
  /// Whether the next `<page>` is searched for.
  private var isSearching = false

  /// - Parameters:
  ///   - isFragment: the source starts with a `<page>`, not with `<mediawiki>`.
  ///   - isLast: the source should hold the end of the dump.
  ///   - maximumPageBytes: the text of a page beyond this is not kept.
  public convenience init(_ source: any ByteSource, isFragment: Bool, isLast: Bool, maximumPageBytes: Int) {
    self.init(source, isFragment: isFragment, isLast: isLast, maximumPageBytes: maximumPageBytes, scansPages: true)
  }

  /// - Parameter scansPages: if not, libxml2 reads all pages.
  init(_ source: any ByteSource, isFragment: Bool, isLast: Bool, maximumPageBytes: Int, scansPages: Bool) {
    self.source = source
    self.isLast = isLast
    self.scansPages = scansPages
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
      try advance()
    }
    nextItem += 1
    return items[nextItem - 1]
  }

  private func advance() throws {
    if case .more = outlook, unread.count < wanted { return try fill() }
    if !unread.isEmpty { return read(UnsafeRawBufferPointer(rebasing: block[unread])) }
    switch outlook {
    case .more: try fill()
    case .end: finish()
    case .damage(let kind, let message, let goesOn):
      addDamage(kind, message)
      isSearching = true
      outlook = .more
      if !goesOn { finish() }
    }
  }

  /// Adds bytes to the unread ones.
  private func fill() throws {
    if unread.lowerBound > 0 {
      memmove(block.baseAddress!, block.baseAddress! + unread.lowerBound, unread.count)
      unread = 0..<unread.count
    }
    do {
      let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: block[unread.upperBound...]))
      if count == 0 { outlook = .end }
      unread = 0..<unread.count + count
    } catch {
      if error.code != .truncated, error.code != .malformed { throw error }
      let goesOn = try (source as? any PartlyDamagedSource)?.skipDamaged() ?? false
      outlook = .damage(
        goesOn || error.code == .malformed ? .damaged : .truncated, error.description, goesOn: goesOn)
    }
  }

  private func finish() {
    isAtEnd = true
    if parser.isInsidePage || isLast && !parser.sawEnd && !isSearching {
      addDamage(.truncated, "\(source.name): the dump ends without its closing tag; it was cut off")
    }
  }

  // MARK: Unread bytes

  /// Marks bytes as read.
  private func drop(_ count: Int) {
    unread = unread.lowerBound + count..<unread.upperBound
    wanted = 1
  }

  /// Leaves bytes until there are more of them. False if there will not be.
  private func awaitsMore(than count: Int) -> Bool {
    guard case .more = outlook, count <= block.count / 2 else { return false }
    // Twice as many, so that a page that comes in small pieces is not scanned for each. A source is given a quarter of
    // the block at least.
    wanted = min(2 * count, block.count / 4 * 3)
    return true
  }

  /// Reads the next page, what is before it, or bytes up to a page's end.
  private func read(_ bytes: UnsafeRawBufferPointer) {
    if isAtStart { return begin(bytes) }
    if isSearching { return search(bytes) }
    if scansPages, parser.isBetweenPages, scan(bytes) { return }
    let end = Self.place(of: Self.pageEnd, in: bytes).map { $0 + Self.pageEnd.count } ?? bytes.count
    parse(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
  }

  private func begin(_ bytes: UnsafeRawBufferPointer) {
    let trimmed = WikiDumpHead.withoutLeadingSpace(bytes)
    drop(bytes.count - trimmed.count)
    if trimmed.count < Self.pageStart.count, awaitsMore(than: Self.pageStart.count) { return }
    if trimmed.starts(with: Self.pageStart) { parser.open(isFragment: true) }
    isAtStart = false
  }

  /// Goes to the first `<page>`.
  private func search(_ bytes: UnsafeRawBufferPointer) {
    if let page = Self.place(of: Self.pageStart, in: bytes) {
      drop(page)
      isSearching = false
      parser.open(isFragment: true)
    } else {
      let kept = min(bytes.count, Self.pageStart.count - 1)
      drop(bytes.count - kept)
      if !awaitsMore(than: Self.pageStart.count - 1) { drop(kept) }
    }
  }

  /// Reads a page, or white space before one, by the scanner. False if it cannot.
  private func scan(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let start = bytes.firstIndex { $0 != 0x20 && $0 != 0x0A && $0 != 0x09 } ?? bytes.count
    let page = UnsafeRawBufferPointer(rebasing: bytes[start...])
    switch WikiPageScanner.scan(page, into: parser) {
    case .page(let end):
      parser.skip(UnsafeRawBufferPointer(rebasing: bytes[..<(start + end)]))
      drop(start + end)
      takePages()
      return true
    case .incomplete: return awaitsMore(than: bytes.count)
    case .unusual: return false
    }
  }

  /// Passes bytes to libxml2. Behind a fault, reading goes on at the next page.
  private func parse(_ bytes: UnsafeRawBufferPointer) {
    let before = parser.fedBytes
    parser.feed(bytes)
    takePages()
    guard let fault = parser.fault else { return drop(bytes.count) }
    addDamage(.damaged, "the XML is not well-formed: \(fault.message)")
    // It may be before these bytes, in those fed before them.
    drop(min(max(-unread.lowerBound, fault.position - before), bytes.count))
    isSearching = true
  }

  private func takePages() {
    for page in parser.completePages { items.append(.page(page)) }
    parser.completePages.removeAll(keepingCapacity: true)
  }

  private static func place(of marker: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int? {
    var index = 0
    while index + marker.count <= bytes.count,
      let hit = memchr(bytes.baseAddress! + index, Int32(marker[0]), bytes.count - marker.count + 1 - index)
    {
      index = UnsafeRawPointer(hit) - bytes.baseAddress!
      if memcmp(bytes.baseAddress! + index, marker, marker.count) == 0 { return index }
      index += 1
    }
    return nil
  }

  private func addDamage(_ kind: WikiDumpBreak.Kind, _ message: String) {
    let page = parser.isInsidePage ? parser.takePage() : nil
    items.append(.damage(WikiDumpBreak(kind: kind, message: message, page: page)))
  }
}

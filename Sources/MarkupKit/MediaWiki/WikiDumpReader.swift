import Glibc
public import ShardKit

/// Reads a MediaWiki export, or a run of its `<page>` elements, page by page.
///
/// Bytes go into the parser block by block and events come out, so memory is one page. A fault of the XML costs the page
/// that it is in: reading resumes at the next `<page>`.
public final class WikiDumpReader {
  /// Titles are 255 bytes at most; anything longer in a short field is cut.
  static let longestField = 4096

  let maximumPageBytes: Int
  public var site = WikiSite()
  /// The page being read, complete when `onPage` is called.
  public var page = WikiDumpPage()
  var onPage: (WikiDumpReader) throws -> Void
  var onBreak: (WikiDumpReader, WikiDumpBreak) throws -> Void

  /// The first element's name.
  var root: String?
  var field = WikiDumpField.none
  /// The depth of the element that `field` is read from; elements below it stand in its text.
  var fieldDepth = 0
  /// `page.textBytes` behind the last start tag in the text.
  var startTagEnd = -1
  var isInsidePage = false
  var isInsideRevision = false
  var namespaceKey = 0
  var characters: [UInt8] = []
  var sawEnd = false
  var failure: (any Error)?
  var fault: (message: String, position: Int)?
  private var parser: XMLPushParser?
  private var tags = WikiDumpTags()
  private var isSearching = false
  private var carry: [UInt8] = []

  public init(
    maximumPageBytes: Int, onPage: @escaping (WikiDumpReader) throws -> Void,
    onBreak: @escaping (WikiDumpReader, WikiDumpBreak) throws -> Void = { _, _ in }
  ) {
    self.maximumPageBytes = maximumPageBytes
    self.onPage = onPage
    self.onBreak = onBreak
  }

  /// Reads a source to its end.
  /// - Parameters:
  ///   - isFragment: the source starts with a `<page>`, not with `<mediawiki>`.
  ///   - isLast: the source should hold the end of the dump.
  public func read(_ source: any ByteSource, isFragment: Bool, isLast: Bool) throws {
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
    parser = nil
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
    let before = parser?.fedBytes ?? 0
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

  /// Texts are of any length and hold no markup; `WikiDumpTags` bounds tags.
  private static let policy = XMLPolicy(maximumDepth: .max, boundsAttributes: false)

  func open() {
    root = nil
    field = .none
    isInsidePage = false
    isInsideRevision = false
    fault = nil
    failure = nil
    tags = WikiDumpTags()
    parser = XMLPushParser(self, policy: Self.policy)
  }

  func parse(_ bytes: UnsafeRawBufferPointer) {
    guard fault == nil, let parser else { return }
    let limit = tags.overlong(bytes)
    parser.feed(limit.map { UnsafeRawBufferPointer(rebasing: bytes[..<$0]) } ?? bytes)
    if let found = parser.fault {
      fault = (found.line > 0 ? "\(found.message) in line \(found.line)" : found.message, found.position)
    } else if limit != nil {
      fault = ("a tag of more than \(WikiDumpTags.longestBytes) bytes", parser.fedBytes)
    }
  }

  /// Gives a run of pages a root.
  private func openRoot() {
    var root = "<mediawiki>"
    root.withUTF8 { parse(UnsafeRawBufferPointer($0)) }
  }
}

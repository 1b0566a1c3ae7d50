public import ShardKit

/// What the beginning of a file says: whether it is a MediaWiki export, and of which wiki.
///
/// A server's error page saved under a dump's name, a feed or an archive of another form must not pass for a dump
/// without pages.
public struct WikiDumpHead {
  public var site = WikiSite()
  /// The name of the first element; nil where there is none.
  var root: String?
  /// Whether a `<page>` begins.
  var hasPage = false
  /// Whether the root is closed.
  var isClosed = false
  /// The first bytes, unpacked, without the white space before them.
  var bytes: [UInt8] = []
  /// Whether nothing follows what was read.
  var isWhole = false
  /// Why reading stopped, where the file is damaged.
  var damage: ShardError?

  /// Checks that a file is a dump, and not one of which not even the first page is left.
  /// - Throws: `ShardError`: what it is instead (`.malformed`), or why it cannot be read.
  public static func check(_ path: String) throws {
    let head = read(try openSource(path))
    if head.root == "mediawiki" || head.root == "page" {
      guard head.isWhole, !head.hasPage, !head.isClosed else { return }
      throw ShardError(
        .malformed, path, "the dump was cut off before its first page", hint: "Download it again; it has \(sizeHint).")
    }
    if head.root == nil, let damage = head.damage { throw damage }
    throw ShardError(.malformed, path, "this is no MediaWiki dump: \(head.finding)", hint: head.advice)
  }

  private static let sizeHint = "the size that the mirror's list of files says"

  private var finding: String {
    if let root { return "its first element is <\(root)>, not <mediawiki>" }
    if bytes.isEmpty { return "it is empty" }
    return kind.map { "it is \($0.name)" } ?? "it does not begin with XML"
  }

  private var advice: String {
    if let root {
      return root == "html" ? Self.errorPage : "Name a dump, such as jawiki-latest-pages-articles.xml.bz2."
    }
    if bytes.isEmpty { return "Download it again; a dump has \(Self.sizeHint)." }
    return kind?.advice ?? "Name a dump, such as jawiki-latest-pages-articles.xml.bz2."
  }

  private static let errorPage = "A server may have sent an error page in its place: look at it, and download it again."

  /// What other files are known by.
  private var kind: (name: String, advice: String)? {
    let start = bytes.prefix(16).map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    func begins(_ text: String) -> Bool { start.starts(with: text.utf8) }
    if bytes.starts(with: [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]) {
      return ("a 7z archive", "Unpack it first, or take the dump in .bz2: plain, bzip2, gzip, xz and zstd can be read.")
    }
    if bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
      return ("a zip archive", "Unpack it first: plain, bzip2, gzip, xz and zstd can be read.")
    }
    if begins("<!doctype html") || begins("<html") { return ("an HTML page", Self.errorPage) }
    if begins("-- ") || begins("/*!") || begins("insert ") || begins("create ") {
      return ("SQL", "The articles are in the dump named pages-articles.xml.bz2.")
    }
    if begins("{") || begins("[") { return ("JSON", "The articles are in the dump named pages-articles.xml.bz2.") }
    let digits = bytes.prefix { $0 &- 0x30 < 10 }.count
    if digits > 0, digits < bytes.count, bytes[digits] == UInt8(ascii: ":") {
      return ("the index of a multistream dump", "Name it as 'index', and the dump beside it as 'dump'.")
    }
    return nil
  }
}

extension WikiDumpHead {
  /// Reads the beginning of a file, up to the first page or a megabyte. Damage is reported, not thrown. The steps are
  /// small, since a decompressor that meets damage loses what it has unpacked in the same step.
  public static func read(_ source: any ByteSource) -> WikiDumpHead {
    let parser = WikiDumpParser(maximumPageBytes: 0)
    var head = WikiDumpHead()
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 64)
    defer { block.deallocate() }
    for _ in 0..<2048 where !parser.isInsidePage && parser.fault == nil {
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
      parser.feed(bytes)
    }
    head.site = parser.site
    head.root = parser.root
    head.hasPage = parser.isInsidePage || parser.root == "page"
    head.isClosed = parser.sawEnd
    return head
  }

  /// White space may not stand before an XML declaration, and does where a dump was copied by hand.
  static func withoutLeadingSpace(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes.drop { $0 <= 0x20 })
  }
}

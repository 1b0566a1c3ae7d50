import ShardKit

/// Makes pages of the XML of a MediaWiki export, which comes in pieces of any size.
///
/// Memory is one page and those that are complete in one piece; pages that are handed back are used again.
final class WikiDumpParser {
  /// Titles are 255 bytes at most; anything longer in a short field is cut.
  static let longestField = 4096
  private static let sparePages = 16
  /// Texts are of any length and hold no markup; `WikiDumpTags` bounds tags.
  private static let policy = XMLPolicy(maximumDepth: .max, boundsAttributes: false)

  let maximumPageBytes: Int
  var site = WikiSite()
  /// The page being read.
  @exclusivity(unchecked) var page = WikiDumpPage()
  /// Pages that were completed, for whoever feeds the parser to take.
  var completePages: [WikiDumpPage] = []
  /// The first element's name.
  var root: String?
  /// Whether the root is closed.
  var sawEnd = false
  var isInsidePage = false
  /// Why the XML cannot be read on, and the number of bytes before that place.
  private(set) var fault: (message: String, position: Int)?

  // Where the next event is.
  @exclusivity(unchecked) var field = WikiDumpField.none
  /// The depth of the element that `field` is read from; elements below it are part of its text.
  var fieldDepth = 0
  /// `page.textBytes` behind the last start tag in the text.
  var startTagEnd = -1
  var isInsideRevision = false
  var namespaceKey = 0
  var characters: [UInt8] = []
  /// Whether a short field was longer than it may be.
  var isCut = false

  private var parser: XMLPushParser?
  private var tags = WikiDumpTags()
  private var spare: [WikiDumpPage] = []

  init(maximumPageBytes: Int) {
    self.maximumPageBytes = maximumPageBytes
    open()
  }

  /// Bytes fed since `open`.
  var fedBytes: Int { parser?.fedBytes ?? 0 }

  /// Begins a new document. The site that earlier ones told of remains.
  /// - Parameter isFragment: the document starts with a `<page>`, not with `<mediawiki>`.
  func open(isFragment: Bool = false) {
    root = nil
    field = .none
    isInsidePage = false
    isInsideRevision = false
    fault = nil
    tags = WikiDumpTags()
    parser = XMLPushParser(self, policy: Self.policy)
    var root = "<mediawiki>"
    if isFragment { root.withUTF8 { feed(UnsafeRawBufferPointer($0)) } }
  }

  func feed(_ bytes: UnsafeRawBufferPointer) {
    guard fault == nil, let parser else { return }
    let limit = tags.overlong(bytes)
    parser.feed(limit.map { UnsafeRawBufferPointer(rebasing: bytes[..<$0]) } ?? bytes)
    if let found = parser.fault {
      fault = (found.line > 0 ? "\(found.message) in line \(found.line)" : found.message, found.position)
    } else if limit != nil {
      fault = ("a tag of more than \(WikiDumpTags.longestBytes) bytes", parser.fedBytes)
    }
  }

  // MARK: Pages that libxml2 does not see

  /// Whether libxml2 has read all that it was fed, and the next may be a page or the end of all.
  var isBetweenPages: Bool {
    guard let parser else { return false }
    return parser.depth == 1 && parser.hasReadAll && parser.readsUTF8 && !isInsidePage && field == .none
  }

  /// Counts the lines of bytes that are not fed.
  func skip(_ bytes: UnsafeRawBufferPointer) { parser?.skip(lines: WikiPageScanner.lines(bytes)) }

  /// Forgets the page being read, which is read again.
  func abandonPage() {
    field = .none
    isInsidePage = false
    isInsideRevision = false
  }

  // MARK: Pages

  /// The page being read, which is not read on.
  func takePage() -> WikiDumpPage {
    let taken = page
    page = spare.popLast() ?? WikiDumpPage()
    page.clear()
    isInsidePage = false
    return taken
  }

  /// Takes back a page that is not needed any more.
  func recycle(_ page: WikiDumpPage) { if spare.count < Self.sparePages { spare.append(page) } }
}

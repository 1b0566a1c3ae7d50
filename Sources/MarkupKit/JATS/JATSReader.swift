public import ShardKit

/// Builds articles from XML events. A file usually contains one article, sometimes several in a wrapper.
///
/// The state is a stack of open elements and the current collection: a field of the front matter, or a block of text.
/// Skipped elements are skipped completely, from start to end.
public final class JATSReader: XMLEvents {
  let options: JATSTextOptions
  public private(set) var articles: [JATSArticle] = []
  var article = JATSArticle()
  var blocks: JATSBlocks
  private var stack: [JATSElement] = []
  private var articleDepth = 0
  /// The depth of the skipped element; 0 for none.
  private var skipDepth = 0
  private var part = Part.none
  /// The depth of the kept section of the back matter.
  private var backDepth = 0
  private var capture = JATSCapture()
  private var sectionLevel = 0
  /// Open alternatives, with the text collected when they began, and whether one of them is dropped.
  private var alternatives: [(depth: Int, written: Int, isDropped: Bool)] = []

  private enum Part { case none, front, abstract, body, back }

  public init(_ options: JATSTextOptions) {
    self.options = options
    blocks = JATSBlocks(scripts: options.scripts)
  }

  private var depth: Int { stack.count }
  private func parent(_ levels: Int = 1) -> JATSElement? {
    depth > levels ? stack[depth - 1 - levels] : nil
  }

  // MARK: Events

  /// Reads a document. Its entities are the names of HTML 4; any other is left out and counted.
  /// - Throws: `ShardError`: `.malformed` with the line, or `.io` if memory runs out.
  public func read(_ bytes: [UInt8]) throws(ShardError) {
    let parser = XMLPushParser(self, policy: Self.policy)
    parser.parse(bytes)
    if let fault = parser.fault { throw fault.error }
  }

  private static let policy = XMLPolicy(maximumNamespaces: 1024, refusesAttributeDeclarations: true)

  func start(_ tag: XMLStartTag) {
    let element = JATSElement(tag.name), attributes = tag.attributes
    stack.append(element)
    guard skipDepth == 0 else { return }
    if articleDepth == 0 {
      if element == .article { begin(attributes) }
      return
    }
    switch part {
    case .none: startPart(element)
    case .front: startField(element, attributes)
    case .abstract, .body: startText(element, attributes)
    case .back: startBack(element, attributes)
    }
  }

  func end(_ name: XMLName, depth: Int) {
    guard let element = stack.last else { return }
    defer { stack.removeLast() }
    if skipDepth == depth { skipDepth = 0 }
    guard skipDepth == 0, articleDepth > 0 else { return }
    if let (field, value) = capture.end(at: depth) {
      article.take(field, value)
      if capture.isCut, field == .wording || field == .licenseReference { article.license.isCut = true }
    }
    blocks.end(at: depth)
    if let last = alternatives.last, last.depth == depth { endAlternatives(last) }
    switch element {
    case .article where depth == articleDepth: finish()
    case .abstract, .translatedAbstract: if part == .abstract { part = .front }
    case .front, .body, .back: if depth == articleDepth + 1 { part = .none }
    case .section: sectionLevel = max(0, sectionLevel - 1)
    default: break
    }
    if depth == backDepth { backDepth = 0 }
  }

  func text(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard skipDepth == 0, articleDepth > 0 else { return }
    if capture.isOpen { capture.text(bytes) } else { blocks.text(bytes) }
  }

  /// A reference to an entity that XML itself does not define.
  func entity(_ name: XMLName) {
    guard skipDepth == 0 else { return }
    let name = name.buffer
    let reference = [UInt8(ascii: "&")] + name + [UInt8(ascii: ";")]
    let known = reference.withUnsafeBufferPointer { HTMLEntities.decode($0.baseAddress!, 0, $0.count) }
    guard let known, known.length == reference.count, let scalar = Unicode.Scalar(known.scalar) else {
      if article.unknownEntities.count < 16 {
        article.unknownEntities.append(String(decoding: name.prefix(64), as: UTF8.self))
      }
      return
    }
    Array(String(scalar).utf8).withUnsafeBufferPointer { text($0) }
  }

  // MARK: Structure

  private func begin(_ attributes: XMLAttributes) {
    articleDepth = depth
    article = JATSArticle()
    article.type = attributes["article-type"] ?? ""
    article.language = (attributes["lang"] ?? "").lowercased()
    if ["retraction", "retracted-article"].contains(article.type) {
      article.retraction = "its type is \(article.type)"
    }
    blocks = JATSBlocks(scripts: options.scripts)
    part = .none
    (sectionLevel, backDepth) = (0, 0)
    alternatives = []
  }

  private func finish() {
    blocks.finish(&article)
    articles.append(article)
    articleDepth = 0
    part = .none
  }

  private func skip() { skipDepth = depth }

  private func startPart(_ element: JATSElement) {
    switch element {
    case .front: part = .front
    case .body: (part, blocks.target) = (.body, .body)
    case .back: (part, blocks.target) = (.back, .back)
    case .subArticle:
      article.subArticles += 1
      skip()
    default: skip()
    }
  }

  // MARK: Front matter

  private func startField(_ element: JATSElement, _ attributes: XMLAttributes) {
    switch element {
    case .journalTitle: capture.begin(.journal, at: depth)
    case .articleID:
      if parent() == .articleMeta, let field = JATSField(identifier: attributes["pub-id-type"] ?? "") {
        capture.begin(field, at: depth)
      }
    case .year: if parent() == .publicationDate { capture.begin(.year, at: depth) }
    case .articleTitle:
      if parent() == .titleGroup && parent(2) == .articleMeta {
        blocks.target = .title
        blocks.begin(.title, at: depth)
      } else {
        skip()
      }
    case .translatedTitleGroup:
      if let language = attributes["lang"], !options.keepsTranslation(into: language) { skip() }
    case .translatedTitle:
      // The language is given here or in the group.
      let isOfGroup = parent() == .translatedTitleGroup && attributes["lang"] == nil
      guard isOfGroup || options.keepsTranslation(into: attributes["lang"]) else { return skip() }
      blocks.target = .front
      blocks.begin(.paragraph, at: depth)
    case .abstract, .translatedAbstract: startAbstract(element, attributes)
    case .license, .licenseReference, .copyrightStatement: startLicense(element, attributes)
    case .link: if capture.isOpen, let url = attributes["href"] { article.license.add(\.urls, url) }
    case .relatedArticle:
      let type = attributes["related-article-type"] ?? ""
      if type == "retraction-forward" { article.retraction = "a notice retracts it" }
      if !capture.isOpen { skip() }
    case .citation, .superscript, .subscripted, .formula, .displayedFormula, .tex, .lineBreak, .footnote:
      if blocks.isOpen { startInline(element, attributes) }
    case .dropped, .float, .subArticle: skip()
    default: break
    }
  }

  private func startAbstract(_ element: JATSElement, _ attributes: XMLAttributes) {
    let type = attributes["abstract-type"] ?? ""
    let isPicture = ["graphical", "toc", "teaser", "video", "web-summary-image"].contains(type)
    let isWanted = element == .abstract || options.keepsTranslation(into: attributes["lang"])
    guard options.abstracts == .keep, isWanted, !isPicture else { return skip() }
    (part, blocks.target) = (.abstract, .front)
    sectionLevel = 0
  }

  private func startLicense(_ element: JATSElement, _ attributes: XMLAttributes) {
    switch element {
    case .license:
      if let url = attributes["href"] { article.license.add(\.urls, url) }
      if let type = attributes["license-type"] { article.license.add(\.types, type) }
      capture.begin(.wording, at: depth)
    case .licenseReference:
      if let type = attributes["content-type"] { article.license.add(\.types, type) }
      capture.begin(.licenseReference, at: depth)
    default: capture.begin(.wording, at: depth)
    }
  }

  // MARK: Text

  private func startBack(_ element: JATSElement, _ attributes: XMLAttributes) {
    if backDepth > 0 { return startText(element, attributes) }
    switch element {
    case .acknowledgements, .footnote, .backMatter, .section:
      let choice =
        element == .acknowledgements
        ? options.acknowledgements : element == .footnote ? options.footnotes : options.backMatter
      guard choice == .keep else { return skip() }
      backDepth = depth
      if element == .section { sectionLevel = 1 }
    case .dropped, .float: skip()
    default: break
    }
  }

  private func startText(_ element: JATSElement, _ attributes: XMLAttributes) {
    if let last = alternatives.last, last.depth == depth - 1, isLeftOut(element, of: last) { return skip() }
    switch element {
    case .alternatives: alternatives.append((depth, blocks.written, false))
    case .section: sectionLevel += 1
    case .title: blocks.begin(.heading(level: sectionLevel), at: depth)
    case .paragraph: blocks.begin(blocks.isInList ? .item : .paragraph, at: depth)
    case .listItem: blocks.begin(.item, at: depth)
    case .line: blocks.begin(.item, at: depth)
    case .preformatted: blocks.begin(.preformatted, at: depth)
    case .quote: blocks.begin(.paragraph, at: depth)
    case .acknowledgements: if options.acknowledgements == .drop { skip() }
    case .backMatter: if options.backMatter == .drop { skip() }
    case .float:
      blocks.leaveOut(isDisplayed: true)
      skip()
    case .dropped, .subArticle, .front, .relatedArticle: skip()
    default: startInline(element, attributes)
    }
  }

  /// Of alternatives, the first with text is read; pictures, and formulas that are not TeX, do not count.
  private func isLeftOut(_ element: JATSElement, of all: (depth: Int, written: Int, isDropped: Bool)) -> Bool {
    guard blocks.written == all.written else { return true }
    guard element == .float || element == .dropped || element == .formula && !blocks.isInFormula else { return false }
    alternatives[alternatives.count - 1].isDropped = true
    return true
  }

  private func endAlternatives(_ all: (depth: Int, written: Int, isDropped: Bool)) {
    alternatives.removeLast()
    if all.isDropped, blocks.written == all.written { blocks.leaveOut(isDisplayed: true) }
  }

  private func startInline(_ element: JATSElement, _ attributes: XMLAttributes) {
    switch element {
    case .citation:
      switch attributes["ref-type"] ?? "" {
      case "bibr": blocks.beginCitation(at: depth)
      case "fn", "table-fn", "aff", "corresp", "author-notes", "contrib":
        blocks.leaveOut()
        skip()
      default: break
      }
    case .superscript, .subscripted: blocks.beginScript(isRaised: element == .superscript, at: depth)
    case .formula, .displayedFormula, .tex:
      if options.formulas == .drop {
        blocks.leaveOut(isDisplayed: element == .displayedFormula)
        skip()
      } else {
        blocks.beginFormula(isTeX: element == .tex, isDisplayed: element == .displayedFormula, at: depth)
      }
    case .footnote:
      if options.footnotes == .drop { skip() } else { blocks.beginFootnote(at: depth) }
    case .lineBreak: [UInt8(10)].withUnsafeBufferPointer { blocks.text($0) }
    default: break
    }
  }
}

/// Collects an article's text block by block.
///
/// Blocks may be nested: a list within a paragraph ends the text before it, and the paragraph continues after it as a
/// separate block. A footnote is collected separately, and its paragraph continues as if it were not there.
struct JATSBlocks {
  enum Target { case title, front, body, back }

  var target = Target.body
  private let scripts: JATSTextOptions.Scripts
  private var current = Inline()
  /// Paragraphs interrupted by footnotes.
  private var interrupted: [(inline: Inline, target: Target, depth: Int)] = []
  private var blocks: [(target: Target, block: JATSArticle.Block)] = []

  /// The text being collected, at one level of footnotes.
  private struct Inline {
    var open: [(kind: JATSArticle.Block.Kind, depth: Int)] = []
    var bytes: [UInt8] = []
    var raised: [(start: Int, isRaised: Bool, depth: Int)] = []
    var citationDepth = 0
    var formula: Formula?
  }

  private struct Formula {
    var depth: Int
    var isDisplayed: Bool
    var texDepth: Int
    var tex: [UInt8] = []
  }

  init(scripts: JATSTextOptions.Scripts) { self.scripts = scripts }

  var isOpen: Bool { !current.open.isEmpty }
  var isInFormula: Bool { current.formula != nil }
  /// Increases with the collected text.
  var written: Int { blocks.count << 32 | current.bytes.count }
  var isInList: Bool { current.open.last?.kind == .item }

  mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard isOpen else { return }
    if let formula = current.formula {
      if formula.texDepth > 0 { current.formula?.tex.append(contentsOf: bytes) }
    } else {
      current.bytes.append(contentsOf: bytes)
    }
  }

  // MARK: Blocks

  mutating func begin(_ kind: JATSArticle.Block.Kind, at depth: Int) {
    flush()
    current.open.append((kind, depth))
  }

  mutating func beginFootnote(at depth: Int) {
    interrupted.append((current, target, depth))
    current = Inline()
    target = .back
  }

  /// Ends all that began at this depth.
  mutating func end(at depth: Int) {
    if let formula = current.formula { endFormula(formula, at: depth) }
    if let script = current.raised.last, script.depth == depth { endScript(script) }
    if current.citationDepth == depth { endCitation() }
    if let block = current.open.last, block.depth == depth {
      flush()
      current.open.removeLast()
    }
    if let last = interrupted.last, last.depth == depth {
      interrupted.removeLast()
      (current, target) = (last.inline, last.target)
    }
  }

  private mutating func flush() {
    if current.citationDepth > 0 { endCitation() }
    current.raised.removeAll()
    current.formula = nil
    guard let kind = current.open.last?.kind, !current.bytes.isEmpty else { return }
    let text = BlockText.finished(current.bytes, isPreformatted: kind == .preformatted)
    current.bytes.removeAll(keepingCapacity: true)
    if !text.isEmpty, kind != .paragraph || !BlockText.isIdentifier(text) {
      blocks.append((target, JATSArticle.Block(kind: kind, text: text)))
    }
  }

  /// Passes the blocks to the article; a subtitle follows its title.
  mutating func finish(_ article: inout JATSArticle) {
    for (target, block) in blocks {
      switch target {
      case .title:
        if !article.title.isEmpty { article.title += Array(": ".utf8) }
        article.title += block.text
      case .front: article.front.append(block)
      case .body: article.body.append(block)
      case .back: article.back.append(block)
      }
    }
    blocks = []
  }

  // MARK: Inside blocks

  mutating func beginCitation(at depth: Int) {
    guard isOpen, current.citationDepth == 0, current.formula == nil else { return }
    current.bytes.append(BlockText.citationStart)
    current.citationDepth = depth
  }

  private mutating func endCitation() {
    current.bytes.append(BlockText.citationEnd)
    current.citationDepth = 0
  }

  /// Marks the position of something removed, so that the space around it can be closed.
  /// - Parameter isDisplayed: whether it was on a separate line, so that the words around it must not be joined.
  mutating func leaveOut(isDisplayed: Bool = false) {
    guard isOpen, current.citationDepth == 0, current.formula == nil else { return }
    let mark = [BlockText.citationStart, BlockText.citationEnd]
    // Line ends, which are not a space between two Japanese characters.
    current.bytes += isDisplayed ? [10] + mark + [10] : mark
  }

  mutating func beginScript(isRaised: Bool, at depth: Int) {
    guard isOpen, scripts == .unicode, current.citationDepth == 0, current.formula == nil else { return }
    current.raised.append((current.bytes.count, isRaised, depth))
  }

  private mutating func endScript(_ script: (start: Int, isRaised: Bool, depth: Int)) {
    current.raised.removeLast()
    guard let form = BlockText.script(current.bytes[script.start...], isRaised: script.isRaised) else { return }
    current.bytes.replaceSubrange(script.start..., with: form)
  }

  // MARK: Formulas

  mutating func beginFormula(isTeX: Bool, isDisplayed: Bool, at depth: Int) {
    guard isOpen else { return }
    if current.formula == nil {
      current.formula = Formula(depth: depth, isDisplayed: isDisplayed, texDepth: isTeX ? depth : 0)
    } else if isTeX, current.formula?.tex.isEmpty == true {
      current.formula?.texDepth = depth
    }
  }

  private mutating func endFormula(_ formula: Formula, at depth: Int) {
    if formula.texDepth == depth { current.formula?.texDepth = 0 }
    guard formula.depth == depth else { return }
    current.formula = nil
    let tex = TeXFormula.body(formula.tex)
    guard !tex.isEmpty else { return leaveOut(isDisplayed: formula.isDisplayed) }
    let (opening, closing) = formula.isDisplayed ? (" $$", "$$ ") : ("$", "$")
    current.bytes += Array(opening.utf8) + tex + Array(closing.utf8)
  }
}

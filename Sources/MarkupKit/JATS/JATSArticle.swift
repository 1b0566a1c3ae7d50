/// A parsed article: its metadata, and its text in blocks.
public struct JATSArticle {
  public var type = ""
  /// The primary language as written, in lower case: `en`, `ja`.
  public var language = ""
  public var journal = ""
  public var pmcid = ""
  public var pmid = ""
  public var doi = ""
  /// The earliest year of publication.
  public var year: Int?
  public var license = LicenseStatements()
  /// Why the article counts as retracted; nil if it does not.
  public var retraction: String?
  public var title: [UInt8] = []
  /// Everything except the body: abstracts, translated titles.
  var front: [Block] = []
  public var body: [Block] = []
  var back: [Block] = []
  public var subArticles = 0
  public var unknownEntities: [String] = []

  public struct Block {
    enum Kind: Equatable { case title, heading(level: Int), paragraph, item, preformatted }
    var kind: Kind
    var text: [UInt8]

    var level: Int? { if case .heading(let level) = kind { level } else { nil } }
  }

  /// Blocks separated by an empty line; list items by a line end only.
  public func text() -> [UInt8] {
    let parts = [front, body, back].flatMap(withoutBareHeadings)
    let blocks = (title.isEmpty ? [] : [Block(kind: .title, text: title)]) + parts
    var out: [UInt8] = []
    var last: Block.Kind?
    for block in blocks {
      if let last { out.append(contentsOf: last == .item && block.kind == .item ? [10] : [10, 10]) }
      out.append(contentsOf: block.text)
      last = block.kind
    }
    return out
  }

  /// Removes headings of sections that had only removed content (tables, files).
  private func withoutBareHeadings(_ blocks: [Block]) -> [Block] {
    var kept: [Block] = []
    for block in blocks.reversed() {
      if let level = block.level {
        guard let below = kept.last, below.level ?? .max > level else { continue }
      }
      kept.append(block)
    }
    return kept.reversed()
  }
}

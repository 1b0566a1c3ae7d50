import MarkupKit
public import PipelineKit
import ShardKit
import TextKit

/// How text is extracted from web pages, and which pages are kept.
public struct ExtractionOptions: StageOptions {
  @Option(
    "Drops what surrounds a page's text (navigation, headers, footers, link lists), or keeps all visible text.")
  var boilerplate = PageExtraction.Boilerplate.drop
  @Option("Shorter blocks are classified by their neighbors.", in: 0...100_000) var minimumParagraphCharacters = 30
  @Option(
    "Blocks of prose with at least this many characters are text, whatever their neighbors are.", in: 0...1_000_000)
  var longParagraphCharacters = 80
  @Option(
    "Blocks with a larger fraction of their characters in links are not text. Long blocks may have up to 0.5.",
    in: 0...1, formerly: "maximumLinkDensity")
  var maximumLinkFraction = 0.33
  @Option("Texts with fewer characters are dropped.", in: 0...1_000_000_000) var minimumCharacters = 100
  @Option("Drops ruby readings, or keeps them in parentheses after their base.") var ruby = AozoraNotation.Ruby.drop
  @Option("Pages with one of these robots directives, in a meta tag or X-Robots-Tag, are dropped.")
  var refusedDirectives = PageExtraction.defaultDirectives
  @Option("Pages with a larger fraction of undecodable characters are dropped.", in: 0...1)
  var maximumReplacedFraction = 0.02
  @Option("Larger pages and records are dropped.", in: ByteCount(1024)...ByteCount.gibibytes(1))
  var maximumPageBytes = ByteCount.mebibytes(8)
  @Option("The source of the documents.") var source: String = ""

  public init() {}

  init(source: String) { self.source = source }
}

extension ExtractionOptions {
  static var names: Set<String> { Set(fields.map(\.name)) }

  var extraction: PageExtraction {
    PageExtraction(
      boilerplate: boilerplate,
      removal: BoilerplateRemoval(
        minimumParagraphCharacters: minimumParagraphCharacters,
        longParagraphCharacters: longParagraphCharacters,
        maximumLinkFraction: maximumLinkFraction),
      minimumCharacters: minimumCharacters, keepsRuby: ruby == .keep,
      refusedDirectives: Set(refusedDirectives.map { $0.lowercased() }),
      maximumReplacedFraction: maximumReplacedFraction, maximumPageBytes: maximumPageBytes.bytes)
  }

  func validate() throws {
    guard longParagraphCharacters >= minimumParagraphCharacters else {
      throw StageError(
        .options, "longParagraphCharacters",
        "\"longParagraphCharacters\" (\(longParagraphCharacters)) is less than \"minimumParagraphCharacters\" "
          + "(\(minimumParagraphCharacters))")
    }
  }
}

extension PageExtraction.Boilerplate: OptionChoice {}

import MarkupKit
public import PipelineKit
import ShardKit
import TextKit

/// How texts are made of web pages, and which are kept.
public struct ExtractionOptions: StageOptions {
  @Option(
    "Drops what stands around a page's text (navigation, heads, feet, lists of links), or keeps all that is shown.")
  var boilerplate = PageExtraction.Boilerplate.drop
  @Option("A shorter block of a page is judged by its neighbors.", in: 0...100_000) var minimumParagraphCharacters = 30
  @Option("A block of prose of so many characters is text whatever stands beside it.", in: 0...1_000_000)
  var longParagraphCharacters = 80
  @Option(
    "A block with a larger part of its characters in links is no text; of a long one half of them may be.", in: 0...1,
    formerly: "maximumLinkDensity")
  var maximumLinkFraction = 0.33
  @Option("Texts with fewer characters are dropped.", in: 0...1_000_000_000) var minimumCharacters = 100
  @Option("Drops readings, or keeps them in parentheses behind their base.") var ruby = AozoraNotation.Ruby.drop
  @Option("Pages that say one of these of themselves to robots, in their head or as X-Robots-Tag, are dropped.")
  var refusedDirectives = PageExtraction.defaultDirectives
  @Option("A page with a larger part of its characters in no encoding is dropped.", in: 0...1)
  var maximumReplacedFraction = 0.02
  @Option("Larger pages and records are dropped.", in: ByteCount(1024)...ByteCount.gibibytes(1))
  var maximumPageBytes = ByteCount.mebibytes(8)
  @Option("The documents' source.") var source: String = ""

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

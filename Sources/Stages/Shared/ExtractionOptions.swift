import MarkupKit
import PipelineKit
import ShardKit
import TextKit

/// How texts are made of web pages, and which are kept.
struct PageSettings: Sendable {
  var boilerplate = PageExtraction.Boilerplate.drop
  var minimumParagraphCharacters = 30
  var longParagraphCharacters = 80
  var maximumLinkDensity = 0.33
  var minimumCharacters = 100
  var ruby = AozoraNotation.Ruby.drop
  var refusedDirectives = PageExtraction.defaultDirectives
  var maximumReplacedFraction = 0.02
  var maximumPageBytes = ByteCount.mebibytes(8)
  var source: String
}

/// The options of a stage that makes texts of web pages.
protocol ExtractionOptions: StageOptions {
  var page: PageSettings { get set }
}

extension ExtractionOptions {
  static var extractionFields: [OptionField<Self>] {
    [
      OptionField(
        "boilerplate", \Self.page.boilerplate,
        "Drops what stands around a page's text (navigation, heads, feet, lists of links), or keeps all that is shown."),
      OptionField(
        "minimumParagraphCharacters", \Self.page.minimumParagraphCharacters,
        "A shorter block of a page is judged by its neighbours.", in: 0...100_000),
      OptionField(
        "longParagraphCharacters", \Self.page.longParagraphCharacters,
        "A block of prose of so many characters is text whatever stands beside it.", in: 0...1_000_000),
      OptionField(
        "maximumLinkDensity", \Self.page.maximumLinkDensity,
        "A block with a larger part of its characters in links is no text; of a long one half of them may be.",
        in: 0...1),
      OptionField(
        "minimumCharacters", \Self.page.minimumCharacters, "Texts with fewer characters are dropped.",
        in: 0...1_000_000_000),
      OptionField("ruby", \Self.page.ruby, "Drops readings, or keeps them in parentheses behind their base."),
      OptionField(
        "refusedDirectives", \Self.page.refusedDirectives,
        "Pages that say one of these of themselves to robots, in their head or as X-Robots-Tag, are dropped."),
      OptionField(
        "maximumReplacedFraction", \Self.page.maximumReplacedFraction,
        "A page with a larger part of its characters in no encoding is dropped.", in: 0...1),
      OptionField(
        "maximumPageBytes", \Self.page.maximumPageBytes, "Larger pages and records are dropped.",
        in: ByteCount(1024)...ByteCount.gibibytes(1)),
      OptionField("source", \Self.page.source, "The documents' source."),
    ]
  }

  static var extractionNames: Set<String> { Set(extractionFields.map(\.name)) }

  var extraction: PageExtraction {
    PageExtraction(
      boilerplate: page.boilerplate,
      removal: BoilerplateRemoval(
        minimumParagraphCharacters: page.minimumParagraphCharacters,
        longParagraphCharacters: page.longParagraphCharacters,
        maximumLinkDensity: page.maximumLinkDensity),
      minimumCharacters: page.minimumCharacters, keepsRuby: page.ruby == .keep,
      refusedDirectives: Set(page.refusedDirectives.map { $0.lowercased() }),
      maximumReplacedFraction: page.maximumReplacedFraction, maximumPageBytes: page.maximumPageBytes.bytes)
  }

  func validateExtraction() throws {
    guard page.longParagraphCharacters >= page.minimumParagraphCharacters else {
      throw StageError(
        .options, "longParagraphCharacters",
        "\"longParagraphCharacters\" (\(page.longParagraphCharacters)) is less than \"minimumParagraphCharacters\" "
          + "(\(page.minimumParagraphCharacters))")
    }
  }
}

extension PageExtraction.Boilerplate: OptionChoice {}

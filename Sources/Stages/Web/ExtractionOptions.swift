import PipelineKit
import ShardKit

/// The options of a stage that makes texts of web pages.
protocol ExtractionOptions: StageOptions {
  var boilerplate: PageExtraction.Boilerplate { get set }
  var minimumParagraphCharacters: Int { get set }
  var longParagraphCharacters: Int { get set }
  var maximumLinkDensity: Double { get set }
  var minimumCharacters: Int { get set }
  var ruby: AozoraRead.Ruby { get set }
  var refusedDirectives: [String] { get set }
  var maximumReplacedFraction: Double { get set }
  var maximumPageBytes: ByteCount { get set }
  var source: String { get set }
}

extension ExtractionOptions {
  static var extractionFields: [OptionField<Self>] {
    [
      OptionField(
        "boilerplate", \Self.boilerplate,
        "Drops what stands around a page's text (navigation, heads, feet, lists of links), or keeps all that is shown."),
      OptionField(
        "minimumParagraphCharacters", \Self.minimumParagraphCharacters,
        "A shorter block of a page is judged by its neighbours.", in: 0...100_000),
      OptionField(
        "longParagraphCharacters", \Self.longParagraphCharacters,
        "A block of prose of so many characters is text whatever stands beside it.", in: 0...1_000_000),
      OptionField(
        "maximumLinkDensity", \Self.maximumLinkDensity,
        "A block with a larger part of its characters in links is no text.", in: 0...1),
      OptionField(
        "minimumCharacters", \Self.minimumCharacters, "Texts with fewer characters are dropped.", in: 0...1_000_000_000),
      OptionField("ruby", \Self.ruby, "Drops readings, or keeps them in parentheses behind their base."),
      OptionField(
        "refusedDirectives", \Self.refusedDirectives,
        "Pages that say one of these of themselves to robots, in their head or as X-Robots-Tag, are dropped."),
      OptionField(
        "maximumReplacedFraction", \Self.maximumReplacedFraction,
        "A page with a larger part of its characters in no encoding is dropped.", in: 0...1),
      OptionField(
        "maximumPageBytes", \Self.maximumPageBytes, "Larger pages and records are dropped.",
        in: ByteCount(1024)...ByteCount.gibibytes(1)),
      OptionField("source", \Self.source, "The documents' source."),
    ]
  }

  static var extractionNames: Set<String> { Set(extractionFields.map(\.name)) }

  var extraction: PageExtraction {
    PageExtraction(
      boilerplate: boilerplate,
      removal: BoilerplateRemoval(
        minimumParagraphCharacters: minimumParagraphCharacters, longParagraphCharacters: longParagraphCharacters,
        maximumLinkDensity: maximumLinkDensity),
      minimumCharacters: minimumCharacters, keepsRuby: ruby == .keep,
      refusedDirectives: Set(refusedDirectives.map { $0.lowercased() }),
      maximumReplacedFraction: maximumReplacedFraction, maximumPageBytes: maximumPageBytes.bytes)
  }

  func validateExtraction() throws {
    guard longParagraphCharacters >= minimumParagraphCharacters else {
      throw StageError(
        .options, "longParagraphCharacters",
        "\"longParagraphCharacters\" (\(longParagraphCharacters)) is less than \"minimumParagraphCharacters\" "
          + "(\(minimumParagraphCharacters))")
    }
  }
}

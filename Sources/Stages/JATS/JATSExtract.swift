public import MarkupKit
public import PipelineKit
import ShardKit

/// Extracts the text of scientific papers from JATS XML, as in PMC's Open Access subset, filtered by license.
///
/// Two phases: `list` converts PMC's list of files, which may have millions of rows, to a searchable table on disk;
/// `extract` reads the articles, one task per archive or per group of small files. Memory: one article.
public struct JATSExtract: Stage {
  public struct Options: StageOptions {
    @Option(
      "Articles (.xml, .nxml), zips or tars (each plain or compressed), or folders of them; required unless wired."
    )
    public var articles = InputFiles()
    @Option(
      "PMC's lists of files (oa_file_list.csv, or those of the bulk packages): another source of licenses and the only "
        + "one of retractions.", holdsRecords: false)
    public var list = InputFiles()
    @Option(
      "Licenses to keep, in any version. The default ones permit commercial use and adaptations. If sources "
        + "disagree, the conditions of all of them apply.")
    public var licenses: [LicenseName] = [.zero, .publicDomain, .by, .bySA]
    @Option("What to do with articles of unknown license.") public var unknownLicense = Choice.drop
    @Option("Keeps only articles of these types, such as research-article. Empty: all.")
    public var articleTypes: [String] = []
    @Option("What to do with articles that have only front matter.") public var withoutBody = Choice.drop
    @Option("Abstracts and summaries; graphical and one-line ones are never kept.")
    public var abstracts = JATSTextOptions.Part.keep
    @Option("Languages of translated abstracts and titles to keep; \"*\": all.")
    public var translatedAbstracts = ["ja"]
    @Option("Acknowledgements.") public var acknowledgements = JATSTextOptions.Part.drop
    @Option("Footnotes; kept ones are placed at the end.") public var footnotes = JATSTextOptions.Part.drop
    @Option("Appendices, notes, glossaries and sections after the body.") public var backMatter = JATSTextOptions.Part
      .drop
    @Option("Drops formulas, or keeps those given in TeX, between dollar signs.") public var formulas = JATSTextOptions
      .Formulas.drop
    @Option("Writes superscript and subscript digits in Unicode (CO₂, 10⁻⁶), or as plain digits.")
    public var scripts = JATSTextOptions.Scripts.unicode
    @Option("Shorter texts are dropped.", in: 0...1_000_000_000) public var minimumBytes = 500
    @Option("Articles with more XML are dropped.") public var maximumArticleBytes = ByteCount.mebibytes(64)
    @Option("Fails on a damaged archive, or drops and reports its unreadable articles.")
    public var damagedArchives = DamagedArchives.fail
    @Option("The source of the documents.") public var source = "pmc"

    public init() {}

    var text: JATSTextOptions {
      JATSTextOptions(
        translatedAbstracts: translatedAbstracts, abstracts: abstracts, acknowledgements: acknowledgements,
        footnotes: footnotes, backMatter: backMatter, formulas: formulas, scripts: scripts)
    }
  }

  public enum Choice: String, CaseIterable, OptionChoice { case drop, keep }
  public enum DamagedArchives: String, CaseIterable, OptionChoice { case fail, drop }

  public static let name = "jats.extract"
  public static let revision = 3
  public static let summary = "Extracts the text of papers in JATS XML (PMC Open Access), by license."
  static let fetched = Input<Files>(
    "files", "Articles or archives fetched by another stage.", required: false, many: true)
  static let listed = Output<Intermediate>("listed", "Licenses by article.", hidden: true)
  static let documents = Output<Documents>("documents", "One document per article, with its license as metadata.")
  public static let inputs = [fetched.port]
  public static let outputs = [listed.port, documents.port]
  public enum Phase: String, StagePhase { case list, extract }
  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .list: ["list"]
    case .extract: nil
    }
  }

  private static let smallFilesBytesPerTask: Int64 = 64 << 20

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    if options.licenses.isEmpty && options.unknownLicense == .drop {
      throw StageError(
        .options, "licenses", "allows no license, so nothing would be kept",
        hint: "Name some, such as \(LicenseName.allCases.prefix(3).map(\.rawValue).joined(separator: ", ")).")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .list:
      let lists = options.list.isEmpty ? [] : try context.files(options.list)
      return lists.isEmpty ? [] : [TaskPlan(key: "list", inputs: [.main: lists], memoryBytes: 160 << 20)]
    case .extract: return try extractTasks(context)
    }
  }

  private func extractTasks(_ context: PlanningContext) throws -> [TaskPlan] {
    let articles = try context.files(Self.fetched, and: options.articles, named: "articles").filter {
      ArticleContainer.kind($0.name) != nil
    }
    guard !articles.isEmpty else {
      throw StageError(
        .input, options.articles.isEmpty ? "files" : options.articles.paths.joined(separator: ", "),
        "the given or wired files contain no .xml, .nxml, .tar or .zip of articles",
        hint: "Name a folder of articles, or PMC's packages.")
    }
    let listed = context.files(Self.listed)
    return TaskPlan.grouped(articles, bytes: Self.smallFilesBytesPerTask, memoryBytes: memoryBytes(articles)).map {
      $0.with(inputs: ["list": listed])
    }
  }

  /// The XML of the largest article, its text in two forms, and the table's pages.
  private func memoryBytes(_ articles: [ArtifactFile]) -> Int {
    let largest = articles.reduce(0) {
      max($0, ArticleContainer.kind($1.name) == .article(isPacked: false) ? Int(clamping: $1.bytes) : 8 << 20)
    }
    return min(largest, options.maximumArticleBytes.bytes) * 4 + 48 << 20
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .list: try ArticleList.write(workspace)
    case .extract:
      let list = try workspace.files("list").first.map { try ArticleList($0.path) }
      try JATSExtractTask(options, workspace, list).run(workspace.files(.main))
    }
  }
}
extension JATSTextOptions.Part: OptionChoice {}
extension JATSTextOptions.Formulas: OptionChoice {}
extension JATSTextOptions.Scripts: OptionChoice {}
extension LicenseName: OptionChoice {}

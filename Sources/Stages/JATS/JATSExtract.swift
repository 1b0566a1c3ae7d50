public import MarkupKit
public import PipelineKit
import ShardKit

/// Extracts the text of scientific papers from JATS XML, as PMC's Open Access subset has it, by their licenses.
///
/// Two phases: `list` makes PMC's list of files, which may have millions of rows, into a table that can be searched on
/// disk; `extract` reads the articles, a task for an archive or for some small files. Memory is one article.
public struct JATSExtract: Stage {
  public struct Options: StageOptions {
    @Option(
      "Articles (.xml, .nxml), zips or tars (each plain or compressed), or folders of them; needed where none are wired."
    )
    public var articles = InputFiles()
    @Option(
      "PMC's lists of files (oa_file_list.csv, or those of the bulk packages): a second source for licenses and the one "
        + "for retractions.", holdsRecords: false)
    public var list = InputFiles()
    @Option(
      "The licenses that are kept, whatever their version. The default permits commercial use and changed copies; where "
        + "sources disagree, the conditions of all of them count.")
    public var licenses: [LicenseName] = [.zero, .publicDomain, .by, .bySA]
    @Option("What happens to an article whose license nothing tells.") public var unknownLicense = Choice.drop
    @Option("Keeps articles of these types only, such as research-article. Empty keeps all.")
    public var articleTypes: [String] = []
    @Option("What happens to an article of which only the front matter is there.") public var withoutBody = Choice.drop
    @Option("Abstracts and summaries; those made of a picture or one line are never kept.")
    public var abstracts = JATSTextOptions.Part.keep
    @Option("The languages of which translated abstracts and titles are kept; \"*\" for all.")
    public var translatedAbstracts = ["ja"]
    @Option("Acknowledgements.") public var acknowledgements = JATSTextOptions.Part.drop
    @Option("Footnotes; kept ones stand at the end.") public var footnotes = JATSTextOptions.Part.drop
    @Option("Appendices, notes, glossaries and sections behind the body.") public var backMatter = JATSTextOptions.Part
      .drop
    @Option("Drops formulas, or keeps those written in TeX between dollar signs.") public var formulas = JATSTextOptions
      .Formulas.drop
    @Option("Writes raised and lowered digits as Unicode has them (CO₂, 10⁻⁶), or as plain ones.")
    public var scripts = JATSTextOptions.Scripts.unicode
    @Option("Shorter texts are dropped.", in: 0...1_000_000_000) public var minimumBytes = 500
    @Option("Articles with more XML are dropped.") public var maximumArticleBytes = ByteCount.mebibytes(64)
    @Option("Stops at an archive that is damaged, or drops what cannot be read of it and names it.")
    public var damagedArchives = DamagedArchives.fail
    @Option("The documents' source.") public var source = "pmc"

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
  public static let summary = "Extracts the text of papers in JATS XML (PMC Open Access), by their licenses."
  static let fetched = Input<Files>(
    "files", "Articles or archives that another stage fetched.", required: false, many: true)
  static let listed = Output<Counts>("listed", "Licenses by article.", hidden: true)
  static let documents = Output<Documents>("documents", "One article a document, with its license as metadata.")
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
        .options, "licenses", "no license is allowed, so that nothing can be kept",
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
        "what is wired or named holds no .xml, .nxml, .tar or .zip of articles",
        hint: "Name a folder of articles, or PMC's packages.")
    }
    let listed = context.files(Self.listed)
    return TaskPlan.grouped(articles, bytes: Self.smallFilesBytesPerTask, memoryBytes: memoryBytes(articles)).map {
      $0.with(inputs: ["list": listed])
    }
  }

  /// The XML of the largest article, its text in two states, and the table's pages.
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

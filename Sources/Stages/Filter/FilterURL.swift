public import PipelineKit
import ShardKit
import TextKit

/// Drops documents by the URL in their metadata: lists of domains and URLs, opt-outs, and words.
///
/// The phase *compile* turns all lists into one table of ten bytes per entry, which the tasks of a machine share. An
/// entry that is a domain holds for its subdomains; one with a path for that page and all below it.
public struct FilterURL: Stage {
  public static let name = "filter.url"
  public static let revision = 1
  public static let summary = "Drops documents by their URL: lists of domains and URLs, opt-outs, words."
  static let documents = Input<Documents>("documents", "The documents to judge.")
  static let kept = Output<Documents>("documents", "The documents whose URLs are in no list.")
  static let table = Output<Intermediate>("table", "The lists as one table.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [kept.port, table.port]
  public enum Phase: String, StagePhase { case compile, filter }

  let options: Options

  public init(options: Options) { self.options = options }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .compile: ["domains", "keptDomains", "categories"]
    case .filter: nil
    }
  }

  /// Checked where all options are seen.
  private func requireLists() throws {
    let lists = [options.lists, options.optOutLists, options.wordLists]
    let words = options.domains + options.words + options.softWords + options.parts
    guard lists.allSatisfy(\.isEmpty), words.isEmpty else { return }
    throw StageError(
      .options, "lists", "there is neither a list nor a domain nor a word",
      hint: "Name files of domains and URLs in \"lists\", or give \"domains\" or \"words\".")
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .compile:
      let lists = try context.files(options.lists), optOut = try context.files(options.optOutLists)
      let kept = try context.files(options.keptLists)
      // A compressed list has about five times its size; an entry of some 16 bytes takes 16 in memory.
      let bytes = (lists + optOut + kept).reduce(0) { $0 + Int($1.bytes) * ($1.name.hasSuffix("gz") ? 5 : 1) }
      return [
        TaskPlan(
          key: "table", inputs: ["lists": lists, "optOut": optOut, "kept": kept], memoryBytes: 64 << 20 + bytes * 2)
      ]
    case .filter:
      try requireLists()
      let words = try context.files(options.wordLists), table = context.files(Self.table)
      return context.files(Self.documents).enumerated().map { i, file in
        TaskPlan(key: TaskPlan.padded(i), inputs: [.main: [file], "words": words, "table": table])
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .compile: try compile(workspace)
    case .filter: try filter(workspace)
    }
  }

  private func filter(_ workspace: Workspace) throws {
    let judge = try URLJudge(options, workspace)
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.kept)
    var document = Document()
    while try stream.next(&document) {
      guard let found = judge.find(document) else {
        try output.write(document)
        continue
      }
      workspace.metric("in \(found.list)", 1)
      if options.mode == .tag {
        setMember(
          "urlFilter", ["reason": .string(found.reason.name), "detail": .string(found.reason.detail ?? "")],
          ofObject: &document.metadata)
        try output.write(document)
      } else {
        try workspace.drop(document, found.reason)
      }
    }
  }
}

extension FilterURL {
  public struct Options: StageOptions {
    @Option(
      "Files or folders of domains and URLs, one per line, plain or compressed: plain names, *.name, hosts files, "
        + "||name^. A folder may have UT1's layout (CATEGORY/domains, CATEGORY/urls). An entry holds for its subdomains, "
        + "or for all below its path; one that is a public suffix (co.jp, github.io) for that host alone.",
      holdsRecords: false)
    var lists = InputFiles()
    @Option("Of folders in UT1's layout, the categories that count. Empty: all.") var categories: [String] = []
    @Option("More domains, including their subdomains, as written: jp is all of .jp.") var domains: [String] = []
    @Option(
      "Files of domains and URLs whose owners do not want their pages used. They count before \"keptLists\".",
      holdsRecords: false)
    var optOutLists = InputFiles()
    @Option("Domains and URLs that no list and no word drops, in files.", holdsRecords: false)
    var keptLists = InputFiles()
    @Option("More domains of that kind.") var keptDomains: [String] = []
    @Option("Words that drop a URL as whole words, between characters that are no letters or digits.")
    var words: [String] = []
    @Option("Files of more \"words\", one per line, UTF-8.", holdsRecords: false) var wordLists = InputFiles()
    @Option("Words that drop a URL if several of them are in it.") var softWords: [String] = []
    @Option("How many different ones.", in: 1...100) var minimumSoftWords = 2
    @Option("Parts of words that drop a URL wherever they are.") var parts: [String] = []
    @Option(
      "Where the URL is, the first place that has one: fields of the metadata (a.b for nested ones), or \"id\" or "
        + "\"source\" for the document's own.")
    var urlFields = ["url"]
    @Option("What becomes of documents without a URL.") var withoutURL = WithoutURL.keep
    @Option("drop: drops documents. tag: keeps all, and writes reason and entry to 'metadata.urlFilter'.")
    var mode = Mode.drop

    public init() {}

    enum WithoutURL: String, OptionChoice { case keep, drop }
    enum Mode: String, OptionChoice { case drop, tag }
  }
}

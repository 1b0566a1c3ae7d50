import NetKit
public import PipelineKit
import ShardKit

/// Crawls the minutes of the National Diet through their API, and reads them as `diet.read` does.
///
/// The API returns the newest minutes first, and requires one request at a time with a pause of several seconds after
/// each response. So the range of days is divided into slices, each slice's meetings are listed, and a meeting is
/// requested only if it is new or its list entry has changed. Stored meetings are keyed by issueID, not by position.
/// `CrawlOptions` explains how a crawl is resumed after a kill and what a later crawl requests.
/// API: https://kokkai.ndl.go.jp/api.html
public struct DietCrawl: Stage {
  public struct Options: StageOptions {
    @Option("The first day, as 2024-01-31.", required: true) public var from = ""
    @Option("The last day.", required: true) public var until = ""
    @Option("Further query parameters of the API, such as {\"nameOfHouse\": \"衆議院\"}.")
    public var query: [String: String] = [:]
    @Option("Days per list request.", in: 1...3660) public var sliceDays = 14
    @Option("The base URL of the API.") public var api = "https://kokkai.ndl.go.jp/api/"
    @Option("One document per meeting, its speeches separated by an empty line, or one per speech.")
    public var document = DietRead.Grouping.meeting
    @Option("Keeps or drops the record's head (会議録情報: date, members present, agenda).")
    public var header = DietRead.Header.keep
    @Option("The source of the documents.") public var source = "diet"
    @OptionGroup public var crawl = CrawlOptions(maximumFailedFraction: 0.0)
    @OptionGroup public var network = NetworkOptions(delaySeconds: 5.0)

    public init() {}

    var reading: DietRead.Options {
      var options = DietRead.Options()
      options.document = document
      options.header = header
      options.source = source
      return options
    }
  }

  public static let name = "diet.crawl"
  public static let revision = 1
  public static let summary = "Crawls the National Diet's minutes and reads them, one document per meeting or speech."
  static let pages = Output<Files>(
    "pages", "The meetings of each slice of days, as the API returns them.", hidden: true)
  static let changes = Output<Report>("changes", "What is new, updated or gone since the previous crawl.")
  public static let outputs = [pages.port, DietRead.speeches.port, DietRead.documents.port, changes.port]
  public enum Phase: String, StagePhase { case fetch, split, join }
  public static let waitingPhases: Set<Phase> = [.fetch]

  public static func options(of phase: Phase) -> Set<String>? {
    let fetching: Set = ["from", "until", "query", "sliceDays", "api", "snapshot", "maximumFailedFraction"]
    return switch phase {
    case .fetch: fetching
    case .split, .join: ["document", "header", "source"]
    }
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    try options.crawl.validate()
    _ = try statedURL(options.api, "api")
    let slices = try DietSlice.cut(from: options.from, until: options.until, days: options.sliceDays)
    guard !slices.isEmpty else {
      throw StageError(.options, "until", "'\(options.until)' is before '\(options.from)'")
    }
    let own: Set = ["from", "until", "maximumRecords", "startRecord", "recordPacking", "issueID"]
    for key in options.query.keys.sorted() where own.contains(key) {
      throw StageError(.options, "query.\(key)", "is set by the crawl itself")
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let reading = DietRead(options: options.reading)
    let pages = context.files(Self.pages)
    switch phase {
    case .fetch: return [TaskPlan(key: "all", memoryBytes: 256 << 20)]
    case .split: return try reading.splitTasks(pages)
    case .join: return reading.joinTasks(pages, speeches: context.files(DietRead.speeches))
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .fetch:
      try networked(workspace) {
        var fetching = try DietCrawlTask(options, workspace)
        try fetching.run()
      }
    case .split: try DietRead(options: options.reading).run(.split, workspace)
    case .join: try DietRead(options: options.reading).run(.join, workspace)
    }
  }
}

/// A range of days of the minutes, inclusive.
struct DietSlice: Equatable {
  var from: String
  var until: String

  /// Slices of `days` days, aligned independently of the first day, so that a longer range sends the same requests
  /// again.
  static func cut(from: String, until: String, days: Int) throws -> [DietSlice] {
    guard let first = CivilDay(from) else { throw problem("from", from) }
    guard let last = CivilDay(until) else { throw problem("until", until) }
    var slices: [DietSlice] = []
    var start = first.number
    while start <= last.number {
      let next = (start / days + 1) * days
      let end = min(next - 1, last.number)
      slices.append(DietSlice(from: CivilDay(start).text, until: CivilDay(end).text))
      start = next
    }
    return slices
  }

  private static func problem(_ option: String, _ value: String) -> StageError {
    StageError(.options, option, "'\(value)' is not a date", hint: "Write it as 2024-01-31.")
  }
}

/// A day of the Gregorian calendar, as the number of days since 0000-03-01.
struct CivilDay: Equatable {
  var number: Int

  init(_ number: Int) { self.number = number }

  /// `2024-01-31`; nil for a day that does not exist.
  init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.utf8.count) == [4, 2, 2], let y = Int(parts[0]), let m = Int(parts[1]), let d = Int(parts[2]),
      y >= 1, (1...12).contains(m), (1...31).contains(d)
    else { return nil }
    number = CivilTime(year: y, month: m, day: d).secondsSince1970 / 86_400 + Self.daysTo1970
    guard self.text == text else { return nil }
  }

  var text: String { CivilTime(secondsSince1970: (number - Self.daysTo1970) * 86_400).date() }

  /// From the first of March of the year 0, where the numbers begin.
  private static let daysTo1970 = 719_468
}

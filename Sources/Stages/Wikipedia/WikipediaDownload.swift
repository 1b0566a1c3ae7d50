import Glibc
import NetKit
public import PipelineKit
import ShardKit

/// Fetches a dump of Wikipedia from the first mirror that has it: the multistream file of articles and its index, each
/// checked against the dump's own list of SHA-1 sums.
///
/// The list is requested from each mirror until one returns it; the files may then come from any mirror, since their
/// digests are known. Layout: https://dumps.wikimedia.org/backup-index.html
public struct WikipediaDownload: Stage {
  public struct Options: StageOptions {
    @Option("The wiki's name among the dumps, such as jawiki.") public var wiki = "jawiki"
    @Option("The dump's date, as 20260101; 'latest' is not allowed, since it changes.", required: true) public
      var date = ""
    @Option("The files to fetch, by their names after WIKI-DATE-.")
    public var files = ["pages-articles-multistream.xml.bz2", "pages-articles-multistream-index.txt.bz2"]
    @Option("Base URLs of mirrors, in the order in which they are tried.", affectsOutput: false)
    public var mirrors = ["https://dumps.wikimedia.org"]
    @Option("Larger files are an error.") public var maximumBytes = ByteCount.gibibytes(256)
    @OptionGroup public var network: NetworkOptions

    public init() {}
  }

  public static let name = "wikipedia.download"
  public static let revision = 1
  public static let summary = "Fetches a Wikipedia dump from its mirrors and checks its sums."
  static let sums = Output<Files>("sums", "The dump's list of SHA-1 sums.", hidden: true)
  static let dump = Output<Files>("dump", "The dump's files.")
  public static let outputs = [sums.port, dump.port]
  public enum Phase: String, StagePhase { case sums, files }
  public static let waitingPhases = Set(Phase.allCases)

  private let options: Options
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.network.politeness()
  }

  public func validate() throws {
    guard options.date.utf8.count == 8, options.date.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) else {
      throw StageError(.options, "date", "'\(options.date)' is not a date of a dump", hint: "Write it as 20260101.")
    }
    for name in [options.wiki] + options.files where !ArchivePath.isSafe(name) || name.utf8.contains(0x2F) {
      throw StageError(.options, "files", "'\(name)' is not a name of a dump file")
    }
    guard !options.mirrors.isEmpty else { throw StageError(.options, "mirrors", "is empty; give at least one") }
    for mirror in options.mirrors { _ = try statedURL(mirror, "mirrors") }
  }

  private func name(_ file: String) -> String { "\(options.wiki)-\(options.date)-\(file)" }

  private func url(_ mirror: String, _ name: String) throws -> WebURL {
    let base = mirror.hasSuffix("/") ? String(mirror.dropLast()) : mirror
    return try WebURL("\(base)/\(options.wiki)/\(options.date)/\(name)")
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .sums: return [TaskPlan(key: "sums", memoryBytes: 16 << 20)]
    case .files:
      return try options.files.enumerated().map { number, file in
        try TaskPlan(
          key: TaskPlan.padded(number), inputs: ["sums": context.files(Self.sums)], payload: name(file),
          memoryBytes: 8 << 20)
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    try networked(workspace) {
      let client = try options.network.client(politeness, workspace, stopsWithin: true)
      switch phase {
      case .sums: try fetchSums(client, workspace)
      case .files: try fetchFile(client, workspace)
      }
    }
  }

  private func fetchFile(_ client: HTTPClient, _ workspace: Workspace) throws {
    let name: String = try workspace.payload()
    let sum = try sum(of: name, in: workspace.file("sums"))
    try fromMirrors(name, workspace) { url in
      var request = HTTPRequest(.get, url)
      request.maximumBytes = options.maximumBytes.bytes
      try workspace.download(request, client, DownloadExpectation(checksums: [sum]), to: Self.dump, name: name)
    }
  }

  private func fetchSums(_ client: HTTPClient, _ workspace: Workspace) throws {
    let name = name("sha1sums.txt")
    try fromMirrors(name, workspace) { url in
      var request = HTTPRequest(.get, url)
      request.maximumBytes = 4 << 20
      try workspace.write(Self.sums, name: name, client.send(request).checked().body)
    }
  }

  /// The result from the first mirror that succeeds; the last mirror's error if none does.
  private func fromMirrors(_ name: String, _ workspace: Workspace, _ body: (WebURL) throws -> Void) throws {
    for (number, mirror) in options.mirrors.enumerated() {
      do {
        return try body(url(mirror, name))
      } catch let error as NetError where error.code != .cancelled && number + 1 < options.mirrors.count {
        workspace.warn("mirror-failed", "\(error)")
      }
    }
  }

  /// Lines have the form `DIGEST  NAME`.
  private func sum(of name: String, in file: ArtifactFile) throws -> Checksum {
    let text = String(decoding: try FileSystem.read(file.path, limit: 4 << 20), as: UTF8.self)
    for line in text.split(separator: "\n") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count == 2, words[1] == name, let sum = Checksum(.sha1, hex: String(words[0])) { return sum }
    }
    throw StageError(
      .input, file.name, "it does not list \(name)",
      hint: "The dump may be incomplete yet, or have other files; set \"date\" or \"files\".")
  }
}

/// An environment variable; nil if it is not set or empty.
func environmentValue(_ name: String) -> String? {
  guard let value = getenv(name), value[0] != 0 else { return nil }
  return String(cString: value)
}

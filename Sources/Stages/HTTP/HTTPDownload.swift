import NetKit
public import PipelineKit
import ShardKit

/// Fetches files by URL; each is checked against its digest if one is given.
///
/// One task per file. Data fetched by an interrupted or killed attempt is kept, and the download is resumed if the
/// server confirms that the file is unchanged. A finished download stays fresh until its line or `snapshot` changes.
/// A file without a digest may change meanwhile; a new `snapshot` fetches it again.
public struct HTTPDownload: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "What to fetch: a URL, then optionally its digest (sha256:…, sha1:… or md5:…), its size in bytes and the file "
        + "name to use, separated by spaces.")
    public var urls: [String] = []
    @Option(
      "Files of such lines, plain or compressed, one line per file to fetch. # at the start or after a space: comment.")
    public var lists = InputFiles()
    @Option("Base URL of lines that are only paths: https://data.commoncrawl.org for a wet.paths.gz.")
    public var root = ""
    @Option("Maximum number of files, the first ones. 0: no limit.", in: 0...10_000_000) public var maximumFiles = 0
    @Option("Any new value forces a fresh fetch.", formerly: "asOf") public var snapshot = ""
    @Option(
      "Name of an environment variable. Its value is sent as a bearer token to the servers in \"urls\" and "
        + "\"root\" only; it is never stored.", affectsOutput: false)
    public var tokenVariable = ""
    @Option("Larger files are an error.") public var maximumBytes = ByteCount.gibibytes(1024)
    @Option("Number of files fetched concurrently per site.", in: 1...64, affectsOutput: false)
    public var filesAtOnce = 1
    @OptionGroup public var network: NetworkOptions

    public init() {}
  }

  public static let name = "http.download"
  public static let revision = 1
  public static let summary = "Fetches files by their URLs and checks their digests."
  static let lists = Input<Files>("lists", "Lists fetched by another stage.", required: false, many: true)
  static let files = Output<Files>("files", "The fetched files.")
  public static let inputs = [lists.port]
  public static let waitingPhases = Set(Phase.allCases)
  public static let outputs = [files.port]

  private let options: Options
  /// Shared by all tasks.
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.network.politeness(requestsAtOnce: options.filesAtOnce)
  }

  public func validate() throws {
    try validateTokenVariable(options.tokenVariable)
    for line in options.urls { _ = try DownloadLine(line, below: options.root, in: "urls") }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let lists = context.files(Self.lists) + (options.lists.isEmpty ? [] : try context.files(options.lists))
    let most = options.maximumFiles > 0 ? options.maximumFiles : .max
    let lines = try DownloadList.read(options.urls, lists, below: options.root, maximumLines: most)
    guard !lines.isEmpty else {
      throw StageError(
        .options, "urls", "there is nothing to fetch", hint: "Set \"urls\" or \"lists\", or wire lists.")
    }
    return try lines.enumerated().map { number, line in
      try TaskPlan(
        key: TaskPlan.padded(number), payload: Wanted(snapshot: options.snapshot, line: line), memoryBytes: 8 << 20)
    }
  }

  /// What a task fetches.
  private struct Wanted: Codable {
    var snapshot: String
    var line: String
  }

  public func run(_ workspace: Workspace) throws {
    let line = try DownloadLine(workspace.payload(Wanted.self).line, below: options.root, in: "urls")
    try networked(workspace) {
      var request = HTTPRequest(.get, line.url)
      request.maximumBytes = options.maximumBytes.bytes
      if let token = try token(for: line.url) { request.headers["Authorization"] = "Bearer \(token)" }
      let client = try options.network.client(politeness, workspace, stopsWithin: true)
      try workspace.download(request, client, line.expectation, to: Self.files, name: line.name)
    }
  }

  /// Only for servers named in the pipeline file: a list may come from anywhere.
  private func token(for url: WebURL) throws -> String? {
    guard !options.tokenVariable.isEmpty else { return nil }
    let named = try options.urls.map { try DownloadLine($0, below: options.root, in: "urls").url.origin }
    let root = try options.root.isEmpty ? nil : WebURL(options.root).origin
    guard named.contains(url.origin) || root == url.origin else { return nil }
    guard url.scheme == "https" || options.network.allowPrivateAddresses else {
      throw StageError(
        .options, "tokenVariable", "\(url) is plain http, which exposes the token",
        hint: "Use https, or set \"allowPrivateAddresses\" if the server is in your own network.")
    }
    guard let value = environmentValue(options.tokenVariable) else {
      throw StageError(
        .environment, "tokenVariable", "the environment variable \(options.tokenVariable) is not set",
        hint: "Set it to the token, or leave the option out.")
    }
    return value
  }
}

extension Workspace {
  /// Fetches a file into an output; fetched data survives attempts.
  /// - Parameter check: checks the complete file; if it throws, the next attempt starts from the beginning.
  func download<K>(
    _ request: HTTPRequest, _ client: HTTPClient, _ expected: DownloadExpectation, to output: Output<K>, name: String,
    check: (DownloadedFile, String) throws -> Void = { _, _ in }
  ) throws {
    let path = try stateDirectory() + "/download"
    let file = try client.download(request, to: path, expecting: expected)
    do { try check(file, path) } catch {
      try FileSystem.remove(path)
      throw error
    }
    guard let digest = Digest(hex: file.digest.hex) else { fatalError("a SHA-256 has 64 digits") }
    try link(output, name: name, to: ArtifactFile(path: path, name: name, bytes: file.bytes, digest: digest))
    metric("bytes", Double(file.bytes))
    metric("resumedBytes", Double(file.resumedBytes))
    control.advance(bytes: Int(file.bytes))
  }
}

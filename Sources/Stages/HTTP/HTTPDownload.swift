import NetKit
public import PipelineKit
import ShardKit

/// Fetches files by their URLs, each checked against the digest that is written beside it.
///
/// A task is a file. What a broken or killed attempt has fetched is kept and gone on with, if the server says that the
/// file is still the same. A finished download stays fresh until its line or `snapshot` changes; a file without a digest
/// may have changed meanwhile, and `snapshot` is how to say "look again".
public struct HTTPDownload: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option(
      "What to fetch: a URL, then, where known, its digest (sha256:…, sha1:… or md5:…), its number of bytes and the "
        + "name to give it, each parted by a space.")
    public var urls: [String] = []
    @Option(
      "Files with such lines, one a file, plain or compressed; # at the beginning or behind a space begins a comment.")
    public var lists = InputFiles()
    @Option("The URL that lines without one of their own are below: https://data.commoncrawl.org for a wet.paths.gz.")
    public var root = ""
    @Option("Fetches so many files, the first ones; 0 fetches all.", in: 0...10_000_000) public var maximumFiles = 0
    @Option("Another word here fetches everything again.", formerly: "asOf") public var snapshot = ""
    @Option(
      "The name of an environment variable whose value is sent as a bearer token to the servers that \"urls\" and "
        + "\"root\" name; it is never stored.", affectsOutput: false)
    public var tokenVariable = ""
    @Option("Larger files are refused.") public var maximumBytes = ByteCount.gibibytes(1024)
    @Option("How many files of a site are fetched at once.", in: 1...64, affectsOutput: false)
    public var filesAtOnce = 1
    @OptionGroup public var network: NetworkOptions

    public init() {}
  }

  public static let name = "http.download"
  public static let revision = 1
  public static let summary = "Fetches files by their URLs and checks their digests."
  static let lists = Input<Files>("lists", "Lists that another stage fetched.", required: false, many: true)
  static let files = Output<Files>("files", "The files.")
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

  /// For the servers that the document names alone: a list may come from anywhere.
  private func token(for url: WebURL) throws -> String? {
    guard !options.tokenVariable.isEmpty else { return nil }
    let named = try options.urls.map { try DownloadLine($0, below: options.root, in: "urls").url.origin }
    let root = try options.root.isEmpty ? nil : WebURL(options.root).origin
    guard named.contains(url.origin) || root == url.origin else { return nil }
    guard url.scheme == "https" || options.network.allowPrivateAddresses else {
      throw StageError(
        .options, "tokenVariable", "\(url) is plain http, over which anyone could read the token",
        hint: "Write https, or set \"allowPrivateAddresses\" if the server is one of your own network.")
    }
    guard let value = environmentValue(options.tokenVariable) else {
      throw StageError(
        .environment, "tokenVariable", "the environment has no variable \(options.tokenVariable)",
        hint: "Set it to the token, or leave the option out.")
    }
    return value
  }
}

extension Workspace {
  /// Fetches a file into an output; what is fetched of it survives attempts.
  /// - Parameter check: a look at the whole file; where it throws, the next attempt begins at zero.
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

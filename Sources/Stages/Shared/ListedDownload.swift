import NetKit
public import PipelineKit
import ShardKit

/// Which files of a listing are downloaded.
public struct ListingOptions: StageOptions {
  @Option("A branch, tag or commit. The commit that it resolves to is recorded.") var revision = "main"
  @Option(
    "Patterns of the paths to include, such as *.jsonl.gz or data/**. * matches within a folder, ** across folders. "
      + "Empty: all.")
  var include: [String] = []
  @Option("Patterns of the paths to exclude.") var exclude: [String] = []
  @Option("Maximum number of files, the first by path. 0: all.", in: 0...FileListing.maximumFiles) var maximumFiles = 0
  @Option("Larger files are an error.", affectsOutput: false) var maximumBytes = ByteCount.gibibytes(1024)
  @Option("Number of files downloaded at the same time.", in: 1...64, affectsOutput: false) var filesAtOnce = 4
  @Option("Any new value fetches the listing again. Files that have not changed are kept.", formerly: "asOf")
  var snapshot = ""

  public init() {}
}

extension ListingOptions {
  func validate() throws {
    guard HubRepository.isRevision(revision) else {
      throw StageError(.options, "revision", "'\(revision)' is not a valid branch, tag or commit")
    }
    try PathPattern.check(include, option: "include")
    try PathPattern.check(exclude, option: "exclude")
  }

  func chosen(directories: [String] = []) -> ListedSelection {
    ListedSelection(
      directories: directories, include: include.map { PathPattern($0) }, exclude: exclude.map { PathPattern($0) },
      maximumFiles: maximumFiles)
  }
}

/// A stage's options for the repository and the selection of files.
struct ListedOptions {
  var hub: HubOptions
  var kind: HubRepository.Kind
  var selection: ListingOptions
  var network: NetworkOptions
}

/// `listing` lists the files with their digests; `files` downloads each one in a separate task.
public enum ListingPhase: String, StagePhase { case listing, files }

/// The two phases of a download by a listing.
///
/// The fingerprint of a task of the second phase only contains the path and digest, so that a later download fetches
/// only changed files. The location comes from the listing's `source.json`, which is not part of the fingerprint.
struct ListedDownload: Sendable {
  static let listing = Output<Report>(
    "listing", "source.json with the commit, and files.jsonl with each file's digest.")

  private let politeness: Politeness

  init(_ politeness: Politeness) { self.politeness = politeness }

  func tasks(of phase: ListingPhase, in context: PlanningContext) throws -> [TaskPlan] {
    switch phase {
    case .listing: return [TaskPlan(key: "listing", memoryBytes: 128 << 20)]
    case .files: return try fileTasks(context.files(Self.listing))
    }
  }

  private func fileTasks(_ listing: [ArtifactFile]) throws -> [TaskPlan] {
    // Checked here so that not every task fails if it is damaged.
    _ = try Self.source(in: listing)
    let list = try Self.file("files.jsonl", of: listing)
    var tasks: [TaskPlan] = []
    let lines = LineReader(try openSource(list.path))
    while let line = try lines.next() {
      let file = try ListedFile(line: Array(line))
      // By path, not by number: the key is part of the fingerprint, and numbers shift.
      let key = Digester.digest(Array(file.path.utf8)).hex.prefix(32)
      tasks.append(try TaskPlan(key: String(key), payload: file, memoryBytes: 8 << 20))
    }
    return tasks
  }

  private static func source(in listing: [ArtifactFile]) throws -> ListedSource {
    try ListedSource(jsonFile: file("source.json", of: listing).path)
  }

  private static func file(_ name: String, of listing: [ArtifactFile]) throws(StageError) -> ArtifactFile {
    guard let file = listing.first(where: { $0.name == name }) else {
      throw StageError(.input, "listing", "the stored listing is incomplete", hint: "Run with --force.")
    }
    return file
  }

  // MARK: Listing

  func list(
    _ place: ListedSource, _ options: ListedOptions, _ selection: ListedSelection, _ workspace: Workspace
  ) throws {
    var listing = try fetch(place, options, workspace)
    try listing.finish()
    workspace.warn("repeated-line", times: listing.repeated, "a file is listed several times")
    let files = try selection.select(from: listing, source: place.shown)
    try workspace.write(Self.listing, name: "source.json", Array(place.json.prettyText().utf8))
    try workspace.write(Self.listing, name: "files.jsonl", files.flatMap { try $0.line() })
    workspace.metric("listedFiles", Double(listing.files.count))
    workspace.metric("chosenBytes", Double(files.reduce(0) { $0 + ($1.bytes ?? 0) }))
  }

  private func fetch(
    _ place: ListedSource, _ options: ListedOptions, _ workspace: Workspace
  ) throws -> FileListing {
    let client = try options.network.client(politeness, workspace, stopsWithin: true)
    switch place {
    case .hub(let repository, _, let commit):
      let hub = HubClient(repository, token: place.token(options.hub.tokenVariable), http: client)
      var listing = FileListing(source: place.shown)
      for file in try hub.files(of: commit, maximumFiles: FileListing.maximumFiles) {
        try listing.add(ListedFile(file))
      }
      return listing
    case .plain(let url, _):
      let answer = try client.send(request(url, place, options.hub.tokenVariable)).checked()
      guard answer.headers["Content-Type"]?.lowercased().hasPrefix("text/html") != true else {
        throw StageError(
          .input, url.shown, "is an HTML page, not a listing",
          hint: "It may be a sign-in page: name a token with \"tokenVariable\".")
      }
      return try FileListing.parse(answer.body, source: url.shown)
    }
  }

  /// The commit that the revision currently resolves to.
  func hub(_ options: ListedOptions, _ workspace: Workspace) throws -> ListedSource {
    let repository = try options.hub.place(options.kind)
    let token = ListedSource.hubToken(options.hub.tokenVariable)
    let client = HubClient(
      repository, token: token, http: try options.network.client(politeness, workspace, stopsWithin: true))
    return .hub(
      repository, revision: options.selection.revision,
      commit: try client.existingCommit(of: options.selection.revision))
  }

  // MARK: Files

  func fetchFile(_ options: ListedOptions, to output: Output<Files>, _ workspace: Workspace) throws {
    let place = try Self.source(in: workspace.locations(Self.listing))
    let file: ListedFile = try workspace.payload()
    let url = try place.url(of: file.path)
    var request = request(url, place, options.hub.tokenVariable)
    request.maximumBytes = options.selection.maximumBytes.bytes
    var expected = DownloadExpectation(bytes: file.bytes)
    if case .checksum(let sum) = file.digest { expected.checksums = [sum] }
    let client = try options.network.client(politeness, workspace, stopsWithin: true)
    do {
      try workspace.download(request, client, expected, to: output, name: file.path) { found, path in
        guard case .git(let wanted) = file.digest else { return }
        let have = try GitBlob.name(file: path, bytes: found.bytes)
        guard have != wanted else { return }
        throw NetError(
          .content, url.shown, "the file's git hash is \(have), the listing says \(wanted)",
          hint: "It may have been replaced, or damaged in transit.")
      }
    } catch let error as NetError where [401, 403, 404].contains(error.status) {
      guard case .hub(let repository, _, _) = place else { throw error }
      throw HubClient(repository, token: place.token(options.hub.tokenVariable), http: client).explain(error, url)
    }
  }

  private func request(_ url: WebURL, _ place: ListedSource, _ variable: String) -> HTTPRequest {
    var request = HTTPRequest(.get, url)
    if let token = place.token(variable), place.origins.contains(url.origin) { request.authorize(token) }
    return request
  }
}

extension ListedSource {
  static let hubVariable = "HF_TOKEN"

  /// If no variable is named, a Hub receives its usual token, and other servers receive none.
  func token(_ variable: String) -> HubToken? {
    if case .hub = self { return Self.hubToken(variable) }
    return variable.isEmpty ? nil : Stages.hubToken(variable)
  }

  static func hubToken(_ variable: String) -> HubToken? {
    Stages.hubToken(variable.isEmpty ? hubVariable : variable)
  }

  var shown: String {
    switch self {
    case .hub(let repository, _, _): repository.page
    case .plain(let listing, _): listing.shown
    }
  }
}

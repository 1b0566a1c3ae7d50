import NetKit
public import PipelineKit
import ShardKit

/// Fetches an LLM-jp corpus, or some of its folders; each file is checked against the digest in a listing.
///
/// The listing is that of a Hugging Face Hub repository, or the output of `sha256sum` or `md5sum` at any URL, such
/// as on a GitLab server. Files keep their folders (`ja/ja_cc/level0/0000.jsonl.gz`), by which `llmjp.sample` selects.
/// One task per file, resumed by range request; a new `snapshot` fetches only what has changed.
public struct LLMJPDownload: Stage {
  public struct Options: StageOptions {
    @Option("A data set on the Hub, as OWNER/NAME; this or \"listing\" is required.") public var repository = ""
    @Option("The URL of the Hub or of a mirror. The variable HF_ENDPOINT is ignored.")
    public var endpoint = HubRepository.publicEndpoint
    @Option("The URL of a listing: one line per file, with SHA-256, SHA-1 or MD5, optionally the size, and the path.")
    public var listing = ""
    @Option("Base URL of the listing's paths; by default the listing's own folder.") public var folder = ""
    @Option("Folders to fetch, such as ja/ja_cc/level0. Empty: all.") public var directories: [String] = []
    @Option(
      "Name of the environment variable with the token, for a corpus that requires one; by default HF_TOKEN for "
        + "the Hub and none for a listing. The token is sent only to the servers named here and never stored.",
      affectsOutput: false)
    public var tokenVariable = ""
    @OptionGroup public var selection: ListingOptions
    @OptionGroup public var network: NetworkOptions

    public init() {}

    var listed: ListedOptions {
      var hub = HubOptions()
      (hub.repository, hub.endpoint, hub.tokenVariable) = (repository, endpoint, tokenVariable)
      return ListedOptions(hub: hub, kind: .dataset, selection: selection, network: network)
    }
  }

  public static let name = "llmjp.download"
  public static let revision = 1
  public static let summary = "Fetches an LLM-jp corpus by a listing with digests."
  static let records = Output<Files>("records", "The files of the corpus, in their folders.")
  public static let outputs = [records.port, ListedDownload.listing.port]
  public typealias Phase = ListingPhase
  public static let waitingPhases = Set(Phase.allCases)
  public static func options(of phase: Phase) -> Set<String>? { phase == .files ? [] : nil }

  private let options: Options
  private let download: ListedDownload

  public init(options: Options) {
    self.options = options
    download = ListedDownload(options.network.politeness(requestsAtOnce: options.selection.filesAtOnce))
  }

  public func validate() throws {
    guard options.repository.isEmpty || options.listing.isEmpty else {
      throw StageError(.options, "listing", "\"repository\" and \"listing\" exclude each other")
    }
    try options.selection.validate()
    guard options.listing.isEmpty else { return try validatePlain() }
    guard options.folder.isEmpty else { throw StageError(.options, "folder", "requires \"listing\"") }
    if options.repository.isEmpty {
      try validateTokenVariable(options.tokenVariable)
    } else {
      let listed = options.listed
      try listed.hub.validate(listed.kind, listed.network)
    }
  }

  private func validatePlain() throws {
    try validateTokenVariable(options.tokenVariable)
    for (name, address) in [("listing", options.listing), ("folder", options.folder)] where !address.isEmpty {
      let url: WebURL
      do throws(NetError) { url = try WebURL(address) } catch {
        throw StageError(.options, name, error.message, hint: error.hint)
      }
      try refuseSecret(url, name, hint: "Use \"tokenVariable\".")
      guard options.tokenVariable.isEmpty || url.scheme == "https" || options.network.allowPrivateAddresses else {
        throw StageError(
          .options, name, "\(url) is plain http, which exposes the token",
          hint: "Use https, or set \"allowPrivateAddresses\" if the server is in your own network.")
      }
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    // A phase that declares its options sees neither of them.
    guard phase != .listing || !(options.repository.isEmpty && options.listing.isEmpty) else {
      throw StageError(
        .options, "repository", "there is nothing to fetch", hint: "Set \"repository\" or \"listing\".")
    }
    return try download.tasks(of: phase, in: context)
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    try networked(workspace) {
      switch phase {
      case .listing:
        let selection = options.selection.chosen(directories: options.directories)
        try download.list(place(workspace), options.listed, selection, workspace)
      case .files: try download.fetchFile(options.listed, to: Self.records, workspace)
      }
    }
  }

  private func place(_ workspace: Workspace) throws -> ListedSource {
    guard !options.listing.isEmpty else { return try download.hub(options.listed, workspace) }
    let listing = try WebURL(options.listing)
    let folder = try options.folder.isEmpty ? listing.resolving("./") : WebURL(options.folder)
    return .plain(listing: listing, folder: folder.text)
  }
}

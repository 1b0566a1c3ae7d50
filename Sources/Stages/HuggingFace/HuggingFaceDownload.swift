public import NetKit
public import PipelineKit
import ShardKit

/// Downloads files of a model or data set from the Hugging Face Hub and checks each against the digest in the listing.
///
/// The revision is resolved to a commit, which is recorded. Files are requested at that commit, so they match the
/// listing. Each file is one task, resumed by range requests. A new `snapshot` fetches only files that have changed.
public struct HuggingFaceDownload: Stage {
  public struct Options: StageOptions {
    @OptionGroup public var hub: HubOptions
    @Option("The kind of the repository.") public var kind = HubRepository.Kind.model
    @OptionGroup public var selection: ListingOptions
    @OptionGroup public var network = NetworkOptions(delaySeconds: 0.0)

    public init() {}

    var listed: ListedOptions { ListedOptions(hub: hub, kind: kind, selection: selection, network: network) }
  }

  public static let name = "huggingface.download"
  public static let revision = 1
  public static let summary = "Downloads files from the Hugging Face Hub and checks their digests."
  static let files = Output<Files>("files", "The files, in their folders.")
  public static let outputs = [files.port, ListedDownload.listing.port]
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
    try options.hub.validate(options.kind, options.network)
    try options.selection.validate()
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    try download.tasks(of: phase, in: context)
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    try networked(workspace) {
      let options = options.listed
      switch phase {
      case .listing:
        try download.list(download.hub(options, workspace), options, options.selection.chosen(), workspace)
      case .files: try download.fetchFile(options, to: Self.files, workspace)
      }
    }
  }
}

import Glibc
import NetKit
public import PipelineKit
import ShardKit

/// Fetches the objects below a prefix of a bucket.
///
/// Phase `list` asks what there is; phase `fetch` fetches it, several small objects a task, each the very version that
/// was listed, compared with its size, with the digest that pipeline's uploads leave in its metadata, and with its ETag
/// where that is a digest. An object that was begun is resumed by range.
public struct S3Download: Stage {
  public struct Options: StageOptions {
    @Option("What to fetch: s3://bucket/prefix for everything below it, or an object's own name.", required: true)
    public var from = ""
    @Option(
      "Takes only objects whose name below the prefix matches one of these, such as *.jsonl.zst; a star stands for "
        + "any characters, also slashes.")
    public var match: [String] = []
    @Option("Another word here lists the bucket again.", formerly: "asOf") public var snapshot = ""
    @Option("A larger object is an error.") public var maximumBytes = ByteCount.gibibytes(256)
    @Option("More objects are an error.", in: 1...10_000_000, affectsOutput: false)
    public var maximumObjects = 1_000_000
    @Option("How many objects of a task are fetched at once.", in: 1...64, affectsOutput: false)
    public var objectsAtOnce = 4
    @Option("Agrees to pay for requests and traffic, which some buckets ask of their readers.", affectsOutput: false)
    public var requesterPays = false
    @OptionGroup public var s3: S3Options
    @OptionGroup public var network = NetworkOptions(delaySeconds: 0.0, attempts: 8)

    public init() {}
  }

  public static let name = "s3.download"
  public static let revision = 1
  public static let summary = "Fetches the objects below a prefix of S3 and checks them."
  static let listing = Output<Counts>("listing", "What there is.", hidden: true)
  static let files = Output<Files>("files", "The objects, by their names below the prefix.")
  public static let outputs = [listing.port, files.port]
  public enum Phase: String, StagePhase { case list, fetch }
  public static let waitingPhases = Set(Phase.allCases)

  /// What is listed decides what is fetched, whichever look found it.
  public static func options(of phase: Phase) -> Set<String>? { phase == .list ? nil : ["endpoint", "maximumBytes"] }

  private let options: Options
  private let politeness: Politeness

  public init(options: Options) {
    self.options = options
    politeness = options.network.politeness(requestsAtOnce: 256)
  }

  public func validate() throws {
    if !options.from.isEmpty { _ = try S3Location.stated(options.from, option: "from") }
    if !options.s3.endpoint.isEmpty { _ = try options.s3.service() }
  }

  private static let bytesPerTask: Int64 = 64 << 20

  /// What a task of the second phase fetches.
  private struct Group: Codable {
    var service: String
    var objects: [ListedObject]
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let service = try options.s3.service()
    switch phase {
    case .list: return [try TaskPlan(key: "list", payload: service, memoryBytes: 128 << 20)]
    case .fetch:
      let objects = try context.files(Self.listing).flatMap { try ListedObject.read($0.path) }
      return try ListedObject.grouped(objects, bytes: Self.bytesPerTask).enumerated().map { number, group in
        try TaskPlan(
          key: TaskPlan.padded(number), payload: Group(service: service, objects: group), memoryBytes: 32 << 20)
      }
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    try networked(workspace) {
      let access = try options.s3.access(paysForRequests: options.requesterPays)
      let lanes = S3ClientPool(options.network, access, politeness, workspace.control, stopsWithin: true)
      defer { lanes.settle(workspace) }
      switch phase {
      case .list: try list(lanes, workspace)
      case .fetch: try fetch(lanes, workspace)
      }
    }
  }

  private func list(_ lanes: S3ClientPool, _ workspace: Workspace) throws {
    let root = try S3Location.stated(options.from, option: "from")
    let objects = try ObjectListing(root, options).objects(lanes.client(), workspace.control)
    try workspace.write(Self.listing, name: "objects.jsonl", objects.flatMap { try $0.line() })
  }

  private func fetch(_ lanes: S3ClientPool, _ workspace: Workspace) throws {
    let objects = try workspace.payload(Group.self).objects
    let state = try workspace.stateDirectory()
    func path(_ number: Int) -> String { "\(state)/\(TaskPlan.padded(number))" }
    try lanes.each(objects.count, atOnce: options.objectsAtOnce) { [options] number, client in
      let path = "\(state)/\(TaskPlan.padded(number))"
      // It appears whole and checked, so an attempt before has it.
      if FileSystem.exists(path) { return lanes.count("keptObjects") }
      let file = try objects[number].fetch(client, to: path, maximumBytes: Int64(options.maximumBytes.bytes))
      lanes.count("resumedBytes", Int(file.resumedBytes))
      lanes.control.advance(bytes: Int(file.bytes))
    }
    for (number, object) in objects.enumerated() {
      try workspace.control.check()
      let digest = try Digester.digest(file: path(number))
      let file = ArtifactFile(path: path(number), name: object.name, bytes: object.bytes, digest: digest)
      try workspace.link(Self.files, name: object.name, to: file)
      workspace.metric("bytes", Double(file.bytes))
    }
  }
}

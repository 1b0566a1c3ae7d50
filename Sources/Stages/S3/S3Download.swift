import Glibc
import NetKit
public import PipelineKit
import ShardKit

/// Downloads the objects below a prefix of a bucket.
///
/// Phase `list` lists the objects. Phase `fetch` downloads exactly the listed versions, several small objects per task.
/// Each is checked against its size, the digest that pipeline's uploads store in its metadata, and its ETag if that is
/// a digest. Partial downloads are resumed by range requests.
public struct S3Download: Stage {
  public struct Options: StageOptions {
    @Option("What to download: s3://bucket/prefix for everything below it, or a single object.", required: true)
    public var from = ""
    @Option(
      "Only downloads objects whose name below the prefix matches one of these patterns, such as *.jsonl.zst. A star "
        + "matches any characters, including slashes.")
    public var match: [String] = []
    @Option("Any new value lists the bucket again.", formerly: "asOf") public var snapshot = ""
    @Option("Larger objects are an error.") public var maximumBytes = ByteCount.gibibytes(256)
    @Option("Maximum number of objects; more are an error.", in: 1...10_000_000, affectsOutput: false)
    public var maximumObjects = 1_000_000
    @Option("Number of objects that a task downloads at the same time.", in: 1...64, affectsOutput: false)
    public var objectsAtOnce = 4
    @Option("Agrees to pay for requests and traffic, as some buckets require (requester pays).", affectsOutput: false)
    public var requesterPays = false
    @OptionGroup public var s3: S3Options
    @OptionGroup public var network = NetworkOptions(delaySeconds: 0.0, attempts: 8)

    public init() {}
  }

  public static let name = "s3.download"
  public static let revision = 1
  public static let summary = "Downloads the objects below an S3 prefix and checks them."
  static let listing = Output<Intermediate>("listing", "The listed objects.", hidden: true)
  static let files = Output<Files>("files", "The objects, under their names below the prefix.")
  public static let outputs = [listing.port, files.port]
  public enum Phase: String, StagePhase { case list, fetch }
  public static let waitingPhases = Set(Phase.allCases)

  /// Only the listed objects determine what is downloaded, not the snapshot that listed them.
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

  /// The objects that a task of the second phase downloads.
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
      // Files appear complete and checked, so an earlier attempt has downloaded it.
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

public import ShardKit

/// A stage kind: typed ports, documented options, and tasks that run and resume independently.
///
/// A stage works in *phases*. When a phase starts, `tasks` splits it; each task calls `run` once, in its own folder, on
/// any thread, and possibly again after a crash. A task's result must depend only on the stage's options, the task's
/// payload and the bytes of the task's input files: these are what its fingerprint covers. A stage with one phase conforms to
/// `SinglePhaseStage`, which leaves phases out; `Documentation/guides/writing-a-stage.md` has a complete, tested
/// example.
public protocol Stage: Sendable {
  associatedtype Options: StageOptions
  /// The phases in the order in which they run. Their names appear in manifests and file names.
  associatedtype Phase: StagePhase

  /// `family.verb`, as written after `use` in a pipeline file.
  static var name: String { get }
  /// Names from the previous release, accepted with a notice.
  static var formerNames: [String] { get }
  /// Increased when the same input and options produce different bytes than before.
  static var revision: Int { get }
  /// One sentence for `pipeline stages`.
  static var summary: String { get }
  static var inputs: [InputPort] { get }
  static var outputs: [OutputPort] { get }
  /// The options that a phase uses, by name; nil for all of them.
  ///
  /// A phase that names its options gets a stage with all other options at their defaults, so that it cannot use them
  /// by mistake; its finished tasks stay valid when another option changes. Options that name files and options that do
  /// not affect the output need not be listed.
  static func options(of phase: Phase) -> Set<String>?

  /// Phases with tasks that mostly wait for servers: they run alongside others without occupying a processor.
  static var waitingPhases: Set<Phase> { get }

  /// Whether the stage reads `PlanningContext.accounts`: it then runs again whenever anything about them changes.
  static var readsAccounts: Bool { get }

  init(options: Options)

  /// Values that replace options in fingerprints, by option name: what `auto` resolves to on this machine, or null for
  /// an option that has no effect in this configuration. Called whenever a pipeline file is read, so it must be cheap.
  var settled: [String: JSONValue] { get }

  /// Options whose settled values are digests of what could be guessed, such as of a password: manifests have them with the
  /// store's salt.
  var concealed: Set<String> { get }

  /// Existing files that options name in another way than as files, such as a program by its path, by option name. Their
  /// contents are part of the fingerprint. Called whenever a pipeline file is read, so it must be cheap.
  var namedFiles: [String: InputFiles] { get }

  /// Checks what a single option cannot express.
  /// - Throws: `StageError` with the code `.options` and the option's name as its subject.
  func validate() throws
  /// Notes that `pipeline plan` prints besides the verdict, one line each: what the options mean in combination.
  var remarks: [String] { get }
  /// The tasks of a phase, in a fixed order. Earlier phases have finished; `context` gives access to their files.
  /// - Throws: `StageError` when there is nothing to read or the inputs contradict the options; the stage then fails
  ///   before any of its tasks runs.
  func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan]
  /// Runs one task.
  /// - Throws: `StageError` for what a user can fix; `StageError(.cancelled, …)` at a safe point after a request to
  ///   stop.
  func run(_ phase: Phase, _ workspace: Workspace) throws
}

/// The phases of a stage: `enum Phase: String, StagePhase { case count, train }`.
public protocol StagePhase: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {}

/// The phase of a stage that has only one.
public enum SinglePhase: String, StagePhase { case run }

/// A stage of one phase.
///
///     struct TextTruncate: SinglePhaseStage {
///       static let name = "text.truncate", revision = 1
///       static let summary = "Shortens long documents."
///       static let documents = Input<Documents>("documents", "The documents to shorten.")
///       static let shortened = Output<Documents>("documents", "None longer than the limit.")
///       static let inputs = [documents.port], outputs = [shortened.port]
///       struct Options: StageOptions {
///         @Option("Longer documents are cut.", in: 1...1_000_000) var maximumBytes = 100_000
///       }
///       let options: Options
///
///       func tasks(in context: PlanningContext) -> [TaskPlan] { TaskPlan.perFile(context.files(Self.documents)) }
///       func run(_ workspace: Workspace) throws { … }
///     }
public protocol SinglePhaseStage: Stage where Phase == SinglePhase {
  /// The tasks, in a fixed order.
  /// - Throws: as `Stage.tasks(of:in:)` does.
  func tasks(in context: PlanningContext) throws -> [TaskPlan]
  /// Runs one task.
  /// - Throws: as `Stage.run(_:_:)` does.
  func run(_ workspace: Workspace) throws
}

extension SinglePhaseStage {
  public func tasks(of _: SinglePhase, in context: PlanningContext) throws -> [TaskPlan] { try tasks(in: context) }
  public func run(_: SinglePhase, _ workspace: Workspace) throws { try run(workspace) }
}

extension Stage {
  public static var formerNames: [String] { [] }
  public static var inputs: [InputPort] { [] }
  public static func options(of phase: Phase) -> Set<String>? { nil }
  public static var waitingPhases: Set<Phase> { [] }
  public static var readsAccounts: Bool { false }
  public var settled: [String: JSONValue] { [:] }
  public var concealed: Set<String> { [] }
  public var namedFiles: [String: InputFiles] { [:] }
  public func validate() throws {}
  public var remarks: [String] { [] }

  // The executor knows phases only by their names.

  /// - Throws: what `tasks(of:in:)` throws.
  public func tasks(ofPhase name: String, in context: PlanningContext) throws -> [TaskPlan] {
    try tasks(of: Self.phase(name), in: context)
  }

  func run(phase name: String, _ workspace: Workspace) throws { try run(try Self.phase(name), workspace) }

  private static func phase(_ name: String) throws(StageError) -> Phase {
    guard let phase = Phase(rawValue: name) else {
      throw StageError(.ledger, "phase '\(name)'", "'\(Self.name)' has no such phase")
    }
    return phase
  }
}

/// A file that a task reads: from an upstream artifact, from an earlier phase, or named by an option.
public struct ArtifactFile: Equatable, Sendable {
  public var path: String
  /// The name within its artifact or below the option's folder; fingerprints use it, never `path`.
  public var name: String
  public var bytes: Int64
  public var digest: Digest
  /// Counted when it was written; 0 for external files.
  public var documents: Int
  public var textBytes: Int64
  /// The status of an external file when it was digested; nil for files of the store.
  public var seen: FileSystem.Status?
  /// Whether it only stands for documents that went to the next stage in memory.
  var isPassed = false

  public init(path: String, name: String, bytes: Int64, digest: Digest, documents: Int = 0, textBytes: Int64 = 0) {
    self.path = path
    self.name = name
    self.bytes = bytes
    self.digest = digest
    self.documents = documents
    self.textBytes = textBytes
  }

  init(
    path: String, name: String, bytes: Int64, digest: Digest, documents: Int, textBytes: Int64, isPassed: Bool
  ) {
    self.init(path: path, name: name, bytes: bytes, digest: digest, documents: documents, textBytes: textBytes)
    self.isPassed = isPassed
  }

  /// Text bytes if known, otherwise file bytes: a measure of the work.
  public var contentBytes: Int64 { textBytes > 0 ? textBytes : bytes }
}

extension ArtifactFile {
  /// `recordHash` of the ids of a file of documents, in order, without reading the documents.
  /// - Throws: `StageError` (`.input`) if the file has no list of ids or one of another length; what `MappedFile`
  ///   throws.
  public func idHashes() throws -> [UInt64] {
    guard documents > 0 else { return [] }
    let folder = String(path.dropLast(name.count + 1))
    let parent = ArchivePath.parent(of: folder) ?? "."
    let sidecar = try MappedFile("\(parent)/\(Workspace.idsPort)/\(ArchivePath.lastPart(of: folder))/\(name).ids")
    return try withExtendedLifetime(sidecar) {
      guard sidecar.bytes.count == documents * 8 else {
        throw StageError(
          .input, name, "its list of ids does not have its \(documents) documents",
          hint: "Run 'pipeline verify', which has the damaged task repeated.")
      }
      return sidecar.bytes.bindMemory(to: UInt64.self).map { UInt64(littleEndian: $0) }
    }
  }
}

/// An output that is wired to an input.
public struct WiredArtifact: Sendable {
  /// The upstream stage's name.
  public var stage: String
  public var port: String
  public var files: [ArtifactFile]
  /// What the input calls the artifact; nil if it has no name.
  public var name: String?

  public init(stage: String, port: String, files: [ArtifactFile], name: String? = nil) {
    self.stage = stage
    self.port = port
    self.files = files
    self.name = name
  }
}

/// What `Stage.tasks` can access.
public protocol PlanningContext {
  /// The files of all artifacts wired to an input, in the order written.
  func files<K>(_ input: Input<K>) -> [ArtifactFile]
  /// The same, one list per wired artifact.
  func artifacts<K>(_ input: Input<K>) -> [WiredArtifact]
  /// Files that finished phases wrote to an output.
  func files<K>(_ output: Output<K>) -> [ArtifactFile]
  /// The files that an option names.
  /// - Throws: `StageError` with the code `.input` when a named file does not exist, `ShardError` when it cannot be
  ///   read.
  func files(_ option: InputFiles) throws -> [ArtifactFile]
  /// What every stage that this one depends on did, sources first; none unless the stage `readsAccounts`.
  var accounts: [StageAccount] { get }
}

extension PlanningContext {
  public var accounts: [StageAccount] { [] }
}

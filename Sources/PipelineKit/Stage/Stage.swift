public import ShardKit

/// A kind of work in a pipeline: typed ports, documented options, and tasks that run apart and resume apart.
///
/// A stage works in *phases*. When a phase starts, `tasks` splits it; each task runs `run` once, in its own folder, on any
/// thread, maybe again after a crash. A task's result may depend on nothing but the stage's options, the task's payload
/// and the bytes of the task's input files: that is what its fingerprint covers. A stage of one phase conforms to
/// `SinglePhaseStage`, which leaves phases out; `Documentation/writing-a-stage.md` has a whole example.
public protocol Stage: Sendable {
  associatedtype Options: StageOptions
  /// The phases in the order in which they run. Their names stand in manifests and file names.
  associatedtype Phase: StagePhase

  /// `family.verb`, as written after `use` in a pipeline document.
  static var name: String { get }
  /// Names of the last release, accepted with a notice.
  static var formerNames: [String] { get }
  /// Raised when the same input and options give other bytes than before.
  static var revision: Int { get }
  /// One sentence for `pipeline stages`.
  static var summary: String { get }
  static var inputs: [InputPort] { get }
  static var outputs: [OutputPort] { get }
  /// The options that a phase uses, by name; nil for all of them.
  ///
  /// A phase that names its options gets a stage with all others at their defaults, so that it cannot use them by
  /// mistake, and its finished tasks stay valid when another option changes. Options that name files and options
  /// without effect on the output need not be named.
  static func options(of phase: Phase) -> Set<String>?

  /// Phases whose tasks wait for servers most of their time: they run beside others without taking a processor's place.
  static var waitingPhases: Set<Phase> { get }

  init(options: Options)

  /// What stands in fingerprints in place of options, by their names: what `auto` comes to on this machine, or null for an
  /// option that decides nothing as things are. Asked whenever a document is read, so it must be cheap.
  var settled: [String: JSONValue] { get }

  /// Checks what one option alone cannot show.
  /// - Throws: `StageError` with the code `.options` and the option's name as its subject.
  func validate() throws
  /// What `pipeline plan` says of the stage besides its verdict, one line each: what the options mean together.
  var remarks: [String] { get }
  /// The tasks of a phase, in a fixed order. Earlier phases have finished; `context` shows their files.
  func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan]
  /// Does one task.
  /// - Throws: `StageError` for what a user can mend; `StageError(.cancelled, …)` at a safe point after a request to stop.
  func run(_ phase: Phase, _ workspace: Workspace) throws
}

/// The phases of a stage: `enum Phase: String, StagePhase { case count, train }`.
public protocol StagePhase: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {}

/// The phase of a stage that has one.
public enum SinglePhase: String, StagePhase { case run }

/// A stage of one phase.
public protocol SinglePhaseStage: Stage where Phase == SinglePhase {
  /// The tasks, in a fixed order.
  func tasks(in context: PlanningContext) throws -> [TaskPlan]
  /// Does one task.
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
  public var settled: [String: JSONValue] { [:] }
  public func validate() throws {}
  public var remarks: [String] { [] }

  // The executor knows phases by their names alone.

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

/// A file that a task reads: an upstream artifact's, an earlier phase's, or one named by an option.
public struct ArtifactFile: Equatable, Sendable {
  public var path: String
  /// The name within its artifact or below the option's folder: what fingerprints see, never `path`.
  public var name: String
  public var bytes: Int64
  public var digest: Digest
  /// Counted when it was written; 0 for files from outside.
  public var documents: Int
  public var textBytes: Int64
  /// How a file from outside was found when it was digested; nil for files of the store.
  public var seen: FileSystem.Status?

  public init(path: String, name: String, bytes: Int64, digest: Digest, documents: Int = 0, textBytes: Int64 = 0) {
    self.path = path
    self.name = name
    self.bytes = bytes
    self.digest = digest
    self.documents = documents
    self.textBytes = textBytes
  }

  /// Text where it is known, else file bytes: a measure of the work.
  public var contentBytes: Int64 { textBytes > 0 ? textBytes : bytes }
}

/// An output that is wired to an input.
public struct WiredArtifact: Sendable {
  /// The upstream stage's name.
  public var stage: String
  public var port: String
  public var files: [ArtifactFile]

  public init(stage: String, port: String, files: [ArtifactFile]) {
    self.stage = stage
    self.port = port
    self.files = files
  }
}

/// What `Stage.tasks` may look at.
public protocol PlanningContext {
  /// The files of everything wired to an input, in the order written.
  func files<K>(_ input: Input<K>) -> [ArtifactFile]
  /// The same, one list a wired artifact.
  func artifacts<K>(_ input: Input<K>) -> [WiredArtifact]
  /// Files written to an output by the phases that have finished.
  func files<K>(_ output: Output<K>) -> [ArtifactFile]
  /// The files that an option names.
  func files(_ option: InputFiles) throws -> [ArtifactFile]
}

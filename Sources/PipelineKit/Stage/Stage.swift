import ShardKit

/// A kind of work in a pipeline: typed ports, documented options, and tasks that run apart and resume apart.
///
/// A stage works in *phases* (most have one). When a phase starts, `tasks` splits it; each task runs `run` once, in its
/// own folder, on any thread, maybe again after a crash. A task's result may depend on nothing but the stage's options,
/// the task's `note` and the bytes of the task's `files`: that is what its fingerprint covers.
public protocol Stage: Sendable {
  associatedtype Options: StageOptions

  /// `noun.verb`, as written after `use` in a pipeline document.
  static var name: String { get }
  /// Names of the last release, which documents may still write; a notice tells them the new one.
  static var formerNames: [String] { get }
  /// Raised when the same input and options give other bytes than before.
  static var revision: Int { get }
  /// One sentence for `pipeline stages`.
  static var summary: String { get }
  static var inputs: [InputPort] { get }
  static var outputs: [OutputPort] { get }
  static var phases: [String] { get }
  /// The options that a phase uses, by name; nil for all of them.
  ///
  /// A phase that names its options gets a stage with all others at their defaults, so that it cannot use them by
  /// mistake, and its finished tasks stay valid when another option changes. Options that name files and options
  /// without effect on the output need not be named.
  static func options(of phase: String) -> Set<String>?

  /// Phases whose tasks wait for servers most of their time: they run beside others without taking a processor's place.
  static var waitingPhases: Set<String> { get }

  init(options: Options)

  /// What stands in fingerprints in place of options, by their names: what `auto` comes to on this machine, or null for an
  /// option that decides nothing as things are. Asked whenever a document is read, so it must be cheap.
  var settled: [String: JSONValue] { get }

  /// Checks what one option alone cannot show. Throw `StageError(.options, …)`.
  func validate() throws
  /// What `pipeline plan` says of the stage besides its verdict, one line each: what the options mean together.
  var remarks: [String] { get }
  /// The tasks of a phase, in a fixed order. Earlier phases have finished; `context` shows their files.
  func tasks(phase: String, in context: PlanningContext) throws -> [TaskPlan]
  func run(_ workspace: Workspace) throws
}

extension Stage {
  public static var formerNames: [String] { [] }
  public static var inputs: [InputPort] { [] }
  public static var phases: [String] { ["run"] }
  public static func options(of phase: String) -> Set<String>? { nil }
  public static var waitingPhases: Set<String> { [] }
  public var settled: [String: JSONValue] { [:] }
  public func validate() throws {}
  public var remarks: [String] { [] }
}

/// One unit of work and of resume.
public struct TaskPlan: Equatable, Sendable {
  /// Unique within its phase; letters, digits, `-`, `_` and `.`. Names the task's files.
  public var key: String
  /// The files that this task reads.
  public var files: [ArtifactFile]
  /// Anything else that decides the task's result (a byte range, a band number); part of its fingerprint.
  public var note: String
  /// A task is started only while the running ones' estimates fit the run's memory.
  public var memoryBytes: Int
  /// Names the work whose state (`Workspace.stateDirectory`) this task goes on with, whatever its fingerprint: an
  /// unfinished task of the stage with the same key hands it over. Empty for none but its own.
  public var stateKey: String

  public init(
    key: String, files: [ArtifactFile] = [], note: String = "", memoryBytes: Int = 64 << 20, stateKey: String = ""
  ) {
    self.key = key
    self.stateKey = stateKey
    self.files = files
    self.note = note
    self.memoryBytes = memoryBytes
  }

  /// One task for each file, in order, with keys `00000`, `00001`, …
  public static func perFile(_ files: [ArtifactFile], memoryBytes: Int = 64 << 20) -> [TaskPlan] {
    files.enumerated().map { TaskPlan(key: padded($0.offset), files: [$0.element], memoryBytes: memoryBytes) }
  }

  /// Runs of neighbouring files whose text sums to about `bytes`, so that many small files make few tasks.
  public static func grouped(_ files: [ArtifactFile], bytes: Int64, memoryBytes: Int = 64 << 20) -> [TaskPlan] {
    var groups: [[ArtifactFile]] = []
    var size: Int64 = 0
    for file in files {
      if groups.isEmpty || size + file.contentBytes > bytes {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append(file)
      size += file.contentBytes
    }
    return groups.enumerated().map { TaskPlan(key: padded($0.offset), files: $0.element, memoryBytes: memoryBytes) }
  }

  /// Five digits, so that names sort as numbers do.
  public static func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
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

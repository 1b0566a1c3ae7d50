public import ShardKit

/// One unit of work that is run and resumed as a whole: what it reads, and what else determines its result.
///
///     TaskPlan.perFile(context.files(Self.documents))                        // a task per file
///     try TaskPlan(key: "00003", inputs: [.main: [dump]], payload: range)    // a task per part of a file
///       .reading(bytes: Int64(range.count))
///
/// In the task, `workspace.file()` and `try workspace.payload()` give both back. Whatever is not in `inputs`, in
/// `payload` or among the stage's options is not in the task's fingerprint, so it must not decide the result.
public struct TaskPlan: Equatable, Sendable {
  /// Unique within its phase; letters, digits, `-`, `_` and `.`. The task's files are named after it.
  public var key: String
  /// The files that this task reads, by role.
  public var inputs: TaskInputs
  /// Anything else that determines the task's result (a byte range, a band number), as JSON; part of its fingerprint.
  /// Read back with `Workspace.payload`.
  public var payload: JSONValue
  /// What the task needs of a machine; not part of its fingerprint.
  public var resources: TaskResources
  /// Names the work with state (`Workspace.stateDirectory`) that this task resumes, whatever its fingerprint: an
  /// unfinished task of the stage with the same key hands it over. Empty: only its own state.
  public var stateKey: String

  /// See `reading(bytes:)`; nil: its files as a whole.
  private var partBytes: Int64?

  /// All files that the task reads, in the order of their roles.
  public var files: [ArtifactFile] { inputs.all }
  /// How much it works on, as far as the sizes of its files tell: of those in the role `.main` if it has any, as others may be
  /// read by every task of the phase.
  var contentBytes: Int64 {
    if let partBytes { return partBytes }
    let hasMain = inputs.byRole.contains { $0.role == .main && !$0.files.isEmpty }
    return inputs.byRole.reduce(0) { sum, part in
      hasMain && part.role != .main ? sum : part.files.reduce(sum) { $0 + $1.contentBytes }
    }
  }
  /// A task starts only if the memory estimates of all running tasks fit the run's memory.
  public var memoryBytes: Int { resources.memoryBytes }

  /// A task determined by its files alone.
  public init(key: String, inputs: TaskInputs = [:], memoryBytes: Int = 64 << 20, stateKey: String = "") {
    self.key = key
    self.inputs = inputs
    payload = .null
    resources = TaskResources(memoryBytes: memoryBytes)
    self.stateKey = stateKey
  }

  /// A task that a value also determines.
  /// - Throws: `JSONCodingError` for a value that JSON cannot represent, such as a non-finite number.
  public init(
    key: String, inputs: TaskInputs = [:], payload: some Encodable, memoryBytes: Int = 64 << 20, stateKey: String = ""
  ) throws(JSONCodingError) {
    self.init(key: key, inputs: inputs, memoryBytes: memoryBytes, stateKey: stateKey)
    self.payload = try JSONValue.encoding(payload)
  }

  /// The same task with an additional value that determines its result.
  /// - Throws: `JSONCodingError`, as `init` does.
  public func with(inputs more: TaskInputs = [:], payload: some Encodable) throws(JSONCodingError) -> TaskPlan {
    var plan = self
    plan.inputs += more
    plan.payload = try JSONValue.encoding(payload)
    return plan
  }

  /// The same task with additional files.
  public func with(inputs more: TaskInputs) -> TaskPlan {
    var plan = self
    plan.inputs += more
    return plan
  }

  /// The same task, which works on a part of its files, as other tasks do on the others.
  /// - Parameter bytes: of the part, counted as in `ArtifactFile.contentBytes`. They are for the order of tasks and their progress, and not
  ///   part of the fingerprint.
  public func reading(bytes: Int64) -> TaskPlan {
    var plan = self
    plan.partBytes = max(0, bytes)
    return plan
  }

  /// The same task with more processors, with GPUs, or on several machines.
  /// - Parameters:
  ///   - cores: threads that compute at once, on each machine.
  ///   - gpus: devices on each machine.
  ///   - nodes: machines that run the task together.
  public func using(cores: Int = 1, gpus: Int = 0, nodes: Int = 1) -> TaskPlan {
    var plan = self
    plan.resources.cores = max(1, cores)
    plan.resources.gpus = max(0, gpus)
    plan.resources.nodes = max(1, nodes)
    return plan
  }

  /// One task per file, in order, with keys `00000`, `00001`, …
  public static func perFile(_ files: [ArtifactFile], memoryBytes: Int = 64 << 20) -> [TaskPlan] {
    files.enumerated().map { TaskPlan(key: padded($0.offset), inputs: [.main: [$0.element]], memoryBytes: memoryBytes) }
  }

  /// Groups of consecutive files with about `bytes` of text in total, so that many small files make few tasks.
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
    return groups.enumerated().map {
      TaskPlan(key: padded($0.offset), inputs: [.main: $0.element], memoryBytes: memoryBytes)
    }
  }

  /// Five digits, so that names sort numerically.
  public static func padded(_ number: Int) -> String { ShardKit.padded(number, 5) }
}

/// What a task needs: an estimate for the run's budget and for a cluster's scheduler. Never decides the result.
public struct TaskResources: Codable, Equatable, Sendable {
  /// Main memory on each machine.
  public var memoryBytes: Int
  /// Threads that compute at once, on each machine.
  public var cores: Int
  /// Devices on each machine.
  public var gpus: Int
  /// Machines that run the task together.
  public var nodes: Int

  public init(memoryBytes: Int = 64 << 20, cores: Int = 1, gpus: Int = 0, nodes: Int = 1) {
    self.memoryBytes = memoryBytes
    self.cores = cores
    self.gpus = gpus
    self.nodes = nodes
  }
}

/// A task's input files by role: `["index": indexFiles, .main: [dump]]`.
public struct TaskInputs: Equatable, Sendable, ExpressibleByDictionaryLiteral {
  /// The role of files for the task that reads them.
  public struct Role: Hashable, Sendable, ExpressibleByStringLiteral {
    public let name: String

    public init(stringLiteral name: String) { self.name = name }
    public init(_ name: String) { self.name = name }
    /// The files that the task works on; other roles are auxiliary.
    public static let main: Role = "main"
  }

  private(set) var byRole: [(role: Role, files: [ArtifactFile])]

  public init(dictionaryLiteral elements: (Role, [ArtifactFile])...) { byRole = elements.map { ($0.0, $0.1) } }

  /// The files of a role; none if the task has no such role.
  public subscript(role: Role) -> [ArtifactFile] { byRole.filter { $0.role == role }.flatMap(\.files) }

  var all: [ArtifactFile] { byRole.flatMap(\.files) }

  mutating func replace(_ role: Role, by files: [ArtifactFile]) {
    for i in byRole.indices where byRole[i].role == role { byRole[i].files = files }
  }

  public static func += (a: inout TaskInputs, b: TaskInputs) { a.byRole += b.byRole }

  public static func == (a: TaskInputs, b: TaskInputs) -> Bool {
    a.byRole.elementsEqual(b.byRole) { $0.role == $1.role && $0.files == $1.files }
  }
}

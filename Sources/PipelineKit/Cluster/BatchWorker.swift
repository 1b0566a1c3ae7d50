import Glibc
import ShardKit
import Synchronization

/// The part of a run that happens in a job: runs the tasks of one group of a batch, one after another.
///
/// Each task ends as a manifest on disk, as in a run on one machine; a line in the group's file says so to the driver.
/// The database is the driver's alone.
public struct BatchWorker {
  let folder: BatchFolder
  let group: Int
  let registry: StageRegistry
  /// The scheduler's number of this job.
  let job: String
  /// False on the further nodes of a job of several: the first one reports and publishes.
  let isLeader: Bool
  private let batch: JobBatch
  private let tasks: [JobTask]

  /// - Parameter path: the batch's folder.
  /// - Throws: `ShardError` if it cannot be read.
  public init(_ path: String, group: Int, registry: StageRegistry, job: String, isLeader: Bool = true) throws {
    folder = BatchFolder(path)
    self.group = group
    self.registry = registry
    self.job = job
    self.isLeader = isLeader
    batch = try folder.readBatch()
    guard batch.groups.indices.contains(group) else {
      throw StageError(.environment, path, "has no group \(group)")
    }
    tasks = batch.ranges.isEmpty ? [] : try folder.readTasks(batch, group: group)
  }

  /// What became of a job that has nothing to report itself.
  public enum Outcome: Sendable {
    case worked
    /// Another job does this work: it was submitted twice.
    case isAnothers
  }

  /// Runs the group's tasks that are not done yet.
  /// - Parameter stopping: whether the job was told to come to an end.
  /// - Throws: `StageError` if this job cannot do the work; what writing the reports throws.
  public func run(stopping: @escaping @Sendable () -> Bool) throws -> Outcome {
    guard try claims() else { return .isAnothers }
    let reports = ReportFile(path: folder.outcomes(group), isMuted: !isLeader)
    do { try work(reports, stopping) } catch let fault as NodeFault {
      tellLeader(fault.error)
      try reports.append(report(.refused, message: "\(fault.error)", mayRetry: true))
      throw fault.error
    } catch let error as StageError where error.code == .environment {
      tellLeader(error)
      try reports.append(report(.refused, message: "\(error)"))
      throw error
    }
    return .worked
  }

  /// The first node would wait for this one; it hears the first reason that one gives.
  private func tellLeader(_ error: any Error) {
    guard !isLeader else { return }
    Self.tellLeader("\(error)", folder, group)
  }

  /// Tells the first node of a job why this one cannot do its part.
  public static func tellLeader(_ reason: String, _ folder: BatchFolder, _ group: Int) {
    let own = "\(folder.failure(group)).\(hostName()).\(getpid())"
    do { try FileSystem.write(Array("\(hostName()): \(reason)".utf8), to: own) } catch { return }
    // A link does not replace another node's.
    link(own, folder.failure(group))
    try? FileSystem.remove(own)
  }

  /// The first job to arrive owns the group; a second submission of the same batch does nothing. A job that its
  /// scheduler has started again continues.
  private func claims() throws -> Bool {
    let path = folder.claim(group)
    guard isLeader else {
      guard let owner = folder.claimant(group), !owner.isEmpty else { return true }
      return owner == JobReport.number(job)
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    if descriptor >= 0 {
      defer { close(descriptor) }
      let text = Array("\(job)\n".utf8)
      guard write(descriptor, text, text.count) == text.count, fsync(descriptor) == 0 else {
        throw FileSystem.error(path, "cannot be written")
      }
      // Left by another submission of the same batch, which ended before it could claim the group.
      for stale in [folder.end(group), folder.failure(group)] where FileSystem.exists(stale) {
        try FileSystem.remove(stale)
      }
      return true
    }
    guard errno == EEXIST else { throw FileSystem.error(path, "cannot be created") }
    let owner = String(decoding: try FileSystem.read(path, limit: 4096), as: UTF8.self).filter { !$0.isWhitespace }
    return owner == job
  }

  private func work(_ reports: ReportFile, _ stopping: @escaping @Sendable () -> Bool) throws {
    try checkProgram()
    guard chdir(batch.folder) == 0 else {
      throw NodeFault(
        error: StageError(
          .environment, batch.folder, "cannot be entered on \(hostName()): \(String(cString: strerror(errno)))",
          hint: "The folder in which the run was started has to be on a file system that every node sees."))
    }
    if batch.stage == ClusterProbe.stage, batch.use.isEmpty {
      return try reports.append(report(.finished, key: ClusterProbe.stage))
    }
    guard let description = registry[batch.use] else {
      throw StageError(.environment, batch.use, "is not a stage kind of this program")
    }
    let configured = try description.configured(JSONValue.parse(batch.options).value)
    try checkOptions(configured)
    let done = Set(try JobReports.read(folder.outcomes(group)).filter { $0.kind != .began }.map { ExactText($0.key) })
    let earlier = try folder.readEarlier()
    let removals = try RemovalList(root: ArtifactStore.root(ofNode: batch.directory))
    for task in tasks where !done.contains(ExactText(task.key)) {
      if stopping() || FileSystem.exists(folder.stop) || FileSystem.exists(folder.void) { return }
      try run(task, description, configured, (earlier, removals), reports, stopping)
    }
  }

  private func checkProgram() throws {
    guard try ProgramIdentity.current().digest == batch.program.digest else {
      throw StageError(
        .environment, FileSystem.realPath("/proc/self/exe"),
        "is not the program that started the run (\(batch.program.path))",
        hint: "It may have been rebuilt while jobs waited. Run again; finished tasks are kept.")
    }
  }

  /// Options such as `auto` may mean something else on this machine.
  private func checkOptions(_ configured: ConfiguredStage) throws {
    let own = Fingerprint.canonicalOptions(configured, phase: batch.phase)
    let theirs = try JSONValue.parse(batch.canonical).value
    guard own.text(sortedKeys: true) != theirs.text(sortedKeys: true) else { return }
    let differing = (own.members ?? []).filter {
      theirs[$0.key]?.text(sortedKeys: true) != $0.value.text(sortedKeys: true)
    }
    let names = differing.map { "'\($0.key)' (\(theirs[$0.key]?.text() ?? "none") there, \($0.value.text()) here)" }
    throw NodeFault(
      error: StageError(
        .environment, "options of \(batch.stage)",
        "have other values on \(hostName()) than where the run was started: \(names.joined(separator: ", "))",
        hint: "Name a value instead of 'auto', or start the run on a machine like this one."))
  }

  // MARK: One task

  /// Stands for the reason of a node on which a process was killed for memory.
  private static let killed = "killed by signal 9"

  /// Whether the first node has lost a process that another one says was killed for memory.
  private func hearsOfKill(_ error: StageError) -> Bool {
    guard isLeader, batch.request.nodes > 1, error.isTransient else { return false }
    let until = monotonicNanoseconds() + Self.toldWithin
    while true {
      if let text = try? FileSystem.read(folder.failure(group), limit: 1 << 16) {
        return String(decoding: text, as: UTF8.self).hasSuffix(": \(Self.killed)")
      }
      guard monotonicNanoseconds() < until else { return false }
      usleep(200_000)
    }
  }

  /// How long the other nodes have to say why they ended, in nanoseconds.
  private static let toldWithin = 10_000_000_000

  /// A disk of the node, where its scheduler names one: spills need not go over the network.
  private static var scratch: String? {
    ["SLURM_TMPDIR", "TMPDIR"].compactMap { (name: String) in getenv(name).map { String(cString: $0) } }
      .first { FileSystem.isDirectory($0) }
  }

  private func run(
    _ task: JobTask, _ description: StageDescription, _ configured: ConfiguredStage,
    _ given: (earlier: [String: [ArtifactFile]], removals: RemovalList),
    _ reports: ReportFile, _ stopping: @escaping @Sendable () -> Bool
  ) throws {
    let plan = try task.plan()
    let fingerprint = Fingerprint.task(
      stage: description.name, revision: description.revision, options: try JSONValue.parse(batch.canonical).value,
      phase: batch.phase, task: plan)
    guard fingerprint == task.fingerprint else {
      throw StageError(
        .environment, "task \(task.key)", "has a different fingerprint in this program than in the driver")
    }
    try reports.append(report(.began, key: task.key))
    let log = TaskLog(batch, key: task.key, attempt: task.attempt, node: isLeader ? nil : hostName())
    let meter = UsageMeter(batch.request, job: job)
    let control = TaskControl(timeoutSeconds: batch.timeoutSeconds)
    let watch = TaskWatch(
      control, folder: folder, group: group, key: task.key, stopping: stopping, isMuted: !isLeader,
      seconds: batch.heartbeatSeconds ?? 15)
    defer { watch.end() }
    control.begin()
    let run = TaskRun(
      directory: batch.directory, keptState: batch.keptState, phase: batch.phase, task: plan,
      fingerprint: task.fingerprint, memoryBytes: plan.memoryBytes, control: control, earlier: given.earlier,
      staging: "\(batch.phase)-\(task.key)-\(batch.id)\(isLeader ? "" : "-\(hostName())-\(getpid())")",
      scratch: Self.scratch, publishes: isLeader, logPath: log.path, limits: configured.limits,
      removals: given.removals)
    do {
      _ = try log.capturing { try run.run(configured.stage(of: batch.phase)) }
      FaultPoint.reach("job.published")
      try reports.append(report(.finished, key: task.key, usage: meter.usage()))
    } catch let error as StageError where error.code == .killed || hearsOfKill(error) {
      log.note("error: \(error)")
      if !isLeader { Self.tellLeader(Self.killed, folder, group) }
      // The scheduler knows whether the job ran out of memory. It is judged by this process's end, which is the same.
      kill(getpid(), SIGKILL)
    } catch let error as StageError where error.code == .cancelled && watch.failure != nil {
      let message = "another node of its job cannot do its part: \(watch.failure ?? "")"
      log.note("error: \(message)")
      try reports.append(
        report(.failed, key: task.key, message: message, mayRetry: true, usage: meter.usage()))
    } catch let error as StageError where error.code == .cancelled && (control.shouldStop || batch.request.nodes > 1) {
      // Any of several nodes may have been told to stop.
      var stop = report(.stopped, key: task.key, usage: meter.usage())
      (stop.fraction, stop.documents) = (control.status?.fraction, control.progress.documents)
      try reports.append(stop)
    } catch {
      log.note("error: \(error)")
      tellLeader(error)
      try reports.append(
        report(
          .failed, key: task.key, message: "\(error)", mayRetry: RetryPolicy.mayRetry(error), usage: meter.usage()))
    }
  }

  private func report(
    _ kind: JobReport.Kind, key: String = "", message: String? = nil, mayRetry: Bool? = nil, usage: TaskUsage? = nil
  ) -> JobReport {
    JobReport(kind: kind, key: key, job: job, message: message, mayRetry: mayRetry, usage: usage)
  }
}

/// Why this node cannot do the work, although another one may.
private struct NodeFault: Error {
  let error: StageError
}

/// Appends whole lines to a group's file, each durable before the next task begins.
private struct ReportFile {
  let path: String
  let isMuted: Bool

  func append(_ report: JobReport) throws(ShardError) {
    guard !isMuted else { return }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    defer { close(descriptor) }
    let line = Array((report.json.text() + "\n").utf8)
    guard write(descriptor, line, line.count) == line.count, fsync(descriptor) == 0 else {
      throw FileSystem.error(path, "cannot be written")
    }
  }
}

/// The reports of a group.
enum JobReports {
  /// All whole lines so far; what is damaged is passed over, as a job may have died while it wrote.
  static func read(_ path: String) throws(ShardError) -> [JobReport] {
    guard FileSystem.exists(path) else { return [] }
    return parse(try FileSystem.read(path))
  }

  static func parse(_ text: some Collection<UInt8>) -> [JobReport] {
    text.split(separator: 10).compactMap { line in
      (try? JSONValue.parse(Array(line)))?.value
    }.compactMap { try? JobReport(json: $0) }
  }
}

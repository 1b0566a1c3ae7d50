import Glibc
public import ShardKit

/// Jobs for tasks of one phase, handed to a cluster together. Its folder, `jobs/ID` in the store, is all that a job
/// needs to know, and all that a new driver needs to go on after the old one has died.
///
/// Jobs write below `groups`: who claimed a group, what became of each task, and a heartbeat. The driver reads them.
public struct JobBatch: JSONRecord, Sendable {
  enum Format: Int, Codable { case current = 1 }

  var format = Format.current
  /// The name of its folder.
  public var id: String
  /// In the order of the run's batches.
  var number: Int
  /// Unique, so that a submission whose answer was lost is found again.
  public var jobName: String
  public var run: Int64
  public var stage: String
  /// The stage's kind.
  public var use: String
  public var phase: String
  /// All options, and those that determine the result as the driver settled them, as JSON.
  var options: String
  var canonical: String
  /// The node's folder and the stage's kept state.
  var directory: String
  var keptState: String
  /// The driver's working folder, which relative paths start from.
  var folder: String
  var timeoutSeconds: Double?
  var program: ProgramIdentity
  public var request: JobRequest
  /// By job of the array: the places of its tasks in `tasks.jsonl`.
  public var groups: [[Int]]
  /// By group: where its tasks begin in `tasks.jsonl`, in bytes, and how many bytes they take.
  var ranges: [[Int]] = []
  /// Nodes to keep away from.
  public var excluded: [String] = []
  /// Jobs that may run at the same time.
  var mostRunning = 1
  /// Seconds between two signs of life of a job.
  var heartbeatSeconds: Int?
}

/// The program that has to run a batch: results of another version may differ.
struct ProgramIdentity: Codable, Equatable, Sendable {
  var path: String
  var digest: Digest

  private static let own = "/proc/self/exe"

  /// The program of this process.
  /// - Throws: `ShardError` if it cannot be read.
  static func current() throws(ShardError) -> ProgramIdentity {
    ProgramIdentity(path: FileSystem.realPath(own), digest: try Digester.digest(file: own))
  }

  /// The program that jobs start. One that this machine does not see, such as in a container, has to be the same as
  /// this process's.
  /// - Throws: `ShardError` if it cannot be read.
  static func wanted(by profile: SiteProfile) throws(ShardError) -> ProgramIdentity {
    guard !profile.program.isEmpty else { return try current() }
    let readable = FileSystem.exists(profile.program) ? profile.program : own
    return ProgramIdentity(path: profile.program, digest: try Digester.digest(file: readable))
  }
}

/// The files of a batch.
public struct BatchFolder: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  static func root(store: String) -> String { "\(store)/jobs" }

  var batch: String { path + "/batch.json" }
  var tasks: String { path + "/tasks.jsonl" }
  var earlier: String { path + "/earlier.json" }
  public var script: String { path + "/script.sh" }
  /// Holds the scheduler's number of the submitted job.
  var job: String { path + "/job" }
  /// Tells the jobs to start no further task.
  var stop: String { path + "/stop" }
  /// Tells the jobs that nobody waits for them any more.
  var void: String { path + "/void" }
  var groups: String { path + "/groups" }

  func claim(_ group: Int) -> String { "\(groups)/\(group).claim" }
  func outcomes(_ group: Int) -> String { "\(groups)/\(group).jsonl" }
  func heartbeat(_ group: Int) -> String { "\(groups)/\(group).beat" }
  /// Why a further node of a job of several cannot do its part.
  func failure(_ group: Int) -> String { "\(groups)/\(group).failure" }
  func end(_ group: Int) -> String { "\(groups)/\(group).end" }
  /// What the job printed outside of tasks.
  public func output(_ group: Int) -> String { "\(path)/\(group).out" }

  /// - Throws: `ShardError` if the batch cannot be read.
  public func readBatch() throws(ShardError) -> JobBatch { try JobBatch(jsonFile: batch, limit: 1 << 28) }

  /// - Parameter group: nil for the tasks of all groups.
  /// - Throws: `ShardError` if the list cannot be read.
  func readTasks(_ batch: JobBatch, group: Int? = nil) throws(ShardError) -> [JobTask] {
    let range = group.map { batch.ranges[$0] }
    let text = try FileTail.read(tasks, from: range?[0] ?? 0, most: range?[1] ?? .max)
    var found: [JobTask] = []
    for (number, line) in text.split(separator: 10).enumerated() {
      do { found.append(try JobTask(json: JSONValue.parse(Array(line)).value)) } catch {
        throw ShardError(.malformed, tasks, "line \(number + 1) is not a task: \(error)")
      }
    }
    return found
  }

  /// Writes what the jobs read, for this user alone; the batch itself comes last.
  func write(
    _ batch: inout JobBatch, tasks list: [JobTask], earlier files: [String: [JobTask.File]],
    script text: (JobBatch) -> String
  ) throws {
    try FileSystem.makeDirectory(groups)
    chmod(path, 0o700)
    var lines: [UInt8] = []
    batch.ranges = []
    for group in batch.groups {
      let start = lines.count
      for place in group {
        lines += Array(list[place].json.text().utf8)
        lines.append(10)
      }
      batch.ranges.append([start, lines.count - start])
    }
    try FileSystem.write(lines, to: tasks)
    try FileSystem.write(Array(try JSONValue.encoding(files).text().utf8), to: earlier)
    try FileSystem.write(Array(text(batch).utf8), to: script)
    try FileSystem.write(Array(batch.json.text().utf8), to: self.batch)
    try FileSystem.syncDirectory(path)
  }

  /// The files of finished phases, by port.
  func readEarlier() throws -> [String: [ArtifactFile]] {
    let stored = try JSONValue.parse(FileSystem.read(earlier)).value.decode([String: [JobTask.File]].self)
    return stored.mapValues { $0.map(\.file) }
  }

  /// Names tasks that went from this batch to a later one.
  var moved: String { path + "/moved" }

  /// Notes it for the next driver, before the task is submitted again.
  func move(_ key: String) throws(ShardError) {
    let descriptor = open(moved, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileSystem.error(moved, "cannot be opened") }
    defer { close(descriptor) }
    let line = Array("\(key)\n".utf8)
    guard Glibc.write(descriptor, line, line.count) == line.count, fsync(descriptor) == 0 else {
      throw FileSystem.error(moved, "cannot be written")
    }
  }

  func readMoved() -> Set<ExactText> {
    let text = (try? FileSystem.read(moved)) ?? []
    return Set(text.split(separator: 10).map { ExactText(String(decoding: $0, as: UTF8.self)) })
  }

  /// The scheduler's number of the job that has claimed a group; empty while the claim is being written, nil without one.
  func claimant(_ group: Int) -> String? {
    guard let text = try? FileSystem.read(claim(group), limit: 4096) else { return nil }
    return JobReport.number(String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace })
  }

  /// The numbers of the jobs that have begun.
  var claimants: Set<String> {
    let names = (try? FileSystem.list(groups, others: .passedOver)) ?? []
    return Set(names.filter { $0.hasSuffix(".claim") }.compactMap { Int($0.dropLast(6)) }.compactMap(claimant))
  }

  /// The numbers that the scheduler gave the jobs; none before the submission is known to have succeeded.
  func readJobs() -> [String] {
    guard let text = try? FileSystem.read(job, limit: 4096) else { return [] }
    return String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
  }
}

/// What a job reports of a task, each one line in its group's file.
struct JobReport: JSONRecord, Sendable {
  enum Kind: String, Codable {
    case began, finished, failed
    /// It stopped at a safe point, as it was told to; what it keeps is in its state folder.
    case stopped
    /// The job cannot work at all: another program, a missing folder.
    case refused
  }

  var kind: Kind
  var key: String
  /// Milliseconds since 1970, by the clock of the job's machine.
  var time = wallMilliseconds()
  var host = hostName()
  var job: String
  var message: String?
  var mayRetry: Bool?
  var usage: TaskUsage?
  /// Of a task that stopped, how far it is (0…1), and what it read in this job.
  var fraction: Double?
  var documents: Int?

  /// The number of the array that a job such as `17_3` belongs to.
  static func number(_ job: String) -> String {
    job.lastIndex(of: "_").map { String(job[..<$0]) } ?? job
  }
}

/// How far a running job is, rewritten every few seconds.
struct Heartbeat: JSONRecord, Sendable {
  /// Milliseconds since 1970, by the clock of its machine.
  var time: Int
  var host: String
  var process: Int32
  var key: String
  var documents: Int
  var bytes: Int
  var fraction: Double?
  /// Where it went on in this job, and when that was.
  var firstFraction: Double?
  var firstTime: Int?
  var text: String?
  var remainingSeconds: Double?
  var metricsFile: String?
}

extension Heartbeat {
  /// How long the part beyond an earlier point took, at the mean speed of this job.
  func millisecondsBeyond(_ earlier: Double?) -> Double? {
    guard let fraction, let firstFraction, let firstTime, fraction > firstFraction, time > firstTime else { return nil }
    return (fraction - (earlier ?? firstFraction)) * Double(time - firstTime) / (fraction - firstFraction)
  }
}

/// Reads parts of files that grow.
enum FileTail {
  /// The bytes from an offset on, up to so many. The file is opened anew, which makes network file systems ask their
  /// server.
  static func read(_ path: String, from offset: Int, most: Int = 64 << 20) throws(ShardError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileSystem.error(path, "cannot be read") }
    let count = min(most, max(0, Int(status.st_size) - offset))
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress! + done, count - done, off_t(offset + done))
      }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { break }
      done += got
    }
    bytes.removeLast(count - done)
    return bytes
  }

  private static let window = 64 << 10

  /// Where the last lines begin, of those within the last 64 KiB; one that is being written counts.
  static func start(_ path: String, ofLast count: Int) -> Int {
    let size = Int(FileSystem.status(path)?.bytes ?? 0)
    let from = max(0, size - window)
    guard count > 0, let text = try? read(path, from: from, most: window) else { return size }
    var place = text.last == 10 ? text.count - 1 : text.count
    for _ in 0..<count {
      guard let end = text[..<place].lastIndex(of: 10) else { return from }
      place = end
    }
    return from + place + 1
  }

  /// The last lines that are not empty, of those within the last 64 KiB.
  static func lines(_ path: String, last count: Int) -> [String] {
    guard let status = FileSystem.status(path), let text = try? read(path, from: max(0, Int(status.bytes) - window))
    else { return [] }
    return text.split(separator: 10).suffix(count).map { String(decoding: $0, as: UTF8.self) }
  }
}

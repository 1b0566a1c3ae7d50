import Glibc
public import ShardKit

/// Slurm, through its commands. AWS ParallelCluster and SageMaker HyperPod are Slurm too.
public struct SlurmCluster: Cluster {
  public let name = "Slurm"
  public let mostGroups: Int
  public var pollSeconds: Int { profile.pollSeconds }
  let profile: SiteProfile
  private let accounting: Accounting

  /// Asks the controller for the limit on arrays.
  /// - Throws: `ClusterError` (`.refused`) without Slurm's commands, `.silent` if the controller does not answer.
  public init(profile: SiteProfile) throws(ClusterError) {
    self.init(profile: profile, mostGroups: try Self.maximumArraySize())
  }

  init(profile: SiteProfile, mostGroups: Int) {
    self.profile = profile
    self.mostGroups = mostGroups
    accounting = Accounting()
  }

  /// The number of values that an array's index can have.
  private static func maximumArraySize() throws(ClusterError) -> Int {
    let text = try ask(["scontrol", "show", "config"])
    let line = text.split(separator: "\n").first { $0.hasPrefix("MaxArraySize") }
    guard let number = line?.split(separator: "=").last.flatMap({ Int($0.filter(\.isNumber)) }), number > 0 else {
      return 1001
    }
    return number
  }

  // MARK: Asking

  /// Variables of a surrounding job would be taken for options of the new ones.
  static let foreignVariables = ["SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "PMI", "OMPI_"]
  private static let keptVariables = ["SLURM_CONF", "SLURM_CONF_SERVER"]
  private static let patienceSeconds = 60.0

  static func ask(_ words: [String], more: [String: String] = [:]) throws(ClusterError) -> String {
    var command = ChildCommand(words[0], Array(words.dropFirst()), timeoutSeconds: patienceSeconds)
    command.withheld = foreignVariables
    command.maximumBytes = 256 << 20
    command.environment = more
    for name in keptVariables { command.environment[name] = getenv(name).map { String(cString: $0) } }
    // Otherwise, lists of many jobs are cut short.
    command.environment["SLURM_BITSTR_LEN"] = "0"
    let result: ChildCommand.Result
    do throws(ShardError) { result = try command.run() } catch {
      guard error.code != .notFound else {
        throw ClusterError(
          .refused, words[0], "is not installed on \(hostName())",
          hint: "Start the run on a node that can submit jobs, such as a login node.")
      }
      throw ClusterError(.silent, words[0], error.message)
    }
    let (output, errors) = (
      String(decoding: result.output, as: UTF8.self), String(decoding: result.errors, as: UTF8.self)
    )
    guard result.status == 0 else { throw failure(words[0], errors.isEmpty ? output : errors) }
    return output
  }

  /// Messages after which the same request may succeed later; any other rejection is final.
  private static let passing = [
    "unable to contact", "timed out", "temporarily", "try again", "resource busy", "connection", "communication",
    "connect failure", "socket", "not responding", "zero bytes", "slurm backup controller",
    "protocol authentication error", "job/step already completing", "slurm_load_jobs error: unexpected message",
    "unspecified error",
  ]
  /// Limits on how many jobs a user may have, among others: they may hold as long as other jobs do.
  private static let limits = ["job violates accounting/qos policy", "maxsubmit", "too many jobs", "job limit"]

  static func failure(_ program: String, _ text: String) -> ClusterError {
    let last = text.split(separator: "\n").map(String.init).last { !$0.isEmpty } ?? "it gives no reason"
    let said = last.replacing("\(program): error: ", with: "")
    let plain = text.lowercased()
    if limits.contains(where: plain.contains) {
      return ClusterError(
        .limited, program, "does not accept the jobs: \(said)",
        hint: "Check the limits of your account, or name another one in the profile.")
    }
    if passing.contains(where: plain.contains) { return ClusterError(.silent, program, said) }
    if plain.contains("node configuration is not available") {
      return ClusterError(
        .refused, program, "refuses: \(said)",
        hint: "No node has what is asked for: state \"maximumCores\" or \"maximumMemory\" in the profile, or another "
          + "partition for this stage in its \"resources\", and run again.")
    }
    return ClusterError(
      .refused, program, "refuses: \(said)", hint: "Correct the profile (`pipeline profile check`), and run again.")
  }

  // MARK: Submitting

  public func script(_ batch: JobBatch, in folder: BatchFolder) -> String {
    SlurmScript(profile: profile, batch: batch, folder: folder).text
  }

  public func submit(_ batch: JobBatch, in folder: BatchFolder) throws(ClusterError) -> String {
    let answer = try Self.ask(["sbatch", "--parsable", folder.script], more: profile.environment)
    // "17", or "17;cluster"
    let number = answer.split(separator: "\n").last?.split(separator: ";").first.map(String.init) ?? ""
    guard !number.isEmpty, number.allSatisfy(\.isNumber) else {
      throw ClusterError(.silent, "sbatch", "printed no job number: \(answer.prefix(200))")
    }
    return number
  }

  public func find(jobName: String) throws(ClusterError) -> String? {
    let lines = try Self.ask(["squeue", "--noheader", "--states=all", "--name=\(jobName)", "--format=%F"])
    return lines.split(separator: "\n").first.map { $0.filter(\.isNumber) }
  }

  // MARK: Watching

  public func isHopeless(_ reason: String) -> Bool {
    [
      "PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS",
      "AssocMaxWallDurationPerJobLimit", "QOSMaxWallDurationPerJobLimit", "AssocMaxMemPerJob", "QOSMaxMemoryPerJob",
      "QOSMaxCpuPerJobLimit", "AssocMaxCpuPerJobLimit", "JobHeldAdmin",
    ].contains(reason)
  }

  public func states(of jobs: [ClusterJob]) throws(ClusterError) -> [String: [Int: JobState]] {
    guard !jobs.isEmpty else { return [:] }
    let text = try Self.ask([
      "squeue", "--noheader", "--states=all", "--user=\(getuid())", "--format=%F|%K|%T|%N|%r",
    ])
    let wanted = Set(jobs.map(\.number))
    var states = try SlurmQueue.states(text, of: wanted)
    try accounting.complete(&states, jobs)
    return states
  }

  public func cancel(_ jobs: [ClusterJob], waitingOnly: Bool) throws(ClusterError) {
    guard !jobs.isEmpty else { return }
    let states = waitingOnly ? ["--state=PENDING"] : []
    _ = try Self.ask(["scancel", "--quiet"] + states + jobs.map(\.number))
  }
}

/// What the accounting database says of jobs that the controller has forgotten; many sites have none.
private final class Accounting: @unchecked Sendable {
  // Used only by the thread that polls.
  private var isMissing = false

  func complete(_ states: inout [String: [Int: JobState]], _ jobs: [ClusterJob]) throws(ClusterError) {
    let forgotten = jobs.filter { job in
      job.batch.groups.indices.contains { states[job.number]?[$0] == nil }
    }
    guard !forgotten.isEmpty, !isMissing else { return }
    do {
      let numbers = forgotten.map(\.number).joined(separator: ",")
      let text = try SlurmCluster.ask([
        "sacct", "--noheader", "--parsable2", "--allocations", "--jobs=\(numbers)", "--format=JobID,State,NodeList",
      ])
      let recorded = try SlurmQueue.accounted(text)
      for (job, groups) in recorded { states[job, default: [:]].merge(groups) { now, _ in now } }
    } catch {
      guard error.code == .refused || error.message.contains("accounting storage is disabled") else { throw error }
      isMissing = true
    }
  }
}

/// Reads what `squeue` and `sacct` print.
enum SlurmQueue {
  /// Lines of `%F|%K|%T|%N|%r`: job, index in its array, state, nodes, reason.
  static func states(_ text: String, of jobs: Set<String>) throws(ClusterError) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 5, jobs.contains(fields[0]) else { continue }
      let state = state(fields[2], node: fields[3], reason: fields[4])
      for index in try indices(fields[1]) { states[fields[0], default: [:]][index] = state }
    }
    return states
  }

  /// Lines of `JobID|State|NodeList`, with JobID as `17_3`, or `17_[4-9%2]` for what waits.
  static func accounted(_ text: String) throws(ClusterError) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      guard fields.count >= 3 else { continue }
      let parts = fields[0].split(separator: "_", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      let word = String(fields[1].prefix { $0 != " " })
      for index in try indices(parts[1].filter { $0 != "[" && $0 != "]" }) {
        states[parts[0], default: [:]][index] = state(word, node: fields[2], reason: "")
      }
    }
    return states
  }

  /// `5`, `0-3,7`, `4-9:2%10`; none for a job that is no array.
  /// - Throws: `ClusterError` (`.silent`) for anything else: of jobs that are left out, nothing would be known.
  static func indices(_ text: String) throws(ClusterError) -> [Int] {
    guard text != "N/A" else { return [] }
    var found: [Int] = []
    for range in text.prefix(while: { $0 != "%" }).split(separator: ",", omittingEmptySubsequences: false) {
      let stepped = range.split(separator: ":", omittingEmptySubsequences: false)
      let ends = stepped[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      guard stepped.count <= 2, ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last,
        last - first < 10_000_000, let step = stepped.count > 1 ? Int(stepped[1]) : 1, step > 0
      else { throw ClusterError(.silent, "squeue", "lists the jobs of an array in an unknown form: '\(text)'") }
      found += stride(from: first, through: last, by: step)
    }
    return found
  }

  private static func state(_ word: String, node: String, reason: String) -> JobState {
    switch word {
    case "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT", "SUSPENDED":
      return .waiting(reason: reason)
    case "RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING", "STOPPED", "RESIZING":
      return .running(node: node)
    case "COMPLETED": return .ended(.completed, node: node)
    case "OUT_OF_MEMORY": return .ended(.outOfMemory, node: node)
    case "TIMEOUT", "DEADLINE": return .ended(.timeLimit, node: node)
    case "NODE_FAIL", "BOOT_FAIL": return .ended(.nodeFailure, node: node)
    case "PREEMPTED", "REVOKED": return .ended(.preempted, node: node)
    case "CANCELLED": return .ended(.cancelled, node: node)
    case "FAILED": return .ended(.failed, node: node)
    // A state of a newer Slurm: it is not known to have ended.
    default: return .running(node: node)
    }
  }
}

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
  static func environment(_ variables: [String: String]) -> [String: String] {
    let foreign = ["SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SALLOC_", "PMI", "PMIX_", "OMPI_"]
    return variables.filter { name, _ in
      name == "SLURM_CONF" || name == "SLURM_CONF_SERVER" || !foreign.contains { name.hasPrefix($0) }
    }
  }

  static let patienceSeconds = 60.0

  static func ask(_ words: [String], more: [String: String] = [:]) throws(ClusterError) -> String {
    let own = environment(ExternalCommand.ownEnvironment).merging(more) { $1 }
    let result: ExternalCommand.Outcome
    do throws(ShardError) {
      result = try ExternalCommand(words, environment: own, timeoutSeconds: patienceSeconds).run()
    } catch {
      guard error.code != .notFound else {
        throw ClusterError(
          .refused, words[0], "is not installed on \(hostName())",
          hint: "Start the run on a node that can submit jobs, such as a login node.")
      }
      throw ClusterError(.silent, words[0], error.message)
    }
    guard result.code == 0 else { throw failure(words[0], result.errors.isEmpty ? result.output : result.errors) }
    return result.output
  }

  /// Sentences of the controller that no later attempt changes.
  private static let refusals = [
    "invalid partition", "invalid account", "invalid qos", "invalid reservation", "invalid feature",
    "requested node configuration is not available", "unrecognized option", "invalid option", "unknown option",
    "access/permission denied", "user's group not permitted", "requested time limit is invalid",
    "more processors requested than permitted", "memory specification can not be satisfied", "node count specification",
    "invalid generic resource", "unable to open file", "invalid wckey", "invalid time", "job violates accounting/qos",
    "invalid constraint", "invalid --",
  ]

  private static func failure(_ program: String, _ text: String) -> ClusterError {
    let lines = text.split(separator: "\n").map(String.init)
    let said = lines.last { !$0.isEmpty } ?? "it gives no reason"
    let plain = text.lowercased()
    // A limit on how many jobs a user has is over when some of them end.
    let isLimit = plain.contains("submitjob") || plain.contains("submit limit") || plain.contains("maxsubmit")
    if !isLimit, refusals.contains(where: plain.contains) {
      return ClusterError(
        .refused, program, "refuses the jobs: \(said)",
        hint: "Correct the profile (`pipeline profile check`), and run again.")
    }
    return ClusterError(.silent, program, said)
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
      throw ClusterError(.silent, "sbatch", "prints no job number: \(answer.prefix(200))")
    }
    return number
  }

  public func find(jobName: String) throws(ClusterError) -> String? {
    let lines = try Self.ask(["squeue", "--noheader", "--states=all", "--name=\(jobName)", "--format=%F"])
    return lines.split(separator: "\n").first.map { $0.filter(\.isNumber) }
  }

  // MARK: Watching

  public func states(of jobs: [ClusterJob]) throws(ClusterError) -> [String: [Int: JobState]] {
    guard !jobs.isEmpty else { return [:] }
    let text = try Self.ask([
      "squeue", "--noheader", "--states=all", "--user=\(getuid())", "--format=%F|%K|%T|%N|%r",
    ])
    let wanted = Set(jobs.map(\.number))
    var states = SlurmQueue.states(text, of: wanted)
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
  // Used by the thread that polls alone.
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
      let recorded = SlurmQueue.accounted(text)
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
  static func states(_ text: String, of jobs: Set<String>) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 5, jobs.contains(fields[0]) else { continue }
      let state = state(fields[2], node: fields[3], reason: fields[4])
      for index in indices(fields[1]) { states[fields[0], default: [:]][index] = state }
    }
    return states
  }

  /// Lines of `JobID|State|NodeList`, with JobID as `17_3`, or `17_[4-9%2]` for what waits.
  static func accounted(_ text: String) -> [String: [Int: JobState]] {
    var states: [String: [Int: JobState]] = [:]
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
      guard fields.count >= 3 else { continue }
      let parts = fields[0].split(separator: "_", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { continue }
      let word = String(fields[1].prefix { $0 != " " })
      for index in indices(parts[1].filter { $0 != "[" && $0 != "]" }) {
        states[parts[0], default: [:]][index] = state(word, node: fields[2], reason: "")
      }
    }
    return states
  }

  /// `5`, `0-3,7`, `4-9:2%10`.
  static func indices(_ text: String) -> [Int] {
    var found: [Int] = []
    for range in text.prefix(while: { $0 != "%" }).split(separator: ",") {
      let stepped = range.split(separator: ":")
      let ends = (stepped.first ?? "").split(separator: "-").map { Int($0) }
      guard let first = ends.first ?? nil, let last = ends.last ?? nil, first <= last, last - first < 10_000_000 else {
        continue
      }
      found += stride(from: first, through: last, by: max(1, stepped.count > 1 ? Int(stepped[1]) ?? 1 : 1))
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

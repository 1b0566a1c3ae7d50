import Glibc
public import ShardKit

/// Slurm, through its commands. AWS ParallelCluster and SageMaker HyperPod are Slurm too.
public struct SlurmCluster: Cluster {
  public let name = "Slurm"
  public let mostGroups: Int
  public var pollSeconds: Int { profile.pollSeconds }
  let profile: SiteProfile
  private let accounting: SlurmAccounting

  /// Asks the controller for the limit on arrays.
  /// - Throws: `ClusterError` (`.refused`) without Slurm's commands, `.silent` if the controller does not answer.
  public init(profile: SiteProfile) throws(ClusterError) {
    self.init(profile: profile, mostGroups: try Self.maximumArraySize())
  }

  init(profile: SiteProfile, mostGroups: Int) {
    self.profile = profile
    self.mostGroups = mostGroups
    accounting = SlurmAccounting()
  }

  /// The number of values that an array's index can have.
  private static func maximumArraySize() throws(ClusterError) -> Int {
    SlurmQueue.mostGroups(try ask(["scontrol", "show", "config"]))
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
    if program == "scontrol" || plain.contains("configuration source") {
      return ClusterError(
        .refused, program, "refuses: \(said)",
        hint: "Slurm's commands do not work on \(hostName()): start the run on a login node, or set SLURM_CONF to the "
          + "cluster's slurm.conf.")
    }
    return ClusterError(
      .refused, program, "refuses: \(said)", hint: "Correct the profile (`pipeline profile check`), and run again.")
  }

  // MARK: Submitting

  public func script(_ batch: JobBatch, in folder: BatchFolder) -> String {
    SlurmScript(profile: profile, batch: batch, folder: folder).text
  }

  public func submit(_ batch: JobBatch, in folder: BatchFolder) throws(ClusterError) -> String {
    let answer = try Self.ask(["sbatch", "--parsable", folder.script])
    // "17", or "17;cluster"
    let number = answer.split(separator: "\n").last?.split(separator: ";").first.map(String.init) ?? ""
    guard !number.isEmpty, number.allSatisfy(\.isNumber) else {
      throw ClusterError(.silent, "sbatch", "printed no job number: \(answer.prefix(200))")
    }
    return number
  }

  public func find(jobName: String) throws(ClusterError) -> [String] {
    let lines = try Self.ask(["squeue", "--noheader", "--states=all", "--name=\(jobName)", "--format=%F"])
    return Set(lines.split(separator: "\n").map { $0.filter(\.isNumber) }).filter { !$0.isEmpty }.sorted()
  }

  // MARK: Watching

  public func isHopeless(_ reason: String) -> Bool {
    if ["PartitionTimeLimit", "PartitionNodeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS"].contains(reason) {
      return true
    }
    // Such as AssocMaxWallDurationPerJobLimit, QOSMaxGRESPerJob, QOSMinGRES: what one job asks for.
    let isOfJob = reason.contains("PerJob") || reason.contains("PerNode")
    return reason.hasPrefix("QOSMin") || isOfJob && ["AssocMax", "QOSMax"].contains(where: reason.hasPrefix)
  }

  public func remark(on reason: String) -> String? {
    // Such as AssocGrpCPUMinutesLimit, QOSGrpGRESMinutes; of running jobs' minutes, some come free.
    let isUsedUp = ["AssocGrp", "QOSGrp"].contains(where: reason.hasPrefix) && reason.contains("Minutes")
    if isUsedUp, !reason.contains("RunMinutes") {
      return "the account's or QOS's allocation is used up: they wait until it is renewed"
    }
    return reason.hasPrefix("JobHeld") ? "they are held: they wait until somebody releases them" : nil
  }

  public func states(of jobs: [ClusterJob]) throws(ClusterError) -> [String: [Int: JobState]] {
    guard !jobs.isEmpty else { return [:] }
    let text = try Self.ask([
      "squeue", "--noheader", "--states=all", "--user=\(getuid())", "--format=%F|%K|%T|%N|%r",
    ])
    let wanted = Set(jobs.map(\.number))
    var states = try SlurmQueue.states(text, of: wanted)
    accounting.complete(&states, jobs)
    return states
  }

  public var complaint: String? { accounting.complaint }

  public func broken(_ nodes: String) throws(ClusterError) -> [String] {
    let states = try Self.ask(["sinfo", "--noheader", "--Node", "--nodes=\(nodes)", "--format=%N %t"])
    return SlurmQueue.broken(states)
  }

  public func cancel(_ jobs: [ClusterJob], waitingOnly: Bool) throws(ClusterError) {
    guard !jobs.isEmpty else { return }
    let states = waitingOnly ? ["--state=PENDING"] : []
    _ = try Self.ask(["scancel", "--quiet"] + states + jobs.map(\.number))
  }
}

import Glibc
import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// What Slurm's commands print.
@Suite struct SlurmOutputTests {
  @Test func queuedAndRunningAndEndedJobsAreRead() throws {
    let text = """
      17|4-9%2|PENDING||JobArrayTaskLimit
      17|3|RUNNING|n2|None
      17|0|COMPLETED|n1|None
      17|1|OUT_OF_MEMORY|n1|OutOfMemory
      17|2|TIMEOUT|n3|TimeLimit
      18|N/A|RUNNING|n1|None
      19|0|FAILED|n1|NonZeroExitCode
      20|0-2,7,10-14:2|PENDING||Nodes required for job are DOWN, DRAINED or reserved
      """
    let states = try SlurmQueue.states(text, of: ["17", "18", "20"])
    #expect(states["17"]?[3] == .running(node: "n2"))
    #expect(states["17"]?[0] == .ended(.completed, node: "n1"))
    #expect(states["17"]?[1] == .ended(.outOfMemory, node: "n1"))
    #expect(states["17"]?[2] == .ended(.timeLimit, node: "n3"))
    #expect(states["17"]?.count == 10)
    for index in 4...9 { #expect(states["17"]?[index] == .waiting(reason: "JobArrayTaskLimit")) }
    // Not an array, and not asked for.
    #expect(states["18"] == nil)
    #expect(states["19"] == nil)
    #expect(states["20"]?.keys.sorted() == [0, 1, 2, 7, 10, 12, 14])
  }

  @Test(
    arguments: [
      ("NODE_FAIL", JobState.ended(.nodeFailure, node: "n1")), ("BOOT_FAIL", .ended(.nodeFailure, node: "n1")),
      ("PREEMPTED", .ended(.preempted, node: "n1")), ("CANCELLED", .ended(.cancelled, node: "n1")),
      ("DEADLINE", .ended(.timeLimit, node: "n1")), ("FAILED", .ended(.failed, node: "n1")),
      ("COMPLETING", .completing(node: "n1")), ("CONFIGURING", .running(node: "n1")),
      ("SUSPENDED", .waiting(reason: "r")), ("REQUEUED", .waiting(reason: "r")),
      // A state of a newer Slurm is not an end.
      ("POWERING_SIDEWAYS", .running(node: "n1")), ("", .running(node: "n1")),
    ])
  func everyStateMeansSomething(word: String, state: JobState) throws {
    #expect(try SlurmQueue.states("5|0|\(word)|n1|r", of: ["5"]) == ["5": [0: state]])
  }

  @Test func damagedLinesArePassedOver() throws {
    #expect(try SlurmQueue.states("", of: ["5"]) == [:])
    #expect(try SlurmQueue.states("slurm_load_jobs: warning\n5|0|RUNNING\n\n", of: ["5"]) == [:])
  }

  @Test(
    arguments: [
      ("5", [5]), ("0-3,7", [0, 1, 2, 3, 7]), ("4-9:2%10", [4, 6, 8]), ("3%1", [3]), ("N/A", []), ("2-2", [2]),
      ("1,3,5%2", [1, 3, 5]),
    ])
  func indicesOfAnArrayAreRead(text: String, indices: [Int]) throws {
    #expect(try SlurmQueue.indices(text) == indices)
  }

  /// Of jobs that are left out, nothing would be known: they would count as forgotten.
  @Test(
    arguments: [
      "0-3,...", "...", "0-3,7,9-...%5", "a", "3-1", "1-2-3", "0-3:0", "0-3:x", "0-99999999999", "0-20000000", "",
      "%5", "-5", "5-", "0-3,,5", "0-3,",
    ])
  func aListThatIsCutOffIsAnError(text: String) {
    let error = #expect(throws: ClusterError.self) { try SlurmQueue.indices(text) }
    #expect(error?.code == .silent)
    #expect(throws: ClusterError.self) { try SlurmQueue.states("5|\(text)|PENDING||Resources", of: ["5"]) }
  }

  @Test func accountedJobsAreRead() throws {
    let text = """
      17_0|COMPLETED|n1
      17_1|CANCELLED by 1000|n2
      17_2|NODE_FAIL|n3
      17_[3-5%2]|PENDING|None assigned
      18|RUNNING|n1
      19_0|TIMEOUT
      """
    #expect(
      try SlurmQueue.accounted(text) == [
        "17": [
          0: .ended(.completed, node: "n1"), 1: .ended(.cancelled, node: "n2"), 2: .ended(.nodeFailure, node: "n3"),
          3: .waiting(reason: ""), 4: .waiting(reason: ""), 5: .waiting(reason: ""),
        ]
      ])
    #expect(throws: ClusterError.self) { try SlurmQueue.accounted("17_[3-5,...]|PENDING|") }
  }

  // MARK: Refusals

  @Test(
    arguments: [
      "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
      "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
      "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
      "squeue: error: slurm_load_jobs error: Zero Bytes were transmitted or received",
      "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode",
      "sbatch: error: Batch job submission failed: Protocol authentication error",
      "slurm_load_jobs error: Unexpected message received",
      "sbatch: error: fork: Resource temporarily unavailable",
    ])
  func anUnreachableControllerSaysNothing(sentence: String) {
    #expect(SlurmCluster.failure("sbatch", sentence + "\n").code == .silent)
  }

  @Test(
    arguments: [
      "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
        + "accounting/QOS policy (job submit limit, user's size and/or time limits)",
      "sbatch: error: QOSMaxSubmitJobPerUserLimit",
    ])
  func aLimitOnJobsMayPass(sentence: String) {
    let error = SlurmCluster.failure("sbatch", sentence)
    #expect(error.code == .limited)
    #expect(error.description.contains(sentence.split(separator: "\n").last!.replacing("sbatch: error: ", with: "")))
  }

  @Test(
    arguments: [
      "sbatch: error: Batch job submission failed: Invalid partition name specified",
      "sbatch: error: Batch job submission failed: Requested node configuration is not available",
      "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
      "sbatch: error: Memory specification can not be satisfied",
      "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
      "sbatch: error: Batch job submission failed: Invalid job array specification",
      "sbatch: error: Batch job submission failed: Access/permission denied",
      "sacct: error: Slurm accounting storage is disabled", "",
    ])
  func otherRefusalsAreFinal(sentence: String) {
    #expect(SlurmCluster.failure("sbatch", sentence).code == .refused)
  }

  @Test func commandsThatDoNotWorkHereAreNotTheProfilesFault() {
    let error = SlurmCluster.failure("scontrol", "scontrol: fatal: Could not establish a configuration source")
    #expect(error.code == .refused)
    #expect(error.hint?.hasPrefix("Slurm's commands do not work on \(hostName())") == true)
  }

  // MARK: Reasons

  private var slurm: SlurmCluster { SlurmCluster(profile: SiteProfile(), mostGroups: 10) }

  @Test(
    arguments: [
      "PartitionTimeLimit", "BadConstraints", "QOSMaxGRESPerJob", "AssocMaxGRESPerJob", "QOSMaxNodePerJobLimit",
      "AssocMaxNodePerJobLimit", "QOSMinGRES", "AssocMaxWallDurationPerJobLimit", "QOSMaxCpuPerJobLimit",
      "QOSMaxMemoryPerJob", "AssocMaxCPUMinutesPerJobLimit",
    ])
  func whatOneJobCannotHaveIsHopeless(reason: String) { #expect(slurm.isHopeless(reason)) }

  @Test(
    arguments: [
      "Priority", "Resources", "JobHeldAdmin", "JobHeldUser", "JobArrayTaskLimit", "QOSMaxJobsPerUserLimit",
      "QOSMaxCpuPerUserLimit", "AssocGrpGRES", "AssocGrpCPUMinutesLimit", "None", "",
    ])
  func whatMayPassIsWaitedFor(reason: String) { #expect(!slurm.isHopeless(reason)) }

  @Test func whatMayLastIsSaid() {
    for reason in ["AssocGrpCPUMinutesLimit", "QOSGrpGRESMinutes"] {
      #expect(slurm.remark(on: reason)?.contains("allocation is used up") == true)
    }
    #expect(slurm.remark(on: "JobHeldAdmin")?.contains("are held") == true)
    for reason in ["AssocGrpCPURunMinutesLimit", "Priority", ""] { #expect(slurm.remark(on: reason) == nil) }
  }

  // MARK: Checks

  /// With a partition for short jobs that one stage uses.
  private func checks(_ partition: String, _ text: String, _ change: (inout SiteResources) -> Void) -> [ClusterCheck] {
    var profile = SiteProfile()
    profile.maximumMemory = .gibibytes(2)
    var own = SiteResources()
    own.partition = "debug"
    change(&own)
    profile.resources = ["probe.*": own]
    return SlurmCluster(profile: profile, mostGroups: 10).checks(partition: partition, partition, text)
  }

  @Test func aPartitionIsCheckedAgainstWhatIsAskedOfIt() throws {
    let short = checks("debug", "debug|up|30:00|4000|2|3\n") { $0.time = TimeLimit(seconds: 600) }
    #expect(short.map(\.isGood) == [true, true, true])
    #expect(
      short[1].advice
        == "'maximumTime' (1-00:00:00) of 'probe.*' must be within it, or jobs that reach their limits get no more.")
    let long = checks("debug", "debug|up|30:00|400|2|3\n") { _ in }
    #expect(long.map(\.isGood) == [true, false, false])
    #expect(long[1].advice?.hasPrefix("'time' (01:00:00) of 'probe.*', 'maximumTime' ") == true)
    let fitting = checks("debug", "debug|up|30:00|4000|2|3\n") {
      $0.time = TimeLimit(seconds: 600)
      $0.maximumTime = TimeLimit(seconds: 1800)
    }
    #expect(fitting.allSatisfy { $0.isGood && $0.advice == nil })
    // The profile's own partition.
    #expect(checks("", "main*|up|12:00:00|4000|2|3\n") { _ in }.map(\.isGood) == [true, false, true])
  }

  // MARK: Asking

  /// A program in a folder of its own, called by its path.
  private func script(_ body: String) throws -> (path: String, folder: String) {
    let folder = temporaryDirectory()
    try FileSystem.write(Array("#!/bin/bash\n\(body)\n".utf8), to: folder + "/sbatch")
    chmod(folder + "/sbatch", 0o755)
    return (folder + "/sbatch", folder)
  }

  @Test func variablesOfASurroundingJobAreWithheld() throws {
    // Of no meaning to anything, since other tests run beside this one.
    TestEnvironment.set([
      "SLURM_PIPELINE_TEST": "1", "SBATCH_PIPELINE_TEST": "1", "PMIX_PIPELINE_TEST": "1", "PMI_PIPELINE_TEST": "1",
      "SQUEUE_PIPELINE_TEST": "1", "PIPELINE_TEST_KEPT": "kept",
    ])
    let (path, folder) = try script("env")
    defer { try? FileSystem.removeTree(folder) }
    let text = try SlurmCluster.ask([path], more: ["MODULEPATH": "/opt/m"])
    let lines = Set(text.split(separator: "\n").map(String.init))
    let foreign = lines.filter { line in SlurmCluster.foreignVariables.contains { line.hasPrefix($0) } }
    #expect(foreign.filter { $0.contains("PIPELINE_TEST") } == [])
    #expect(lines.contains("SLURM_BITSTR_LEN=0"))
    #expect(lines.contains("PIPELINE_TEST_KEPT=kept"))
    #expect(lines.contains("MODULEPATH=/opt/m"))
  }

  @Test func whatAFailingCommandPrintsIsItsReason() throws {
    let (path, folder) = try script("echo 'error: Invalid partition name specified' >&2; exit 1")
    defer { try? FileSystem.removeTree(folder) }
    let error = #expect(throws: ClusterError.self) { try SlurmCluster.ask([path]) }
    #expect(error?.code == .refused)
    #expect(error?.message == "refuses: error: Invalid partition name specified")
  }

  @Test func aMissingCommandIsFinal() {
    let error = #expect(throws: ClusterError.self) { try SlurmCluster.ask(["/nowhere/sbatch"]) }
    #expect(error?.code == .refused)
    #expect(error?.description.contains("is not installed on \(hostName())") == true)
  }
}

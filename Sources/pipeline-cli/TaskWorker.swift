import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages
import Synchronization
import TrainerCore

extension WorkerCommand {
  /// Runs the tasks of one job of a cluster.
  struct Task: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the tasks of one job of a batch.")

    @Argument(help: "The batch's folder.")
    var folder: String

    @Option(help: "The job's place in the batch.")
    var group: Int

    @Option(help: "The scheduler's number of the job.")
    var job: String

    @Option(help: "A file that has to exist where the program runs.")
    var marker: String?

    func run() throws {
      JobSignals.install()
      // On several nodes, this step runs once on each.
      let isShared = try BatchFolder(folder).readBatch().request.nodes > 1
      let node = isShared ? try LaunchEnvironment.current(processesPerNode: 1).nodeRank : 0
      if let marker, !FileSystem.exists(marker) {
        let error = RunError(
          .environment, "the container is not used: \(marker) does not exist here",
          hint: "Check 'launcher' and 'marker' of the profile, and that this node has the container's software.")
        if node > 0 { BatchWorker.tellLeader("\(error)", BatchFolder(folder), group) }
        throw error
      }
      let worker = try BatchWorker(folder, group: group, registry: .builtin, job: job, isLeader: node == 0)
      if try worker.run(stopping: { JobSignals.isStopping }) == .isAnothers { throw ExitCode(JobScript.anothersCode) }
    }
  }
}

/// Signals with which a scheduler tells a job to come to an end.
private enum JobSignals {
  private static let stops = Atomic<Int>(0)

  static var isStopping: Bool { stops.load(ordering: .relaxed) > 0 }

  static func install() {
    for number in [SIGTERM, SIGUSR1, SIGINT] {
      signal(number) { _ in JobSignals.stops.add(1, ordering: .relaxed) }
    }
    signal(SIGPIPE, SIG_IGN)
  }
}

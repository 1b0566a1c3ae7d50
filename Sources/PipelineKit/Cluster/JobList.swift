import Glibc
import ShardKit

/// The jobs that a store's runs have left or are waiting for, in the order in which they were made.
public struct JobList {
  public struct Job: Sendable {
    public var batch: JobBatch
    public var folder: BatchFolder
    /// The scheduler's numbers: none if the submission's answer was lost, several if it was repeated.
    public var numbers: [String]

    var clusterJobs: [ClusterJob] { numbers.map { ClusterJob(number: $0, batch: batch, folder: folder) } }
  }

  public let jobs: [Job]

  /// - Parameter isStrict: whether a batch that cannot be read is an error: its jobs may be alive. Otherwise it is
  ///   passed over.
  /// - Throws: `RunError` (`.damaged`) for a batch that cannot be read; `ShardError` for the disk.
  public init(store: String, isStrict: Bool) throws {
    let root = BatchFolder.root(store: store)
    var jobs: [Job] = []
    for name in FileSystem.isDirectory(root) ? try FileSystem.list(root, others: .passedOver) : [] {
      let folder = BatchFolder("\(root)/\(name)")
      guard FileSystem.exists(folder.batch) else {
        // Written last: nothing can have been submitted.
        if isStrict { try FileSystem.removeTree(folder.path) }
        continue
      }
      do {
        let batch = try folder.readBatch()
        // Of a repeated submission, the other may have begun.
        let known = folder.readJobs()
        let others = folder.claimants.filter { !$0.isEmpty && !known.contains($0) }.sorted()
        jobs.append(Job(batch: batch, folder: folder, numbers: known + others))
      } catch {
        guard isStrict else { continue }
        throw RunError(
          .damaged, "\(folder.path) describes jobs that may still run, and cannot be read: \(error)",
          hint: "End the jobs named 'pipeline-\(name)' with the scheduler's own command, and remove the folder.")
      }
    }
    self.jobs = jobs.sorted {
      ($0.batch.run, $0.batch.number, $0.batch.id) < ($1.batch.run, $1.batch.number, $1.batch.id)
    }
  }

  /// Jobs whose tasks are not all finished.
  public var unfinished: [Job] {
    jobs.filter { job in
      guard let tasks = try? job.folder.readTasks(job.batch) else { return true }
      return tasks.contains { task in
        !FileSystem.exists(
          ArtifactStore.taskManifestPath(in: job.batch.directory, phase: job.batch.phase, key: task.key))
      }
    }
  }

  /// Ends all of them and waits for that; what they have finished stays.
  /// - Returns: the numbers of jobs that have not ended within the time.
  /// - Throws: `ClusterError` if the scheduler does not answer; `ShardError` if a folder cannot be written.
  public func cancel(_ cluster: any Cluster, withinSeconds seconds: Double = 60) throws -> [String] {
    var left = jobs
    for place in left.indices {
      try FileSystem.write([], to: left[place].folder.void)
      if left[place].numbers.isEmpty { left[place].numbers = try cluster.find(jobName: left[place].batch.jobName) }
    }
    let until = monotonicSeconds() + seconds
    while true {
      let open = left.flatMap(\.clusterJobs)
      try cluster.cancel(open, waitingOnly: false)
      let states = try cluster.states(of: open)
      left = try left.filter { job in
        let isAlive = job.numbers.flatMap { (states[$0] ?? [:]).values }.contains { state in
          if case .ended = state { return false }
          return true
        }
        if !isAlive { try FileSystem.removeTree(job.folder.path) }
        return isAlive
      }
      if left.isEmpty || monotonicSeconds() > until { return left.flatMap(\.numbers) }
      usleep(1_000_000)
    }
  }
}

import ShardKit

/// The jobs that a store's runs have left or are waiting for.
public struct JobList {
  public struct Job: Sendable {
    public var batch: JobBatch
    public var folder: BatchFolder
    /// The scheduler's number; nil if the submission's answer was lost.
    public var number: String?

    var clusterJob: ClusterJob? { number.map { ClusterJob(number: $0, batch: batch, folder: folder) } }
  }

  public let jobs: [Job]

  public init(store: String) {
    let root = BatchFolder.root(store: store)
    let names = FileSystem.isDirectory(root) ? (try? FileSystem.list(root, others: .passedOver)) ?? [] : []
    jobs = names.compactMap { name in
      let folder = BatchFolder("\(root)/\(name)")
      guard let batch = try? folder.readBatch() else { return nil }
      return Job(batch: batch, folder: folder, number: folder.readJob())
    }
  }

  /// Ends all of them and forgets them; what they have finished stays.
  /// - Throws: `ClusterError` if the scheduler does not answer; `ShardError` if a folder cannot be written.
  public func cancel(_ cluster: any Cluster) throws {
    for job in jobs { try FileSystem.write([], to: job.folder.void) }
    var left = jobs
    for place in left.indices where left[place].number == nil {
      left[place].number = try cluster.find(jobName: left[place].batch.jobName)
    }
    try cluster.cancel(left.compactMap(\.clusterJob), waitingOnly: false)
  }
}

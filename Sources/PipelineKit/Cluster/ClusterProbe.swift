import Glibc
import ShardKit

/// A job without a task, started like all others: shows that a node sees the store and runs the same program.
public struct ClusterProbe {
  public struct Answer: Sendable {
    public var host: String
    /// From the submission until its report was seen.
    public var seconds: Double
    /// How far its clock is off; nil within a few seconds.
    public var clockSkewSeconds: Double?
  }

  let cluster: any Cluster
  let profile: SiteProfile
  let store: String
  private let program: ProgramIdentity

  static let stage = "probe"
  private static let patienceSeconds = 300.0
  private static let toleratedSkew = 5.0

  /// - Parameter store: an absolute path.
  /// - Throws: `ShardError` if the profile's program cannot be read.
  public init(cluster: any Cluster, profile: SiteProfile, store: String) throws {
    self.cluster = cluster
    self.profile = profile
    self.store = store
    program = try ProgramIdentity.wanted(by: profile)
  }

  /// - Throws: `StageError` if the job does not report, or reports that it cannot work; `ClusterError`; `ShardError`.
  public func run() throws -> Answer {
    let id = "probe-\(getpid())-\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
    let folder = BatchFolder("\(store)/probes/\(id)")
    var batch = JobBatch(
      id: id, number: 0, jobName: "pipeline-\(id)", run: 0, stage: Self.stage, use: "", phase: "", options: "{}",
      canonical: "{}",
      directory: store, keptState: store, folder: FileSystem.realPath("."), program: program,
      request: JobRequest(memoryBytes: profile.memory.bytes, seconds: 300), groups: [[]])
    try folder.write(&batch, tasks: [], earlier: [:]) { cluster.script($0, in: folder) }
    let began = wallSeconds()
    let number = try cluster.submit(batch, in: folder)
    defer { try? FileSystem.removeTree(folder.path) }
    let job = ClusterJob(number: number, batch: batch, folder: folder)
    while wallSeconds() - began < Self.patienceSeconds {
      if let report = try JobReports.read(folder.outcomes(0)).last { return try answer(report, began) }
      // A host without a scheduler starts what is asked for.
      if case .ended(let end, let node) = try cluster.states(of: [job])[number]?[0] { try lost(end, node, folder) }
      usleep(500_000)
    }
    try? cluster.cancel([job], waitingOnly: false)
    throw StageError(
      .environment, "job \(number)", "has not reported within \(Int(Self.patienceSeconds)) s",
      hint: "Check whether it is waiting for a node. If it ran, its node does not share the store's folder.")
  }

  private func answer(_ report: JobReport, _ began: Double) throws -> Answer {
    if report.kind == .refused { throw StageError(.environment, report.host, report.message ?? "cannot work") }
    let now = wallSeconds(), theirs = Double(report.time) / 1000
    let skew = theirs < began ? theirs - began : max(0, theirs - now)
    return Answer(
      host: report.host, seconds: now - began, clockSkewSeconds: abs(skew) > Self.toleratedSkew ? skew : nil)
  }

  private func lost(_ end: JobEnd, _ node: String, _ folder: BatchFolder) throws {
    // Its report may be on its way.
    usleep(2_000_000)
    guard try JobReports.read(folder.outcomes(0)).isEmpty else { return }
    let output = (try? FileSystem.read(folder.output(0), limit: 1 << 20)) ?? []
    let said = String(decoding: output, as: UTF8.self).split(separator: "\n").last.map { ": \($0)" } ?? ""
    throw StageError(
      .environment, "a job on \(node)", "\(end.words) without a report\(said)",
      hint: "Check that \(program.path) can run there and that \(folder.path) is on a shared file system.")
  }
}

/// Something that was checked of a cluster.
public struct ClusterCheck: Sendable {
  public var name: String
  public var isGood: Bool
  public var finding: String
  public var advice: String?
}

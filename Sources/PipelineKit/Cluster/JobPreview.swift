import ShardKit

/// The jobs that a run would submit first, for stages whose inputs are there.
public struct JobPreview {
  public struct Job: Sendable {
    public var stage: String
    public var phase: String
    public var tasks: Int
    public var request: JobRequest
    /// By job: how many tasks it runs.
    public var groups: [Int]
    public var script: String
    /// Why it may not be enough.
    public var warning: String?
  }

  let run: PipelineRun
  let cluster: any Cluster
  let profile: SiteProfile

  public init(_ run: PipelineRun, cluster: any Cluster, profile: SiteProfile) {
    self.run = run
    self.cluster = cluster
    self.profile = profile
  }

  /// Jobs of the first phase of each stage that the plan would start now, with all its tasks; none for a stage that waits for another.
  /// - Throws: what planning the tasks throws.
  public func jobs(_ plan: Plan) throws -> [Job] {
    let history = StoreHistory(store: run.store, pipeline: run.graph.document.name)
    var manifests: [Int: NodeManifest] = [:]
    var jobs: [Job] = []
    for (index, verdict, fingerprint) in plan.verdicts {
      let node = run.graph.nodes[index]
      if verdict == .fresh, let fingerprint {
        manifests[index] = try history.sealed(stage: node.name, fingerprint: fingerprint)
      }
      guard let fingerprint, verdict != .fresh, node.edges.allSatisfy({ manifests[$0.source] != nil }) else { continue }
      jobs += try self.jobs(node, fingerprint, manifests)
    }
    return jobs
  }

  private func jobs(_ node: Graph.Node, _ fingerprint: Digest, _ manifests: [Int: NodeManifest]) throws -> [Job] {
    var inputs: [String: [WiredArtifact]] = [:]
    for edge in node.edges {
      let files = run.store.artifacts.files(manifests[edge.source]!, port: edge.output)
      inputs[edge.input, default: []].append(
        WiredArtifact(stage: run.graph.nodes[edge.source].name, port: edge.output, files: files, name: edge.name))
    }
    let context = NodeContext(inputs: inputs, base: run.graph.document.folder) { try run.store.digests($0) }
    guard let (phase, plans) = try firstTasks(node, context), isRemote(node, phase) else { return [] }
    let directory = run.store.artifacts.directory(stage: node.name, fingerprint: fingerprint)
    let sizing = JobSizing(profile: profile, store: run.store)
    for plan in plans { try sizing.check(plan, node) }
    let tasks = plans.map { plan in
      LiveTask(
        JobTask(plan, fingerprint: fingerprint, attempt: 1), directory: directory, phase: phase,
        request: sizing.request(plan, node, phase: phase))
    }
    return try sizing.alike(tasks).flatMap { alike in
      try sizing.groups(alike, node, phase: phase, most: min(cluster.mostGroups, profile.mostSubmitted)).map { groups in
        try job(node, phase, directory, alike[0].request, groups, sizing)
      }
    }
  }

  /// The tasks of the first phase that has some.
  private func firstTasks(_ node: Graph.Node, _ context: NodeContext) throws -> (String, [TaskPlan])? {
    for phase in node.description.phases {
      let plans = try node.configured.stage(of: phase).tasks(ofPhase: phase, in: context)
      if !plans.isEmpty { return (phase, plans) }
    }
    return nil
  }

  private func isRemote(_ node: Graph.Node, _ phase: String) -> Bool {
    !profile.keepsInDriver(stage: node.name, use: node.description.name)
      && !node.description.waitingPhases.contains(phase)
  }

  private func job(
    _ node: Graph.Node, _ phase: String, _ directory: String, _ request: JobRequest, _ groups: JobSizing.Groups,
    _ sizing: JobSizing
  ) throws -> Job {
    var request = request
    request.seconds = sizing.seconds(request, longest: groups.seconds, node)
    let program = profile.program.isEmpty ? FileSystem.realPath("/proc/self/exe") : profile.program
    let batch = JobBatch(
      id: "RUN-N", number: 0, jobName: "pipeline-RUN-N", run: 0, stage: node.name, use: node.description.name,
      phase: phase,
      options: "{}", canonical: "{}", directory: directory, keptState: "", folder: FileSystem.realPath("."),
      program: ProgramIdentity(path: program, digest: Digester.digest([])), request: request, groups: groups.places,
      mostRunning: profile.maximumJobs)
    let folder = BatchFolder("\(BatchFolder.root(store: run.store.root))/RUN-N")
    return Job(
      stage: node.name, phase: phase, tasks: groups.places.reduce(0) { $0 + $1.count },
      request: request, groups: groups.places.map(\.count), script: cluster.script(batch, in: folder),
      warning: sizing.shortage(node.name))
  }
}

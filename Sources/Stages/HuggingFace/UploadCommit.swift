import NetKit
import PipelineKit
import ShardKit

/// The first phase: creates the repository if needed, and lists the files that differ from it.
struct CommitPlan {
  private let options: HuggingFaceUpload.Options
  private let client: HubClient
  private let workspace: Workspace

  init(_ options: HuggingFaceUpload.Options, _ client: HubClient, _ workspace: Workspace) {
    self.options = options
    self.client = client
    self.workspace = workspace
  }

  func run() throws {
    if !options.dryRun { try Self.makePlace(options, client) }
    let candidates = try UploadCard.adding(to: UploadFiles.candidates(workspace), options, workspace)
    let survey = try UploadSurvey(candidates, client, options, asksModes: !options.dryRun)
    try workspace.write(HuggingFaceUpload.plan, name: "plan.jsonl", survey.lines)
    guard options.dryRun else { return }
    try workspace.write(HuggingFaceUpload.report, name: "files.jsonl", survey.lines)
    survey.count(in: workspace)
  }

  /// Creates the repository and the branch if they do not exist.
  static func makePlace(_ options: HuggingFaceUpload.Options, _ client: HubClient) throws {
    guard try client.commit(of: options.revision) == nil else { return }
    try client.create(isPrivate: options.private)
    if try client.commit(of: options.revision) == nil { try client.create(branch: options.revision) }
  }

  /// The large files that a plan lists, each content once.
  static func large(in plan: [ArtifactFile], of files: [ArtifactFile]) throws -> [ArtifactFile] {
    var wanted: Set<String> = []
    for file in plan {
      let lines = LineReader(try openSource(file.path))
      while let line = try lines.next() {
        let entry = try JSONValue.parse(Array(line)).value
        guard entry["mode"]?.string == HubMode.lfs.rawValue, let sha = entry["sha256"]?.string else { continue }
        wanted.insert(sha)
      }
    }
    return files.filter { wanted.remove($0.digest.hex) != nil }
  }
}

/// The last phase: one commit of the differing files.
struct UploadCommit {
  private let options: HuggingFaceUpload.Options
  private let client: HubClient
  private let workspace: Workspace

  init(_ options: HuggingFaceUpload.Options, _ client: HubClient, _ workspace: Workspace) {
    self.options = options
    self.client = client
    self.workspace = workspace
  }

  /// Attempts to commit: after a commit by others that does not touch our files, the upload tries again.
  private static let rounds = 4

  func run() throws {
    try CommitPlan.makePlace(options, client)
    let candidates = try UploadCard.adding(to: UploadFiles.candidates(workspace), options, workspace)
    let (first, base) = try survey(candidates)
    var (now, tip) = (first, base)
    var parent = base
    for round in 1... {
      // The storage deletes objects that no commit refers to after a while, so check again.
      try workspace.send(now.large, client, revision: options.revision)
      guard !now.differing.isEmpty else {
        return try report(first, commit: tip, parent: round > 1 ? parent : nil)
      }
      parent = tip
      do {
        let commit = try client.commit(
          body: try body(now, parent: tip), bytes: FileSystem.status(bodyPath())?.bytes ?? 0, revision: options.revision
        )
        return try report(first, commit: commit.commit, parent: parent)
      } catch let error as NetError where error.status == 412 && round < Self.rounds {
        // A lost response looks the same: then the new commit on the branch is our own.
        let later = try survey(candidates)
        try checkUntouched(now, later.files, error)
        (now, tip) = later
      }
    }
  }

  private func survey(_ candidates: [HubCandidate]) throws -> (files: UploadSurvey, commit: String) {
    let survey = try UploadSurvey(candidates, client, options, asksModes: true)
    guard let commit = survey.commit else {
      throw StageError(
        .environment, client.repository.page, "the branch '\(options.revision)' no longer exists", hint: "Run again.")
    }
    return (survey, commit)
  }

  /// Throws if somebody else has changed a file that we are about to change.
  private func checkUntouched(_ before: UploadSurvey, _ now: UploadSurvey, _ error: NetError) throws {
    let old = Dictionary(before.entries.map { (ExactText($0.candidate.path), $0.remote) }, uniquingKeysWith: { $1 })
    let touched = now.entries.filter { $0.change != .unchanged && old[ExactText($0.candidate.path)] != $0.remote }
    guard let first = touched.first else { return }
    var error = error
    error.message += ", with changes to \(first.candidate.path) among others"
    throw error
  }

  private func bodyPath() throws -> String { try workspace.temporaryDirectory() + "/commit.ndjson" }

  private func body(_ survey: UploadSurvey, parent: String) throws -> String {
    let path = try bodyPath()
    let sink = try FileSink(path)
    let body = try HubCommitBody(to: sink, message: options.message, parent: parent)
    for entry in survey.differing {
      try workspace.control.check()
      if entry.mode == .lfs { try body.addLarge(entry.candidate) } else { try body.add(entry.candidate) }
    }
    try sink.commit()
    return path
  }

  /// - Parameter parent: the parent of the new commit; nil if there was nothing to commit.
  private func report(_ survey: UploadSurvey, commit: String, parent: String?) throws {
    try workspace.write(HuggingFaceUpload.report, name: "files.jsonl", survey.lines)
    let repository = client.repository
    let json: JSONValue = [
      "repository": .string(repository.name), "kind": .string(repository.kind.rawValue),
      "endpoint": .string(repository.endpoint), "revision": .string(options.revision), "commit": .string(commit),
      "url": .string("\(repository.page)/commit/\(commit)"),
      "parent": parent.map { .string($0) } ?? .null, "isNew": .bool(parent != nil),
    ]
    try workspace.write(HuggingFaceUpload.report, name: "commit.json", Array(json.prettyText().utf8))
    survey.count(in: workspace)
  }
}

extension UploadSurvey {
  /// Adds a metric per kind of change, and warns about files that the repository ignores.
  func count(in workspace: Workspace) {
    let counts = Dictionary(grouping: entries, by: \.change).mapValues(\.count)
    for (change, count) in counts { workspace.metric(change.rawValue, Double(count)) }
    let ignored = entries.filter { $0.change == .ignored }
    workspace.warn(
      "ignored-file", times: ignored.count, "\(ignored[0].candidate.path): ignored by the repository's .gitignore")
  }
}

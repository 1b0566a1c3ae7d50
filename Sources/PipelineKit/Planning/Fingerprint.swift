import ShardKit

/// Identities of work: equal fingerprint, equal result.
public enum Fingerprint {
  /// The options that decide a result, by name. Input files are left out: their contents stand in the tasks.
  /// - Parameter phase: only the options that this phase uses.
  static func canonicalOptions(_ configured: ConfiguredStage, phase: String? = nil) -> JSONValue {
    let files = Set(configured.inputFiles.map(\.option))
    let used = phase.flatMap { configured.narrowed[$0]?.options }
    return .object(
      configured.options.filter {
        $0.affectsOutput && !files.contains($0.name) && used?.contains($0.name) ?? true
      }
      .map { JSONMember($0.name, configured.settled[$0.name] ?? $0.value) })
  }

  /// stage × revision × options × phase × task key × note × names and digests of what the task reads.
  public static func task(
    stage: String, revision: Int, options: JSONValue, phase: String, task: TaskPlan
  ) -> Digest {
    var digester = Digester()
    for field in ["task", stage, String(revision), options.text(sortedKeys: true), phase, task.key, task.note] {
      digester.update(field: field)
    }
    for file in task.files {
      digester.update(field: file.name)
      digester.update(field: file.digest.hex)
    }
    return digester.finish()
  }
}

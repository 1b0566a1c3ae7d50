public import ShardKit

/// Identities of work: equal fingerprints mean equal results.
public enum Fingerprint {
  /// The options that determine a result, by name. Input files are left out: their contents are in the tasks.
  /// - Parameter phase: only the options that this phase uses.
  static func canonicalOptions(_ configured: ConfiguredStage, phase: String? = nil) -> JSONValue {
    let used = phase.flatMap { configured.narrowed[$0]?.options }
    return .object(
      configured.options.filter {
        $0.affectsOutput && !configured.fileOptions.contains($0.name) && used?.contains($0.name) ?? true
      }
      .map { JSONMember($0.name, configured.settled[$0.name] ?? $0.value) })
  }

  /// The options as a manifest has them. Manifests are shared: digests of what could be guessed are salted.
  /// - Parameter salt: asked for only if there is something to conceal.
  static func manifestOptions(_ configured: ConfiguredStage, salt: () throws -> StoreSalt) rethrows -> JSONValue {
    let options = canonicalOptions(configured)
    let members = options.members ?? []
    let concealed = members.filter { configured.concealed.contains($0.key) && !($0.value.members ?? []).isEmpty }
    guard !concealed.isEmpty else { return options }
    let salt = try salt()
    return .object(
      members.map { member in
        guard configured.concealed.contains(member.key), let values = member.value.members else { return member }
        return JSONMember(
          member.key,
          .object(values.map { JSONMember($0.key, $0.value == .null ? .null : salt.concealing($0.value, $0.key)) }))
      })
  }

  /// stage × revision × options × phase × task key × payload × roles, names and digests of what the task reads.
  public static func task(
    stage: String, revision: Int, options: JSONValue, phase: String, task: TaskPlan
  ) -> Digest {
    var digester = Digester()
    let payload = task.payload.text(sortedKeys: true)
    for field in ["task", stage, String(revision), options.text(sortedKeys: true), phase, task.key, payload] {
      digester.update(field: field)
    }
    for (role, files) in task.inputs.byRole {
      digester.update(field: "role \(role.name) \(files.count)")
      for file in files {
        digester.update(field: file.name)
        digester.update(field: file.digest)
      }
    }
    return digester.finish()
  }
}

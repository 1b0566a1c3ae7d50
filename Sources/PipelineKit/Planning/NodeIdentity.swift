public import ShardKit

/// Everything that determines a node's result, and thus the node's fingerprint; stored so that a later run can report
/// differences.
public struct NodeIdentity: JSONRecord, Equatable, Sendable {
  public struct Wired: Codable, Equatable, Sendable {
    public var input: String
    /// `stage.port` that it reads.
    public var source: String
    /// Content digest of that artifact.
    public var digest: Digest
    /// What the input calls the artifact; nil if it has no name.
    public var name: String?
  }

  public struct File: Codable, Equatable, Sendable {
    public var option: String
    public var name: String
    public var digest: Digest
  }

  public var use: String
  public var revision: Int
  /// The options that affect output, without files, as an object.
  public var options: JSONValue
  public var inputs: [Wired]
  public var files: [File]
  /// What was removed of the documents that it brings in; nil if nothing was.
  public var removed: RemovalList.Part?

  public var fingerprint: Digest {
    var digester = Digester()
    for field in ["node", use, String(revision), options.text(sortedKeys: true)] { digester.update(field: field) }
    for input in inputs {
      for field in [input.input, input.source, input.digest.hex] { digester.update(field: field) }
      if let name = input.name { digester.update(field: "named \(name)") }
    }
    for file in files {
      for field in ["file", file.option, file.name] { digester.update(field: field) }
      digester.update(field: file.digest)
    }
    if let removed { digester.update(field: "removed \(removed.digest.hex)") }
    return digester.finish()
  }

  public init(
    use: String, revision: Int, options: JSONValue, inputs: [Wired], files: [File], removed: RemovalList.Part? = nil
  ) {
    self.use = use
    self.revision = revision
    self.options = options
    self.inputs = inputs
    self.files = files
    self.removed = removed
  }
}

extension NodeIdentity.Wired {
  /// The input, with the artifact's name in it: `tokens.ja`.
  fileprivate var place: String { name.map { "\(input).\($0)" } ?? input }

  fileprivate func isWired(as other: Self) -> Bool {
    input == other.input && source == other.source && name == other.name
  }
}

extension NodeIdentity {
  /// The differences from an earlier identity, one sentence each; empty if equal.
  public func differences(from old: NodeIdentity) -> [String] {
    var out: [String] = []
    if use != old.use { out.append("the stage kind changed: \(old.use) → \(use)") }
    if revision != old.revision { out.append("the stage's code changed: revision \(old.revision) → \(revision)") }
    let now = options.members ?? []
    let before = old.options.members ?? []
    for member in now {
      let previous = before.first { $0.key == member.key }?.value
      if previous == member.value { continue }
      out.append("option '\(member.key)' changed: \(previous?.text() ?? "(not set)") → \(member.value.text())")
    }
    for member in before where !now.contains(where: { $0.key == member.key }) {
      out.append("option '\(member.key)' was removed; it was \(member.value.text())")
    }
    return out + inputDifferences(from: old) + fileDifferences(from: old) + removalDifferences(from: old)
  }

  private func removalDifferences(from old: NodeIdentity) -> [String] {
    guard removed != old.removed else { return [] }
    let counts = [old.removed?.documents ?? 0, removed?.documents ?? 0]
    return ["the documents that were removed of what it brings in changed: \(counts[0]) → \(counts[1])"]
  }

  private func inputDifferences(from old: NodeIdentity) -> [String] {
    var out: [String] = []
    for wired in inputs {
      let same = old.inputs.first { $0.isWired(as: wired) }
      if let same {
        if same.digest != wired.digest {
          out.append("input '\(wired.source)' changed: \(same.digest.short) → \(wired.digest.short)")
        }
      } else {
        out.append("input '\(wired.source)' is newly wired to '\(wired.place)'")
      }
    }
    for wired in old.inputs where !inputs.contains(where: { $0.isWired(as: wired) }) {
      out.append("input '\(wired.source)' is no longer wired to '\(wired.place)'")
    }
    if out.isEmpty, inputs != old.inputs { out.append("the order of the inputs changed") }
    return out
  }

  private func fileDifferences(from old: NodeIdentity) -> [String] {
    func key(_ file: File) -> ExactText { ExactText("\(file.option)\u{0}\(file.name)") }
    func table(_ files: [File]) -> [ExactText: Digest] {
      Dictionary(files.map { (key($0), $0.digest) }, uniquingKeysWith: { $1 })
    }
    let now = table(files)
    let before = table(old.files)
    func named(_ verb: String, _ changed: [File]) -> [String] {
      guard let first = changed.first else { return [] }
      let more = changed.count > 1 ? " and \(changed.count - 1) more" : ""
      return ["\(verb): \(first.name)\(more) (option '\(first.option)')"]
    }
    var out = named("input file changed", files.filter { before[key($0)] != nil && before[key($0)] != $0.digest })
    out += named("input file added", files.filter { before[key($0)] == nil })
    out += named("input file removed", old.files.filter { now[key($0)] == nil })
    if out.isEmpty, files != old.files { out.append("the order of the input files changed") }
    return out
  }
}

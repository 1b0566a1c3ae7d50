public import ShardKit

/// Compares two runs of a store, stage by stage and, if both artifacts still exist, document by document.
public struct RunDifference: Sendable {
  public enum State: String, Sendable {
    /// Both runs used the same artifact.
    case same
    /// Made from other options or inputs, with the same content.
    case sameOutput = "same-output"
    case changed
    /// Only the later, or only the earlier, run had the stage.
    case added, removed
  }

  public struct Stage: Sendable {
    public var name: String
    public var state: State
    /// Why it was recomputed, one sentence each.
    public var reasons: [String]
    public var before: StageUse?
    public var after: StageUse?
    /// By port; only outputs of documents that differ.
    public var documents: [(port: String, difference: DocumentDifference)] = []
    /// Why documents could not be compared.
    public var gap: String?
  }

  public var before: RunStore.Run
  public var after: RunStore.Run
  /// In graph order; stages no longer in the graph come last.
  public var stages: [Stage]

  /// - Parameter examples: how many ids of each kind to list.
  /// - Throws: `RunError` (`.notFound`) for a run without outputs; `RunError` or `ShardError` for an unreadable store.
  public init(before: RunStore.Run, after: RunStore.Run, graph: Graph, store: RunStore, examples: Int = 3) throws {
    self.before = before
    self.after = after
    let old = try Self.uses(before, store)
    let new = try Self.uses(after, store)
    let order = graph.order.map { graph.nodes[$0].name }
    let names = order + Set(old.keys).union(new.keys).subtracting(order).sorted()
    stages = []
    for name in names where old[name] != nil || new[name] != nil {
      stages.append(try Stage(name, old[name], new[name], store, examples))
    }
  }

  private static func uses(_ run: RunStore.Run, _ store: RunStore) throws -> [String: StageUse] {
    let uses = try store.uses(run: run.id)
    guard !uses.isEmpty else {
      throw RunError(
        .notFound, "run \(run.id) has no recorded finished stage",
        hint:
          "It failed before its first stage was done, or an older version wrote it. `pipeline run` records new runs."
      )
    }
    return Dictionary(uniqueKeysWithValues: uses.map { ($0.stage, $0) })
  }
}

extension RunDifference.Stage {
  init(_ name: String, _ before: StageUse?, _ after: StageUse?, _ store: RunStore, _ examples: Int) throws {
    self.init(name: name, state: .changed, reasons: [], before: before, after: after)
    guard let before, let after else {
      state = before == nil ? .added : .removed
      return
    }
    guard before.fingerprint != after.fingerprint || before != after else {
      state = .same
      return
    }
    if before.outputs == after.outputs { state = .sameOutput }
    let nodes = try [before, after].map { try store.node(stage: name, fingerprint: $0.fingerprint) }
    guard let old = nodes[0], let new = nodes[1] else {
      gap = "an artifact was pruned, so options and documents cannot be compared"
      return
    }
    reasons = new.identity.differences(from: old.identity)
    if state == .changed { try compareDocuments((before, after), old, new, store, examples) }
  }

  private mutating func compareDocuments(
    _ uses: (before: StageUse, after: StageUse), _ old: RunStore.Node, _ new: RunStore.Node, _ store: RunStore,
    _ examples: Int
  ) throws {
    guard let oldManifest = old.manifest, let newManifest = new.manifest, old.fingerprint != new.fingerprint else {
      gap = "an artifact has been recomputed since, so documents cannot be compared"
      return
    }
    for output in uses.after.outputs {
      let earlier = uses.before.outputs.filter { $0.port == output.port }
      guard output.documents > 0 || earlier.contains(where: { $0.documents > 0 }),
        output.digest != earlier.first?.digest
      else { continue }
      let artifacts = [oldManifest, newManifest].map {
        DocumentDifference.Artifact(directory: store.artifacts.directory(of: $0), manifest: $0, port: output.port)
      }
      // Outputs of other kinds (shards, hidden ones) have other names.
      let files = artifacts.flatMap { $0.manifest.files(of: output.port) }
      guard files.allSatisfy({ $0.name.hasSuffix(".jsonl.zst") }) else { continue }
      if files.contains(where: \.isPassed) {
        gap = "its documents went to the next stage in memory and were not kept, so they cannot be compared"
        return
      }
      if let damage = artifacts.compactMap({
        store.artifacts.firstDamage($0.manifest.files(of: output.port), in: $0.directory)
      })
      .first {
        gap = "documents cannot be compared: \(damage)"
        return
      }
      documents.append(
        (output.port, try DocumentDifference(before: artifacts[0], after: artifacts[1], examples: examples)))
    }
  }
}

// MARK: JSON

extension RunDifference {
  public var json: JSONValue {
    ["before": before.json, "after": after.json, "stages": .list(stages.map(\.json))]
  }
}

extension RunDifference.Stage {
  var json: JSONValue {
    [
      "stage": .string(name), "state": .string(state.rawValue), "reasons": .strings(reasons),
      "before": before?.json ?? .null, "after": after?.json ?? .null, "gap": gap.map { .string($0) } ?? .null,
      "documents": .list(
        documents.map { port, difference in
          [
            "port": .string(port), "entered": difference.entered.json, "left": difference.left.json,
            "changed": ["count": .integer(difference.changed), "examples": .strings(difference.changedExamples)],
          ]
        }),
    ]
  }
}

extension StageUse {
  var json: JSONValue {
    [
      "fingerprint": .string(fingerprint.hex), "ledger": ledger.json,
      "outputs": .list(
        outputs.map {
          [
            "port": .string($0.port), "digest": .string($0.digest.hex), "files": .integer($0.files),
            "documents": .integer($0.documents), "bytes": .integer(Int($0.bytes)),
          ]
        }),
    ]
  }
}

extension DocumentDifference.Moved {
  var json: JSONValue {
    [
      "count": .integer(count),
      "causes": .object(causes.sorted { $0.key < $1.key }.map { JSONMember($0.key, .integer($0.value)) }),
      "examples": .strings(examples),
    ]
  }
}

import ShardKit

/// Detects a source that reads nothing from non-empty files: it was probably given the wrong input.
struct EmptinessCheck {
  let manifest: NodeManifest
  let node: Graph.Node
  /// The artifacts wired to the node.
  let inputs: [String: [WiredArtifact]]
  /// Folder of the pipeline file.
  let base: String

  private var description: StageDescription { node.description }
  private var writesDocuments: Bool { description.outputs.contains { $0.kind == .documents && !$0.isHidden } }

  /// The problem, as a message; nil if there is none.
  func problem() -> String? {
    let ledger = manifest.ledger
    guard !node.mayBeEmpty, writesDocuments, ledger.input.documents == 0, ledger.output.documents == 0,
      !description.inputs.contains(where: { $0.kind == .documents })
    else { return nil }
    let given = self.given
    guard let first = given.first(where: Self.holdsSomething) else { return nil }
    let others = given.count > 1 ? " or of \(given.count - 1) more" : ""
    return "it read nothing: '\(description.name)' recognized no record in \(first)\(others). Check that the "
      + "files have the format that the stage reads; if they may have no records, set \"mayBeEmpty\": true."
  }

  /// The record files that it was given. For artifacts made by other stages, their documents are counted; for
  /// downloads, they are not.
  private var given: [String] {
    let named = node.configured.inputFiles.filter(\.holdsRecords).flatMap { (try? $0.files.resolve(base: base)) ?? [] }
      .map(\.path)
    let wired = description.inputs.filter(\.holdsRecords).flatMap { port in
      (inputs[port.name] ?? []).flatMap(\.files).filter { port.kind == .files || $0.documents > 0 }.map(\.path)
    }
    return named + wired
  }

  /// A warning if documents came in and none remain.
  func warning() -> TaskManifest.Warning? {
    let ledger = manifest.ledger
    guard writesDocuments, ledger.input.documents > 0, ledger.output.documents == 0,
      ledger.droppedDocuments == ledger.input.documents
    else { return nil }
    let reason = ledger.dropped.max { ($0.value.documents, $1.key) < ($1.value.documents, $0.key) }
    return TaskManifest.Warning(
      count: 1,
      example: "no documents remain: all \(ledger.input.documents) were dropped, most of them as '\(reason?.key ?? "")'"
    )
  }

  /// The decompressed size of a compressed file; unreadable files are handled elsewhere.
  private static func holdsSomething(_ path: String) -> Bool {
    guard let source = try? openSource(path) else { return true }
    return withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 64) { room in
      do { return try source.read(into: room) > 0 } catch { return true }
    }
  }
}

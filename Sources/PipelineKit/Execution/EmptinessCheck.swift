import ShardKit

/// A source that reads nothing from files that hold something is likely not given what it reads.
struct EmptinessCheck {
  let manifest: NodeManifest
  let node: Graph.Node
  /// What is wired to the node.
  let inputs: [String: [WiredArtifact]]
  /// Folder of the document.
  let base: String

  private var description: StageDescription { node.description }
  private var writesDocuments: Bool { description.outputs.contains { $0.kind == .documents && !$0.isHidden } }

  /// What is wrong, as a sentence; nil if all is well.
  func problem() -> String? {
    let ledger = manifest.ledger
    guard !node.mayBeEmpty, writesDocuments, ledger.input.documents == 0, ledger.output.documents == 0,
      !description.inputs.contains(where: { $0.kind == .documents })
    else { return nil }
    let given = self.given
    guard let first = given.first(where: Self.holdsSomething) else { return nil }
    let others = given.count > 1 ? " or of \(given.count - 1) more" : ""
    return "it read nothing: no record of \(first)\(others) is one that '\(description.name)' reads. Check that the "
      + "files are what the stage reads; if they may hold nothing for it, set \"mayBeEmpty\": true beside its \"use\"."
  }

  /// The files of records that it was given. What other stages made counts its documents; what they fetched does not.
  private var given: [String] {
    let named = node.configured.inputFiles.filter(\.holdsRecords).flatMap { (try? $0.files.resolve(base: base)) ?? [] }
      .map(\.path)
    let wired = description.inputs.filter(\.holdsRecords).flatMap { port in
      (inputs[port.name] ?? []).flatMap(\.files).filter { port.kind == .files || $0.documents > 0 }.map(\.path)
    }
    return named + wired
  }

  /// A warning where documents came in and none is left.
  func warning() -> TaskManifest.Warning? {
    let ledger = manifest.ledger
    guard writesDocuments, ledger.input.documents > 0, ledger.output.documents == 0,
      ledger.droppedDocuments == ledger.input.documents
    else { return nil }
    let reason = ledger.dropped.max { ($0.value.documents, $1.key) < ($1.value.documents, $0.key) }
    return TaskManifest.Warning(
      count: 1,
      example: "no document is left: all \(ledger.input.documents) were dropped, most as '\(reason?.key ?? "")'")
  }

  /// Of a compressed file, what it decompresses to; one that cannot be read is another matter.
  private static func holdsSomething(_ path: String) -> Bool {
    guard let source = try? openSource(path) else { return true }
    return withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 64) { room in
      do { return try source.read(into: room) > 0 } catch { return true }
    }
  }
}

/// The conservation law of a stage: every document that comes in is accounted for.
enum LedgerCheck {
  /// What does not balance, as a message; nil if everything balances.
  static func problem(
    _ manifest: NodeManifest, inputs: [String: [WiredArtifact]],
    _ description: StageDescription
  ) -> String? {
    let ledger = manifest.ledger
    guard ledger.imbalance == 0 else {
      return "the ledger does not balance: \(ledger.imbalance) more documents came in than are accounted for. "
        + "This is a bug in the stage '\(description.name)'; please report it."
    }
    let documentPorts = description.inputs.filter { $0.kind == .documents }.map(\.name)
    guard !documentPorts.isEmpty else { return nil }
    let offered = documentPorts.flatMap { inputs[$0] ?? [] }.flatMap(\.files).reduce(0) { $0 + $1.documents }
    guard offered == ledger.input.documents else {
      return "the ledger does not balance: \(offered) documents were offered to the stage, \(ledger.input.documents) "
        + "were read. This is a bug in the stage '\(description.name)'; please report it."
    }
    return nil
  }
}

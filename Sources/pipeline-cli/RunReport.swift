import PipelineKit
import ShardKit

/// Prints a run's events: plain lines, or JSON.
final class RunReport {
  private let graph: Graph
  private let json: Bool
  private let width: Int

  init(graph: Graph, json: Bool) {
    self.graph = graph
    self.json = json
    width = graph.nodes.map { $0.name.count }.max() ?? 0
  }

  func hear(_ event: RunEvent) {
    switch event {
    case .judged(let stage, let verdict):
      if verdict != .fresh { line(stage, "\(verdict.name): \(verdict.reasons.joined(separator: "; "))") }
    case .sealed(let stage, let manifest, let milliseconds):
      let ledger = manifest.ledger
      line(
        stage,
        "done in \(Double(milliseconds) / 1000) s: \(ledger.input.documents) in, \(ledger.output.documents) out, "
          + "\(ledger.droppedDocuments) dropped")
    case .taskRetried(let stage, let phase, let key, _, let message, let delay):
      line(stage, "\(phase)/\(key) failed, again in \(delay) s: \(message)")
    case .stageFailed(let stage, let message): Console.error("stage '\(stage)': \(message)")
    case .blocked(let stage, let by): line(stage, "not run: '\(by)' did not finish")
    case .interrupted(let now):
      Console.line(now ? "stopping now" : "finishing the running tasks; press Ctrl-C again to stop now")
    case .ended(let outcome): Console.line(outcome.rawValue)
    default: break
    }
  }

  private func line(_ stage: String, _ text: String) {
    Console.line(stage + String(repeating: " ", count: max(0, width - stage.count) + 2) + text)
  }
}

import Glibc
import PipelineKit
import ShardKit
import Synchronization

/// Decides what Ctrl-C means for the jobs of a cluster: they go on, or are cancelled.
final class InterruptQuestion: Sendable {
  private let choice: InterruptChoice

  /// How long an answer is waited for.
  private static let patience = 60_000_000_000

  init(choice: InterruptChoice) { self.choice = choice }

  func answer() -> ClusterExecutor.Ending {
    switch choice {
    case .leave: .leave
    case .cancel: .cancel
    // SIGTERM comes from programs, which cannot be asked.
    case .ask:
      TerminationSignals.interruptCount > 1 || TerminationSignals.interruptCount > 0 && asksToCancel()
        ? .cancel : .leave
    }
  }

  /// Asks on the terminal; another Ctrl-C is a yes, and silence a no.
  private func asksToCancel() -> Bool {
    guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return false }
    Console.standardError("Cancel the jobs? Otherwise they continue, and the next run finds them. [y/N] ")
    let until = monotonicNanoseconds() + Self.patience
    while monotonicNanoseconds() < until {
      if TerminationSignals.interruptCount > 1 { return true }
      var ready = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
      guard poll(&ready, 1, 200) > 0 else { continue }
      return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
    return false
  }
}

import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Synchronization

/// Counts Ctrl-C and termination signals.
///
/// People press Ctrl-C and can press it again, so the first one lets the running tasks finish. Programs send SIGTERM
/// once and then wait for the process to end, so tasks that do not finish soon are stopped.
enum TerminationSignals {
  private static let interrupts = Atomic<Int>(0)
  private static let terminations = Atomic<Int>(0)
  private static let terminatedAt = Atomic<Int>(0)

  /// How often Ctrl-C was pressed.
  static var interruptCount: Int { interrupts.load(ordering: .relaxed) }

  static var level: Int {
    level(
      interrupts: interrupts.load(ordering: .relaxed), terminations: terminations.load(ordering: .relaxed),
      nanoseconds: monotonicNanoseconds() - terminatedAt.load(ordering: .relaxed),
      isSaving: TaskControl.isAnySaving)
  }

  /// - Parameters:
  ///   - nanoseconds: time since the first SIGTERM.
  ///   - isSaving: whether a task is saving its state.
  static func level(interrupts: Int, terminations: Int, nanoseconds: Int, isSaving: Bool) -> Int {
    let patience = isSaving ? 60_000_000_000 : 5_000_000_000
    return terminations > 0 && nanoseconds > patience ? 2 : interrupts + terminations
  }

  static func install() {
    // The parent may have blocked these signals, as the threads of some runtimes do.
    var ours = sigset_t()
    sigemptyset(&ours)
    sigaddset(&ours, SIGINT)
    sigaddset(&ours, SIGTERM)
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
    signal(SIGINT) { _ in TerminationSignals.interrupts.add(1, ordering: .relaxed) }
    signal(SIGTERM) { _ in
      let now = monotonicNanoseconds()
      if TerminationSignals.terminations.load(ordering: .relaxed) == 0 {
        TerminationSignals.terminatedAt.store(now, ordering: .relaxed)
      }
      TerminationSignals.terminations.add(1, ordering: .relaxed)
    }
    // The work continues when the reader of the output exits.
    signal(SIGPIPE, SIG_IGN)
  }
}

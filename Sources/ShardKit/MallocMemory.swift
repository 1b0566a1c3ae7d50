import CKernels
import Synchronization

/// Makes all threads share one malloc arena: for a process with a limited address space, since every arena reserves 64
/// MiB of it.
public func shareOneArena() { pl_use_one_arena() }

/// Gives memory back that the process has freed: malloc keeps it for later, in a heap for every few threads, and what a
/// task needed for its large buffers would stay with the process when thousands of tasks run one after another.
public enum FreedMemory {
  private static let last = Mutex(0)

  /// Gives it back, unless that happened less than a second ago.
  public static func release() {
    let now = monotonicNanoseconds()
    let isDue = last.withLock { last in
      guard now - last >= 1_000_000_000 else { return false }
      last = now
      return true
    }
    if isDue {
      ShardBuffer.releaseIdle()
      pl_return_freed_memory()
    }
  }
}

import CKernels

/// Makes all threads share one malloc arena: for a process with a limited address space, since every arena reserves 64
/// MiB of it.
public func shareOneArena() { pl_use_one_arena() }

import CKernels

/// Has all threads share one arena of malloc: for a process whose address space is limited, since every arena takes
/// 64 MiB of it.
public func shareOneArena() { pl_use_one_arena() }

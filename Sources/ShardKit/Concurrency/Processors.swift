import CKernels

/// Processors that this process may use: a scheduler may have given it some of the machine's.
public func availableProcessors() -> Int { Int(pl_processors()) }

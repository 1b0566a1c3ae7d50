/// What is said of a compressed stream that ends too early.
func truncated(_ name: String, _ format: String, _ position: Int) -> ShardError {
  ShardError(
    .truncated, name, "the \(format) stream ends in its middle, at compressed byte \(position)",
    hint: "Fetch the file again; what came before the break was read.")
}

func damaged(_ name: String, _ format: String, _ position: Int, _ reason: String) -> ShardError {
  ShardError(
    .malformed, name, "the \(format) stream is damaged at compressed byte \(position) (\(reason))",
    hint: "Fetch the file again.")
}

/// The machine's fault, not the file's.
func noMemory(_ name: String, _ format: String) -> ShardError {
  ShardError(
    .io, name, "there is no memory to decode its \(format) stream",
    hint: "Free some, or raise the limit under which the program runs.")
}

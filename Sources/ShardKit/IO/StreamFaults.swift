/// Errors of compressed streams that end too early.
func truncated(_ name: String, _ format: String, _ position: Int) -> ShardError {
  ShardError(
    .truncated, name, "the \(format) stream is truncated at compressed byte \(position)",
    hint: "Download the file again; the data before this point was read.")
}

func damaged(_ name: String, _ format: String, _ position: Int, _ reason: String) -> ShardError {
  ShardError(
    .malformed, name, "the \(format) stream is damaged at compressed byte \(position) (\(reason))",
    hint: "Download the file again.")
}

/// A problem of the machine, not of the file.
func noMemory(_ name: String, _ format: String) -> ShardError {
  ShardError(
    .io, name, "not enough memory to decode its \(format) stream",
    hint: "Free some memory, or increase the limit of this process.")
}

import ShardKit

/// A failure of a stage that works in another one's task. It is of a type of its own, so that the other stage cannot take it for a
/// failure to read or write something, which it may pass over.
struct PassFailure: DescribedError {
  let subject: String
  let message: String
  let hint: String?
  let isTransient: Bool

  /// What to throw for an error of a stage. That the task is to stop is no failure, and one of a stage further on names that one.
  static func naming(_ stage: String, _ error: any Error) -> any Error {
    if error is PassFailure { return error }
    if let error = error as? StageError, [.cancelled, .timedOut].contains(error.code) { return error }
    let described = error as? any DescribedError
    return PassFailure(
      subject: described?.subject ?? "",
      message: "in the same pass, stage '\(stage)': \(described?.message ?? "\(error)")", hint: described?.hint,
      isTransient: described?.isTransient ?? true)
  }
}

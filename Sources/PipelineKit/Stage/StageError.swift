import ShardKit

/// Why a stage could not do its work. `description` gives where, what, why and what to do next.
public struct StageError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// Options contradict each other or the data.
    case options
    /// The input is not in the form that the stage reads.
    case input
    /// A check of the stage itself failed, such as an out-of-vocabulary limit.
    case check
    /// A program, library or folder that the stage needs is missing.
    case environment
    case cancelled
    case timedOut
    case ledger
  }

  public var code: Code
  /// What the error is about: a file, an option, a document.
  public var subject: String
  public var message: String
  public var hint: String?

  public init(_ code: Code, _ subject: String, _ message: String, hint: String? = nil) {
    self.code = code
    self.subject = subject
    self.message = message
    self.hint = hint
  }

  public var description: String {
    sentence(subject.isEmpty ? message : "\(subject): \(message)", hint: hint)
  }
}

import ShardKit

/// Why a stage could not do its work. `description` says where, what, why and what next.
public struct StageError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// Options contradict each other or the data.
    case options
    /// The input is not what the stage reads.
    case input
    /// A check of the stage's own (an OOV limit, say) failed.
    case check
    /// A program, library or folder that the stage needs is missing.
    case environment
    case cancelled
    case timedOut
    case ledger
  }

  public var code: Code
  /// A file, an option, a document: what it is about.
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

import ShardKit

/// Why the training engine could not do what it was asked. `description` says where, what, why and what next.
public struct TorchError: Error, Equatable, Sendable {
  public enum Code: String, Sendable {
    /// The engine's library is absent or does not load.
    case engine
    /// libtorch refused an operation.
    case operation
    /// Checkpoint or model files that are not what they should be.
    case file
    /// The loss is not a finite number.
    case diverged
    /// Processes that train together lost one another.
    case group
    /// Its caller asked it to stop.
    case stopped
  }

  public var code: Code
  public var subject: String
  public var message: String
  public var hint: String?

  public init(_ code: Code, _ subject: String, _ message: String, hint: String? = nil) {
    self.code = code
    self.subject = subject
    self.message = message
    self.hint = hint
  }
}

extension TorchError: CustomStringConvertible {
  public var description: String { sentence(subject.isEmpty ? message : "\(subject): \(message)", hint: hint) }
}

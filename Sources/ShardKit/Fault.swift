/// An error that says where (`subject`), what and why (`message`), and what next (`hint`).
public protocol DescribedError: Error, Sendable, CustomStringConvertible {
  /// A file, an option, a document: what it is about. Empty where the message says it.
  var subject: String { get }
  var message: String { get }
  var hint: String? { get }
  /// A fault of the machine, which may be gone when the same is done again.
  var isTransient: Bool { get }
}

extension DescribedError {
  public var subject: String { "" }
  public var hint: String? { nil }
  public var isTransient: Bool { true }

  /// One sentence, and the hint behind it.
  public var description: String {
    let text = subject.isEmpty ? message : "\(subject): \(message)"
    let closed = ["?", ".", "。"].contains { text.hasSuffix($0) } ? text : text + "."
    return hint.map { "\(closed) \($0)" } ?? closed
  }
}

/// The kinds of faults of a part of the program.
public protocol FaultCode: Equatable, Sendable {
  var isTransient: Bool { get }
}

extension FaultCode {
  public var isTransient: Bool { true }
}

/// What went wrong in a part of the program: `ShardError`, `StageError` and others differ by their codes alone.
public struct Fault<Code: FaultCode>: DescribedError, Equatable {
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

  /// One whose message says what it is about.
  public init(_ code: Code, _ message: String, hint: String? = nil) {
    self.init(code, "", message, hint: hint)
  }

  public var isTransient: Bool { code.isTransient }
}

public import ShardKit

/// An error of a tokenizer: its options, its files or its libraries. One sentence, followed by what to do next.
public struct TokenizerError: DescribedError, Equatable {
  public var message: String
  public var hint: String?

  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}

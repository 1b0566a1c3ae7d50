public import ShardKit

/// What can go wrong with a tokenizer: its options, its files, its libraries. One sentence, and what to do next.
public struct TokenizerError: DescribedError, Equatable {
  public var message: String
  public var hint: String?

  public init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }
}

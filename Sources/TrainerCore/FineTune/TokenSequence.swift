import ShardKit
import TextKit

/// An input of a model, with special tokens.
struct TokenSequence: Equatable, Sendable {
  var ids: [Int32] = []
  /// 0 up to the first [SEP], 1 after it.
  var types: [Int32] = []
}

extension ModelShape {
  /// The tokens that a fine-tuned model takes: BERT has places for no more than it was trained with.
  func length(atMost wanted: Int) -> Int { kind == .bert ? min(wanted, maximumLength) : wanted }
}

/// Encodes texts and pairs as transformers' BERT tokenizers do, truncated to a length.
struct SequenceEncoder {
  let session: TokenizerSession
  let maximumLength: Int

  private var tokenizer: WordPieceTokenizer { session.tokenizer }

  init(_ tokenizer: WordPieceTokenizer, dictionary: String? = nil, maximumLength: Int) throws {
    session = try TokenizerSession(tokenizer, dictionary: dictionary)
    self.maximumLength = maximumLength
  }

  func ids(_ text: String) throws -> [Int32] {
    var buffer = TokenBuffer()
    let bytes = Array(text.utf8)
    try bytes.withUnsafeBufferPointer { try session.encode($0, into: &buffer) }
    return buffer.ids.map { Int32($0) }
  }

  /// `[CLS] a [SEP]`
  func text(_ text: String) throws -> TokenSequence {
    sequence(Array(try ids(text).prefix(maximumLength - 2)), nil)
  }

  /// `[CLS] a [SEP] b [SEP]`; a pair that is too long loses tokens at the end of its longer part.
  func pair(_ a: String, _ b: String) throws -> TokenSequence {
    var first = try ids(a), second = try ids(b)
    while first.count + second.count > maximumLength - 3 {
      if first.count > second.count { first.removeLast() } else { second.removeLast() }
    }
    return sequence(first, second)
  }

  /// A pair, or a text alone.
  func sequence(_ text: String, _ pair: String?) throws -> TokenSequence {
    if let pair { try self.pair(text, pair) } else { try self.text(text) }
  }

  func sequence(_ first: some Collection<Int32>, _ second: (some Collection<Int32>)?) -> TokenSequence {
    var out = TokenSequence()
    out.ids = [Int32(tokenizer.classification)] + first + [Int32(tokenizer.separator)]
    out.types = [Int32](repeating: 0, count: out.ids.count)
    if let second {
      out.ids += second + [Int32(tokenizer.separator)]
      out.types += [Int32](repeating: 1, count: second.count + 1)
    }
    return out
  }

  private func sequence(_ first: [Int32], _ second: [Int32]?) -> TokenSequence {
    sequence(first, second?[...])
  }
}

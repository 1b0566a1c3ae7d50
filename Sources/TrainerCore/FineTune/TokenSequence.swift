import ShardKit
import TextKit

/// An input of a model, with special tokens.
struct TokenSequence: Equatable, Sendable {
  var ids: [Int32] = []
  /// Of BERT: 0 up to the first [SEP], 1 after it.
  var types: [Int32] = []
}

extension ModelShape {
  /// The tokens that a fine-tuned model takes: BERT has places for no more than it was trained with.
  public func length(atMost wanted: Int) -> Int { kind == .bert ? min(wanted, maximumLength) : wanted }
}

/// Encodes texts and pairs as transformers does, with the tokenizer's special tokens, truncated to a length.
struct SequenceEncoder {
  let session: TokenizerSession
  let maximumLength: Int
  private let frame: TokenFrame
  private let usesMeCab: Bool
  /// Special tokens of a single text, and of a pair.
  private let singleSpecials: Int
  let pairSpecials: Int
  /// Where the second text of a pair starts, without the length of the first.
  let secondOffset: Int

  init(_ tokenizer: Tokenizer, dictionary: String? = nil, maximumLength: Int) throws {
    session = try TokenizerSession(tokenizer, dictionary: dictionary)
    self.maximumLength = maximumLength
    frame = tokenizer.frame
    usesMeCab = tokenizer.words == .mecab
    guard (frame.single + frame.pair).allSatisfy({ (0...1).contains($0.type) }) else {
      throw TokenizerError(
        "the tokenizer's post_processor has types other than 0 and 1, which models have no rows for",
        hint: "Set its type_id to 0 or 1.")
    }
    singleSpecials = frame.before.count + frame.after.count
    guard singleSpecials > 0 else {
      throw TokenizerError(
        "the tokenizer has no special tokens around a text, so that an empty text would have no tokens at all",
        hint: "Give it a post_processor, such as TemplateProcessing with [CLS] and [SEP].")
    }
    pairSpecials = frame.pairSpecials
    secondOffset = frame.secondOffset
  }

  func ids(_ text: String) throws -> [Int32] {
    var buffer = TokenBuffer()
    let bytes = Array(text.utf8)
    try bytes.withUnsafeBufferPointer { try session.encode($0, into: &buffer) }
    return buffer.ids.map { Int32($0) }
  }

  /// `[CLS] a [SEP]`
  func text(_ text: String) throws -> TokenSequence {
    sequence(Array(try ids(text).prefix(max(0, maximumLength - singleSpecials))), nil)
  }

  /// `[CLS] a [SEP] b [SEP]`; a pair that is too long loses tokens at the end of its longer part.
  func pair(_ a: String, _ b: String) throws -> TokenSequence {
    let first = try ids(a), second = try ids(b)
    let kept = self.kept(first.count, second.count)
    return sequence(first.prefix(kept.first), second.prefix(kept.second))
  }

  /// How many tokens of each part stay. If both are cut and the room is odd, transformers' slow tokenizers, of which
  /// MeCab's is one, leave the first part one more; Hugging Face's tokenizers the part that was longer, or else the second.
  private func kept(_ first: Int, _ second: Int) -> (first: Int, second: Int) {
    let room = max(0, maximumLength - pairSpecials), half = room / 2
    guard first + second > room else { return (first, second) }
    if first <= half { return (first, room - first) }
    if second <= half { return (room - second, second) }
    return usesMeCab || first > second ? (room - half, half) : (half, room - half)
  }

  /// A pair, or a text alone.
  func sequence(_ text: String, _ pair: String?) throws -> TokenSequence {
    if let pair { try self.pair(text, pair) } else { try self.text(text) }
  }

  func sequence(_ first: some Collection<Int32>, _ second: (some Collection<Int32>)?) -> TokenSequence {
    var out = TokenSequence()
    func add(_ ids: some Collection<Int32>, _ type: Int) {
      out.ids += ids
      out.types += repeatElement(Int32(type), count: ids.count)
    }
    for part in second == nil ? frame.single : frame.pair {
      switch part {
      case .special(let ids, let type): add(ids.map { Int32($0) }, type)
      case .first(let type): add(first, type)
      case .second(let type): if let second { add(second, type) }
      }
    }
    return out
  }

  private func sequence(_ first: [Int32], _ second: [Int32]?) -> TokenSequence {
    sequence(first, second?[...])
  }
}

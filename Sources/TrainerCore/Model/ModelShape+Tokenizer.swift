public import ShardKit
public import TextKit

extension ModelShape {
  /// Checks that the tokenizer has the special tokens that a masked language model needs, and no id beyond the
  /// embedding's rows.
  /// - Throws: `TorchError` (`file`) if it does not fit.
  public func check(_ tokenizer: WordPieceTokenizer) throws(TorchError) {
    guard tokenizer.tokens.count <= vocabularySize else {
      throw TorchError(
        .file, "inputs.tokenizer",
        "has \(tokenizer.tokens.count) tokens, the model has rows for \(vocabularySize)",
        hint: "Wire the tokenizer that the model was trained with.")
    }
    for (token, id) in [("[PAD]", padding), ("[MASK]", nil)] {
      let place = tokenizer.tokens.firstIndex(of: Array(token.utf8))
      guard let place, id == nil || place == id else {
        throw TorchError(
          .file, "inputs.tokenizer",
          place.map { "has \(token) as id \($0), the model pads with \(padding)" } ?? "lacks \(token)",
          hint: "Wire the tokenizer that the model was trained with.")
      }
    }
  }
}

public import ShardKit
public import TextKit

extension ModelShape {
  /// Checks that the tokenizer has the special tokens that a masked language model needs, and no id beyond the
  /// embedding's rows.
  /// - Throws: `TorchError` (`file`) if it does not fit.
  public func check(_ tokenizer: Tokenizer) throws(TorchError) {
    guard tokenizer.tokens.count <= vocabularySize else {
      throw TorchError(
        .file, "inputs.tokenizer",
        "has \(tokenizer.tokens.count) tokens, the model has rows for \(vocabularySize)",
        hint: "Wire the tokenizer that the model was trained with.")
    }
    for (role, name, id) in [(Tokenizer.Role.padding, "[PAD]", padding), (.mask, "[MASK]", nil)] {
      let place = tokenizer.special(role).map { Int($0) }
      guard let place, id == nil || place == id else {
        let given = place.map { String(decoding: tokenizer.tokens[$0], as: UTF8.self) } ?? name
        throw TorchError(
          .file, "inputs.tokenizer",
          place.map { "has \(given) as id \($0), the model pads with \(padding)" } ?? "lacks \(name)",
          hint: "Wire the tokenizer that the model was trained with.")
      }
    }
  }
}

import ShardKit
import TextKit
import TrainerCore

/// RoBERTa as transformers saves it, and what of it a BERT of ours is.
///
/// It computes what BERT does, by other names and with an offset: its first position is the row of the position table after
/// the padding token's number, and the rows before are never read. Mostly it has one token type.
enum RoBERTaForm {
  private static let modelTypes: Set = ["roberta", "xlm-roberta"]

  static func isForm(of configuration: JSONValue) -> Bool {
    modelTypes.contains(configuration["model_type"]?.string ?? "")
  }

  /// Rows of the position table that no token reads: those up to the padding token's number.
  static func unreadPositions(_ configuration: JSONValue, _ shape: ModelShape) -> Int {
    isForm(of: configuration) ? shape.padding + 1 : 0
  }

  /// The other names of a tensor of transformers' BERT: those of RoBERTa's encoder, language head and classification head,
  /// whose first layer is what the pooler is to BERT.
  static func names(of name: String, tiesDecoder: Bool) -> [String] {
    switch name {
    case "cls.predictions.bias":
      return tiesDecoder ? ["lm_head.bias", "lm_head.decoder.bias"] : ["lm_head.decoder.bias", "lm_head.bias"]
    case "cls.predictions.decoder.weight": return ["lm_head.decoder.weight"]
    case "classifier.weight", "classifier.bias": return [name.replacing("classifier", with: "classifier.out_proj")]
    default: break
    }
    let transform = "cls.predictions.transform."
    if name.hasPrefix(transform) {
      return ["lm_head." + name.dropFirst(transform.count).replacing("LayerNorm", with: "layer_norm")]
    }
    guard name.hasPrefix("bert.") else { return [] }
    let own = "roberta." + name.dropFirst("bert.".count)
    let pooler = "bert.pooler."
    return name.hasPrefix(pooler) ? ["classifier." + name.dropFirst(pooler.count), own] : [own]
  }

  /// Names under which the decoder is stored again.
  static let redundant = ["lm_head.decoder.weight", "lm_head.decoder.bias", "lm_head.bias"]

  // MARK: The tokenizer

  /// SentencePiece's models, which Japanese RoBERTas are published with.
  static let sentencePieceNames = ["spiece.model", "sentencepiece.bpe.model"]

  /// Says why a tokenizer of SentencePiece's model alone is not read.
  static func refuse(sentencePiece name: String?, _ configuration: JSONValue) throws(TokenizerError) {
    let words = configuration["word_tokenizer_type"]?.string ?? "basic"
    guard words == "basic" || words == "mecab" else {
      throw TokenizerError(
        "word_tokenizer_type is '\(words)', whose words cannot be found here: give texts whose words are parted by spaces "
          + "to the model's form without a word tokenizer")
    }
    guard let name else { return }
    throw TokenizerError(
      "'\(name)' is SentencePiece's own format: AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers writes "
        + "tokenizer.json, which is read")
  }
}

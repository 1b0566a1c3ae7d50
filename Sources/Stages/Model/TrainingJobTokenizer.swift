import PipelineKit
import ShardKit
import TextKit
import TrainerCore

extension TrainingJob {
  /// The tokenizer properties that masking needs: its size, [MASK], and the tokens that are never masked.
  mutating func take(_ tokenizer: Tokenizer) throws {
    vocabularySize = tokenizer.tokens.count
    guard let mask = tokenizer.special(.mask) else {
      throw StageError(
        .input, "inputs.tokenizer", "the vocabulary has no [MASK]", hint: "Train one with the default special tokens.")
    }
    maskToken = Int(mask)
    specialTokens = tokenizer.idsWithoutText.map { Int($0) }
  }
}

import PipelineKit
import ShardKit
import TextKit

extension TokenizerTrain {
  private var fixedTokens: [String] {
    options.specialTokens + (0..<options.unusedTokens).map { "[unused\($0)]" }
  }

  /// With `metaspace` only: `bytes` has tokens for all bytes anyway.
  private var fallsBackToBytes: Bool { options.byteFallback && preTokenizer == .metaspace }

  func trainWordPieces(_ words: consuming TrainingWords, _ workspace: Workspace) throws {
    var trainer = WordPieceTrainer()
    trainer.vocabularySize = options.vocabularySize
    trainer.alphabetLimit = options.alphabetLimit
    trainer.minimumFrequency = Int64(options.minimumFrequency)
    trainer.specialTokens = fixedTokens
    trainer.seedsAlphabet = options.seedAlphabet
    let result = try trainer.train(words) { try workspace.control.check() }
    report(tokens: result.tokens.count, characters: result.alphabet, workspace)
    workspace.metric("merges", Double(result.merges))
    var tokenizer = try WordPieceTokenizer(
      tokens: result.tokens, specialTokens: trainer.specialTokens, words: preTokenizer.words)
    if let dictionary = try wordReader().dictionary { tokenizer.dictionary = MeCabRequirement(dictionary) }
    var files = HuggingFaceTokenizerFiles(tokenizer)
    files.maximumLength = options.maximumLength
    for (name, bytes) in files.contents { try workspace.write(Self.tokenizer, name: name, bytes) }
  }

  func trainBytePairs(_ words: consuming TrainingWords, _ workspace: Workspace) throws {
    var trainer = BytePairTrainer()
    trainer.vocabularySize = options.vocabularySize
    trainer.alphabetLimit = options.alphabetLimit
    trainer.minimumFrequency = Int64(options.minimumFrequency)
    trainer.specialTokens = fixedTokens
    trainer.readsBytes = preTokenizer == .bytes
    trainer.fallsBackToBytes = fallsBackToBytes
    trainer.longestToken = options.longestToken * (preTokenizer == .bytes ? 3 : 1)
    let result = try trainer.train(words) { try workspace.control.check() }
    report(tokens: result.tokens.count, characters: result.alphabet, workspace)
    workspace.metric("merges", Double(result.merges.count))
    try write(.bytePair(result, fallsBackToBytes: fallsBackToBytes), workspace)
  }

  func trainUnigrams(_ words: consuming TrainingWords, _ workspace: Workspace) throws {
    var trainer = UnigramTrainer()
    trainer.vocabularySize = options.vocabularySize
    trainer.alphabetLimit = options.alphabetLimit
    trainer.specialTokens = fixedTokens
    trainer.fallsBackToBytes = fallsBackToBytes
    trainer.longestToken = options.longestToken
    trainer.workers = options.threads > 0 ? options.threads : availableProcessors()
    let result = try trainer.train(words) { try workspace.control.check() }
    report(tokens: result.tokens.count, characters: result.alphabet, workspace)
    workspace.metric("seeds", Double(result.seeds))
    workspace.metric("rounds", Double(result.rounds))
    try write(.unigram(result, fallsBackToBytes: fallsBackToBytes), workspace)
  }

  private func report(tokens: Int, characters: Int, _ workspace: Workspace) {
    workspace.metric("tokens", Double(tokens))
    workspace.metric("characters", Double(characters))
    guard tokens < options.vocabularySize else { return }
    workspace.warn(
      "vocabulary-not-full", "the texts yield only \(tokens) of the \(options.vocabularySize) requested tokens")
  }

  private func write(_ model: SubwordTokenizerFiles.Model, _ workspace: Workspace) throws {
    guard let format = preTokenizer.format else { return }
    var files = SubwordTokenizerFiles(model, format, specialTokens: fixedTokens)
    files.maximumLength = options.maximumLength
    for (name, bytes) in files.contents { try workspace.write(Self.tokenizer, name: name, bytes) }
  }
}

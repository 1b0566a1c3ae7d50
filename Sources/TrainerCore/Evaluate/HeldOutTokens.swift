public import ShardKit

/// Held-out tokens that a training measures its loss on, and when.
public struct HeldOutTokens: Codable, Equatable, Sendable {
  /// A named set.
  public struct Source: Codable, Equatable, Sendable {
    public var name: String
    /// Of its data sets, which are read as one.
    public var folders: [String]
    /// Identifies its data, wherever they are stored.
    public var digest: String

    public init(name: String, folders: [String], digest: String) {
      self.name = name
      self.folders = folders
      self.digest = digest
    }
  }

  public var sources: [Source]
  /// Steps between measurements; the last step is measured too.
  public var everySteps: Int
  /// The first samples of each set that are read; 0: all.
  public var samples: Int
  /// The fraction of tokens that are masked: 0…1.
  public var maskFraction: Double
  /// The set whose loss decides which checkpoint is the best; nil: the mean of all sets' losses.
  public var decisive: String?

  public init(
    sources: [Source], everySteps: Int, samples: Int = 0, maskFraction: Double = 0.15, decisive: String? = nil
  ) {
    self.sources = sources
    self.everySteps = everySteps
    self.samples = samples
    self.maskFraction = maskFraction
    self.decisive = decisive
  }

  /// Whether losses are measured after a step of a training of `steps`.
  public func isDue(_ step: Int, of steps: Int) -> Bool { step % everySteps == 0 || step == steps }

  /// Losses can be compared if they were measured alike: this says how.
  public var identity: String {
    var plain = self
    for place in plain.sources.indices { plain.sources[place].folders = [] }
    let json = (try? JSONValue.encoding(plain))?.text(sortedKeys: true) ?? ""
    return Digester.digest(Array(json.utf8)).hex
  }

  /// What decides which checkpoint is the best.
  public func loss(of scores: [HeldOutScore]) -> Double {
    if let decisive { return scores.first { $0.name == decisive }?.loss ?? .nan }
    return scores.reduce(0) { $0 + $1.loss } / Double(max(1, scores.count))
  }

  func validate() throws(TorchError) {
    guard everySteps > 0, samples >= 0, (0...1).contains(maskFraction), !sources.isEmpty,
      decisive.map({ name in sources.contains { $0.name == name } }) ?? true
    else { throw TorchError(.file, "", "the held-out tokens have no sets, or numbers that are out of range") }
  }
}

/// How well a model predicts the masked tokens of a held-out set.
public struct HeldOutScore: Codable, Equatable, Sendable {
  public var name: String
  /// Mean cross-entropy over the masked tokens, in nats.
  @JSONFigure public var loss: Double
  /// The fraction of masked tokens that are the model's first prediction: 0…1.
  public var accuracy: Double
  /// Masked tokens.
  public var masked: Int

  public init(name: String, loss: Double, accuracy: Double, masked: Int) {
    self.name = name
    self.loss = loss
    self.accuracy = accuracy
    self.masked = masked
  }
}

/// The checkpoint with the lowest loss on held-out tokens so far.
public struct BestCheckpoint: Codable, Equatable, Sendable {
  public var step: Int
  @JSONFigure public var loss: Double
  /// `HeldOutTokens.identity`: a loss that was measured otherwise is not compared.
  public var measure: String

  public init(step: Int, loss: Double, measure: String) {
    self.step = step
    self.loss = loss
    self.measure = measure
  }
}

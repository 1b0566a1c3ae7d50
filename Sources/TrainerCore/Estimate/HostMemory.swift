import ShardKit

/// What a model holds in a process's main memory while it runs on a CPU, beside weights, gradients and moments: in bytes,
/// estimated from above, in fp32.
public struct HostMemory: Sendable {
  public var shape: ModelShape
  /// Sequences that go through the model at once.
  public var sequences: Int
  /// Places of a sequence, padding included.
  public var length: Int
  /// The fraction of places whose tokens a masked-language head predicts; 0: there is no such head.
  public var predicted = 0.0
  /// Whether documents of a sequence do not see each other, which makes a bias for each sequence.
  public var isolatesDocuments = false

  public init(_ shape: ModelShape, sequences: Int, length: Int, predicted: Double = 0) {
    self.shape = shape
    self.sequences = sequences
    self.length = FilledBatch.padded(length)
    self.predicted = predicted
  }

  /// Of texts that go through the model as far as they fill a number of places (see `FilledBatch`).
  public init(encoding shape: ModelShape, length: Int) {
    let places = FilledBatch(isGPU: false).places
    self.init(shape, sequences: max(1, places / max(1, length)), length: length)
  }

  /// Of forward passes that keep nothing.
  public var encoding: Int { bytes(states + embedding + head, biases: biases(training: false)) }

  /// Of a forward pass that keeps what the backward pass takes, and of that.
  /// - Parameter recomputes: whether only each layer's input is kept.
  public func training(recomputes: Bool = false) -> Int {
    let layers = Double(shape.layers)
    let kept = recomputes ? layers * hidden + layer : layers * layer
    return bytes(kept + layer + embedding + head, biases: biases(training: true))
  }

  // MARK: Values per place

  private var hidden: Double { Double(shape.hiddenSize) }

  /// What the operations of a layer keep, as those of `Torch/` for CPUs do: its states, and where attention drops, its
  /// weights and their masks.
  private var layer: Double {
    states + (shape.attentionDropout > 0 ? 2 * Double(shape.heads) * Double(length) : 0)
  }

  /// Ten or eleven states around attention and norms, with masks of what is dropped, and half as many that the allocator
  /// does not give back at once; the feed-forward layer before and after its activation.
  private var states: Double {
    16 * hidden + (shape.kind == .bert ? 2 : 4) * Double(shape.intermediateSize)
  }

  private var embedding: Double { 4 * hidden }

  /// Transform, norm, logits, and the logits' probabilities and gradients.
  private var head: Double { predicted * (4 * hidden + 3 * Double(shape.vocabularySize)) }

  // MARK: Of a batch

  /// Biases of attention by distance: of two lengths at a time as a table, one as it is made, and with the sequences' padding.
  private func biases(training: Bool) -> Double {
    let heads: Double =
      switch shape.kind {
      case .mosaicBERT: Double(shape.heads)
      case .modernBERT: 1
      case .bert, .ropeBERT: 0
      }
    let one = heads * Double(length) * Double(length)
    let pairs = Double(sequences) * Double(length) * Double(length)
    let together = heads * pairs
    return 2 * one + (training ? together : min(together, max(one, Double(AttentionBias.limit))))
      + (isolatesDocuments ? 2 * pairs : 0)
  }

  private func bytes(_ values: Double, biases: Double) -> Int {
    boundedCount(4 * (Double(sequences) * Double(length) * values + biases))
  }
}

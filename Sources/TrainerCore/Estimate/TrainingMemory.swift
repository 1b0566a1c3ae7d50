import ShardKit

/// What a training holds in the memory of each device, in bytes.
public struct TrainingMemory: Equatable, Sendable {
  /// The fp32 master weights, and in bf16 the copies that the model computes with.
  public var weights: Int
  /// Sums over microbatches in fp32, and in bf16 the gradients of one microbatch.
  public var gradients: Int
  /// AdamW's first and second moments, in fp32.
  public var moments: Int
  /// What the forward pass keeps for the backward pass, up to the loss's gradient.
  public var activations: Int
  /// Room for the allocator and short-lived tensors.
  public var margin: Int

  public var total: Int { weights + gradients + moments + activations + margin }

  /// A training through `pipeline run` was measured to take this fraction above the tensors that are counted: at 128
  /// tokens × 1024, 57.7 GiB are 12 % above the count; the operations alone (50.6 GiB) are equal to it.
  static let marginFraction = 0.1

  /// - Parameter microbatchSize: samples that go through the model at once.
  public init(_ work: TrainingWork, microbatchSize: Int) {
    let parameters = work.shape.parameterCount
    let isHalf = work.precision == .bfloat16
    weights = parameters * (isHalf ? 6 : 4)
    gradients = parameters * (isHalf ? 6 : 4)
    moments = parameters * 8
    let tokens = Double(microbatchSize) * Double(work.sequenceLength)
    activations = boundedCount(tokens * ActivationCount(work).values * (isHalf ? 2 : 4))
    margin = boundedCount(Double(weights + gradients + moments + activations) * Self.marginFraction)
  }
}

/// The values per token that the operations keep for their backward passes, as `Torch/` does.
private struct ActivationCount {
  let work: TrainingWork
  private var hidden: Double { Double(work.shape.hiddenSize) }
  private var inner: Double { Double(work.shape.intermediateSize) }

  init(_ work: TrainingWork) { self.work = work }

  /// Input, query, key and value, attention's result; rotary positions keep the rotated query and key too, and a norm
  /// before attention its result.
  private var attention: Double {
    switch work.shape.kind {
    case .mosaicBERT, .bert: 5 * hidden
    case .modernBERT: 6 * hidden
    case .ropeBERT: 7 * hidden
    }
  }

  /// Both normalizations' inputs, the first one's result, the feed-forward layer before and after its activation.
  private var feedForward: Double {
    (work.shape.kind == .modernBERT ? 2 : 3) * hidden + (work.shape.kind == .bert ? 2 : 3) * inner
  }

  /// The masked tokens' residual and attention's result, picked out for the last layer.
  private var picked: Double { 2 * hidden }

  /// Transform, norm, logits, and the logits' gradient.
  private var head: Double { 4 * hidden + 2 * Double(work.shape.vocabularySize) }

  var values: Double {
    let whole = attention + feedForward
    let last = attention + work.maskFraction * (feedForward + picked)
    let layers = Double(work.shape.layers - 1)
    // A recomputed layer keeps its input alone; one layer at a time is whole.
    let kept = work.recomputeActivations ? (layers + 1) * hidden + max(whole, last) : layers * whole + last
    // Of the embedding: the sum and its norm.
    return kept + 2 * hidden + work.maskFraction * head
  }
}

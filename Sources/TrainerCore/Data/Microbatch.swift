import ShardKit

/// Samples that go through the model together.
public struct Microbatch: Equatable, Sendable {
  /// Samples.
  public var batch: Int
  /// Places of each, filling included.
  public var length: Int
  /// `batch` × `length`, masked; behind each sample's end the padding id.
  public var ids: [Int32]
  /// Tokens of each sample.
  public var lengths: [Int32]
  /// Masked places in `ids`, ascending; may be empty for a few short samples.
  public var positions: [Int64]
  /// What stood there.
  public var labels: [Int64]
  public var sampleIDs: [Int]
  public var epoch: Int
  /// Its number in the global batch, or in the whole evaluation.
  public var number: Int
  /// The first sample's number in the global batch.
  public var firstInBatch = 0
  /// Without filling.
  public var tokens: Int
}

/// How far samples of a microbatch are filled up.
public enum SequencePadding: Equatable, Sendable {
  /// To the longest sample, rounded up (8 suits tensor cores and attention kernels), at most to the sequence length.
  case longest(multipleOf: Int)
  /// To the sequence length always.
  case fixed
}

/// Puts microbatches together. One thread uses it at a time.
struct BatchAssembly {
  let samples: TokenSamples
  let masking: TokenMasking
  let sequenceLength: Int
  let padding: SequencePadding
  let paddingID: Int32
  private var tokens: [Int32] = []

  init(
    _ samples: TokenSamples, masking: TokenMasking, sequenceLength: Int, padding: SequencePadding, paddingID: Int32
  ) {
    self.samples = samples
    self.masking = masking
    self.sequenceLength = sequenceLength
    self.padding = padding
    self.paddingID = paddingID
  }

  mutating func assemble(
    _ sampleIDs: [Int], epoch: Int, number: Int, firstInBatch: Int = 0
  ) throws(ShardError) -> Microbatch {
    tokens.removeAll(keepingCapacity: true)
    var lengths: [Int32] = []
    lengths.reserveCapacity(sampleIDs.count)
    for sample in sampleIDs {
      let before = tokens.count
      try samples.append(sample, to: &tokens, limit: sequenceLength, vocabulary: masking.vocabulary)
      lengths.append(Int32(tokens.count - before))
    }
    let length = paddedLength(Int(lengths.max() ?? 0))
    var out = Microbatch(
      batch: sampleIDs.count, length: length,
      ids: [Int32](repeating: paddingID, count: sampleIDs.count * length), lengths: lengths, positions: [],
      labels: [], sampleIDs: sampleIDs, epoch: epoch, number: number,
      firstInBatch: firstInBatch, tokens: tokens.count)
    let expected = Int(Double(tokens.count) * masking.probability * 1.1) + 16
    out.positions.reserveCapacity(expected)
    out.labels.reserveCapacity(expected)
    fill(&out)
    return out
  }

  private func fill(_ out: inout Microbatch) {
    var ids = out.ids
    out.ids = []
    ids.withUnsafeMutableBufferPointer { ids in
      var at = 0
      for (i, count) in out.lengths.enumerated() {
        let start = i * out.length
        let row = UnsafeMutableBufferPointer(rebasing: ids[start..<start + Int(count)])
        _ = row.update(fromContentsOf: tokens[at..<at + Int(count)])
        at += Int(count)
        masking.apply(
          to: row, epoch: out.epoch, sample: out.sampleIDs[i], offset: start, positions: &out.positions,
          labels: &out.labels)
      }
    }
    out.ids = ids
  }

  private func paddedLength(_ longest: Int) -> Int {
    switch padding {
    case .fixed: sequenceLength
    case .longest(let multiple):
      // A longest sample of the whole length stays at it, even where that is no multiple.
      max(longest, min(sequenceLength, (longest + multiple - 1) / multiple * multiple))
    }
  }
}

import ShardKit

/// Samples that go through the model together.
public struct Microbatch: Equatable, Sendable {
  public var sampleCount: Int
  /// Places of each sample, padding included.
  public var length: Int
  /// [`sampleCount` × `length`], masked; the padding id after each sample's end.
  public var ids: [Int32]
  /// Tokens of each sample.
  public var lengths: [Int32]
  /// [`sampleCount` × `length`]: the document of each place, counted from 0 in each sample, −1 after its end; empty if
  /// every sample is one document, or documents see each other.
  public var segments: [Int32] = []
  /// Masked places in `ids`, ascending; may be empty for a few short samples.
  public var positions: [Int64]
  /// The original ids at these places.
  public var labels: [Int64]
  public var sampleIDs: [Int]
  public var epoch: Int
  /// Its number in the batch, or in the complete evaluation.
  public var number: Int
  /// The first sample's number in the batch.
  public var firstInBatch = 0
  /// Without padding.
  public var tokens: Int
  /// What each source of a mixture has in it; empty without a mixture.
  public var sources: [SourceCount] = []
}

/// Samples and tokens of a source of a mixture.
public struct SourceCount: Codable, Equatable, Sendable {
  public var samples: Int
  /// Without padding.
  public var tokens: Int

  public init(samples: Int = 0, tokens: Int = 0) {
    self.samples = samples
    self.tokens = tokens
  }

  static func += (a: inout SourceCount, b: SourceCount) {
    a.samples += b.samples
    a.tokens += b.tokens
  }
}

/// The length that samples of a microbatch are padded to.
public enum SequencePadding: Equatable, Sendable {
  /// The longest sample, rounded up (8 suits tensor cores and attention kernels), at most the sequence length.
  case longest(multipleOf: Int)
  /// Always the sequence length.
  case fixed
}

/// Assembles microbatches. For one thread at a time.
struct BatchAssembly {
  let samples: TokenSamples
  let masking: TokenMasking
  let sequenceLength: Int
  let padding: SequencePadding
  let paddingID: Int32
  /// Of the mixture; 0 without one.
  let sourceCount: Int
  /// Whether documents of a sample are told apart.
  let isolatesDocuments: Bool
  private var tokens: [Int32] = []

  init(
    _ samples: TokenSamples, masking: TokenMasking, sequenceLength: Int, padding: SequencePadding, paddingID: Int32,
    sources: Int = 0, isolatesDocuments: Bool = false
  ) {
    sourceCount = sources
    self.isolatesDocuments = isolatesDocuments
    self.samples = samples
    self.masking = masking
    self.sequenceLength = sequenceLength
    self.padding = padding
    self.paddingID = paddingID
  }

  mutating func assemble(
    _ placed: [PlacedSample], epoch: Int, number: Int, firstInBatch: Int = 0
  ) throws(ShardError) -> Microbatch {
    tokens.removeAll(keepingCapacity: true)
    var lengths: [Int32] = []
    lengths.reserveCapacity(placed.count)
    var sources = [SourceCount](repeating: SourceCount(), count: sourceCount)
    for sample in placed {
      let before = tokens.count
      try samples.append(sample.number, to: &tokens, limit: sequenceLength, vocabulary: masking.vocabulary)
      lengths.append(Int32(tokens.count - before))
      if sourceCount > 0 { sources[sample.source] += SourceCount(samples: 1, tokens: tokens.count - before) }
    }
    let length = paddedLength(Int(lengths.max() ?? 0))
    var out = Microbatch(
      sampleCount: placed.count, length: length,
      ids: [Int32](repeating: paddingID, count: placed.count * length), lengths: lengths, positions: [],
      labels: [], sampleIDs: placed.map(\.number), epoch: epoch, number: number,
      firstInBatch: firstInBatch, tokens: tokens.count, sources: sources)
    let expected = Int(Double(tokens.count) * masking.maskFraction * 1.1) + 16
    out.positions.reserveCapacity(expected)
    out.labels.reserveCapacity(expected)
    fill(&out, placed)
    if isolatesDocuments { out.segments = try segments(placed, out) }
    return out
  }

  private func segments(_ placed: [PlacedSample], _ batch: Microbatch) throws(ShardError) -> [Int32] {
    var segments = [Int32](repeating: -1, count: batch.ids.count)
    var areSeveral = false
    for (row, sample) in placed.enumerated() {
      let counts = try samples.documents(of: sample.number).map(\.count)
      guard counts.allSatisfy({ $0 > 0 }), counts.reduce(0, +) == batch.lengths[row] else {
        throw ShardError(
          .malformed, "sample \(sample.number)",
          "has \(batch.lengths[row]) tokens, of which its documents name \(counts.reduce(0, +))",
          hint: "Run the 'tokenizer.encode' stage again, or set \"isolateDocuments\": false.")
      }
      areSeveral = areSeveral || counts.count > 1
      var at = row * batch.length
      for (number, count) in counts.enumerated() {
        for place in at..<at + count { segments[place] = Int32(number) }
        at += count
      }
    }
    return areSeveral ? segments : []
  }

  private func fill(_ out: inout Microbatch, _ placed: [PlacedSample]) {
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
          to: row, epoch: placed[i].epoch, sample: placed[i].number, offset: start, positions: &out.positions,
          labels: &out.labels)
      }
    }
    out.ids = ids
  }

  private func paddedLength(_ longest: Int) -> Int {
    switch padding {
    case .fixed: sequenceLength
    case .longest(let multiple):
      // A longest sample of the sequence length is not padded, even if that is not a multiple.
      max(longest, min(sequenceLength, (longest + multiple - 1) / multiple * multiple))
    }
  }
}

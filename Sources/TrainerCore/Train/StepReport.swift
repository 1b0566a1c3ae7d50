/// Figures of a step, summed over all processes in one message. They stay on the device until they are fetched.
///
/// In double precision, which counts tokens exactly up to 2^53.
struct StepReport {
  struct Figures {
    /// The mean over the step's targets; 0 if there are none.
    var loss: Double
    var gradientNorm: Double
    var isToStop: Bool
    var tokens: Int
    /// By source of a mixture.
    var sources: [SourceCount]
    /// Ranks whose own part of the loss is not finite; empty if there is one process.
    var culprits: [Int]
  }

  /// Summed over all processes: the losses, and the targets that they are sums over.
  let loss, targets: Tensor
  private let stop, tokens: Tensor
  /// By rank: 0, or not a number if that process's loss is not finite.
  private let flags: Tensor?
  /// Samples and tokens of each source of a mixture.
  private let sources: Tensor?
  private let isSum: Bool

  /// - Parameters:
  ///   - loss: this process's part of the step's loss; nil if it has no targets.
  ///   - microbatches: of this process. If their losses are means (`targets` is nil), so is the step's.
  init(
    _ engine: Engine, _ device: Device, _ group: ProcessGroup?, loss own: Tensor?, _ microbatches: [MicrobatchSize],
    isToStop: Bool
  ) throws(TorchError) {
    func number(_ value: Int) throws(TorchError) -> Tensor {
      try engine.full(Double(value), .float64, shape: [1], on: device)
    }
    isSum = microbatches.allSatisfy { $0.targets != nil }
    let sum = if let own { try own.to(.float64, device: device) } else { try number(0) }
    var all = [
      sum, try number(isSum ? microbatches.reduce(0) { $0 + ($1.targets ?? 0) } : 1), try number(isToStop ? 1 : 0),
      try number(microbatches.reduce(0) { $0 + $1.tokens }),
    ]
    let counts = Self.sources(microbatches)
    if !counts.isEmpty { all.append(try engine.tensor(counts, on: device).to(.float64, device: device)) }
    if let group {
      let rank = try engine.tensor([Int64(group.rank)], on: device)
      // 0 times a finite number is 0, and otherwise not a number.
      all.append(try sum.scaled(0).reshape(1, 1).scattered(to: rank, of: group.size))
      try group.sum(TensorList(all))
    }
    (loss, targets, stop, tokens) = (all[0], all[1], all[2], all[3])
    sources = counts.isEmpty ? nil : all[4]
    flags = group == nil ? nil : all[all.count - 1]
  }

  /// Samples and tokens of each source, one after the other.
  private static func sources(_ microbatches: [MicrobatchSize]) -> [Int64] {
    var sums = microbatches.first?.sources ?? []
    for microbatch in microbatches.dropFirst() {
      for (place, count) in microbatch.sources.enumerated() { sums[place] += count }
    }
    return sums.flatMap { [Int64($0.samples), Int64($0.tokens)] }
  }

  /// What the summed gradient is divided by; nil if the losses are means.
  func divisor(on device: Device) throws(TorchError) -> Tensor? {
    guard isSum else { return nil }
    // The addend is negligible next to one token, and prevents a division by 0 if the step has no masked token.
    return try targets.scaled(1, plus: 1e-9).to(.float32, device: device)
  }

  /// Starts to copy the figures to the host.
  func fetch(norm: Tensor) throws(TorchError) -> StepFigures {
    let optional = [sources, flags].compactMap { $0 }
    return StepFigures(
      try HostFigures([targets, loss, stop, tokens, norm] + optional), sources: (sources?.count ?? 0) / 2)
  }
}

/// A step's figures on their way to the host.
struct StepFigures {
  private let figures: HostFigures
  private let sources: Int

  init(_ figures: HostFigures, sources: Int) {
    self.figures = figures
    self.sources = sources
  }

  /// Waits until the device has computed them.
  func read() throws(TorchError) -> StepReport.Figures {
    let values = try figures.values()
    let count = values[0], bySource = values[5..<5 + 2 * sources], byRank = values[(5 + 2 * sources)...]
    let counts = stride(from: bySource.startIndex, to: bySource.endIndex, by: 2).map {
      SourceCount(samples: Int(bySource[$0]), tokens: Int(bySource[$0 + 1]))
    }
    return StepReport.Figures(
      loss: count > 0 ? values[1] / count : 0, gradientNorm: values[4], isToStop: values[2] > 0,
      tokens: Int(values[3]), sources: counts,
      culprits: byRank.indices.filter { !byRank[$0].isFinite }.map { $0 - byRank.startIndex })
  }
}

/// What all processes tell one another of a step, in one message: figures that stay on the device until they are read.
///
/// In double, which counts tokens exactly up to 2^53.
struct StepReport {
  struct Figures {
    /// The mean over the step's masked tokens, in nats; 0 where none is masked.
    var loss: Double
    var isToStop: Bool
    var tokens: Int
    /// Ranks whose own part of the loss is no finite number; empty where there is one process.
    var culprits: [Int]
  }

  /// Summed over all processes: losses of masked tokens, and their number.
  let loss, masked: Tensor
  private let stop, tokens: Tensor
  /// By rank: 0, or no number where that process's loss is none.
  private let flags: Tensor?

  /// - Parameter loss: the sum over this process's masked tokens; nil where it has none.
  init(
    _ run: TrainingRun, loss own: Tensor?, _ microbatches: [Microbatch], isToStop: Bool
  ) throws(TorchError) {
    let engine = run.engine, device = run.device
    func number(_ value: Int) throws(TorchError) -> Tensor {
      try engine.full(Double(value), .float64, shape: [1], on: device)
    }
    let sum = if let own { try own.to(.float64, device: device) } else { try number(0) }
    var all = [
      sum, try number(microbatches.reduce(0) { $0 + $1.positions.count }), try number(isToStop ? 1 : 0),
      try number(microbatches.reduce(0) { $0 + $1.tokens }),
    ]
    if let group = run.group {
      let rank = try engine.tensor([Int64(group.rank)], on: device)
      // 0 times a number is 0, and else no number.
      all.append(try sum.scaled(0).reshape(1, 1).scattered(to: rank, of: group.size))
      try group.sum(TensorList(all))
    }
    (loss, masked, stop, tokens) = (all[0], all[1], all[2], all[3])
    flags = all.count > 4 ? all[4] : nil
  }

  /// Waits for the device.
  func figures() throws(TorchError) -> Figures {
    let count = try masked.item(), sum = try loss.item()
    let byRank = try flags?.floats() ?? []
    return Figures(
      loss: count > 0 ? sum / count : 0, isToStop: try stop.item() > 0, tokens: Int(try tokens.item()),
      culprits: byRank.indices.filter { !byRank[$0].isFinite })
  }
}

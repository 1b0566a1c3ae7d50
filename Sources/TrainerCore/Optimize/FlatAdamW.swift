import CTorch

/// AdamW's state of a model that computes in bf16: weights, gradients and moments lie in one piece of memory each, which
/// a step reads and writes once.
///
/// Processes that share the work have a part of every bucket each: a process sums the gradients of its part, updates its
/// weights, and sends the others their working copies. Of the other parts it has old master weights and moments until
/// `gather`.
final class FlatAdamW {
  let handle: OpaquePointer
  private let group: ProcessGroup?
  private let engine: Engine
  /// Whether master weights and moments of all parts are up to date.
  private var isWhole = true

  /// From here on the tensors of the lists are parts of the pieces.
  /// - Parameters:
  ///   - kinds: of the parameters; those of Muon are left as they are.
  ///   - group: whose processes share the work; nil: this process does all of it.
  ///   - bucketBytes: of gradients, about; at least one parameter makes a bucket.
  init(
    _ parameters: Parameters, sums: TensorList, first: TensorList, second: TensorList, kinds: [ParameterKind],
    sharedBy group: ProcessGroup?, bucketBytes: Int
  ) throws(TorchError) {
    self.group = group
    engine = parameters.engine
    var out: OpaquePointer?
    try engine.check(
      "flat_new",
      engine.table.pointee.flat_new(
        group?.handle, parameters.working.handles, parameters.masterWeights.handles, sums.handles, first.handles,
        second.handles, kinds.map(\.rawValue), sums.count, Int64(bucketBytes), &out))
    handle = out!
  }

  deinit { engine.table.pointee.flat_free(handle) }

  /// The Euclidean norm of the gradients' sums, one number on the device. Its bits depend on the sums alone, not on
  /// buckets and processes.
  func norm() throws(TorchError) -> Tensor {
    var norm: Tensor?
    try exchanging { () throws(TorchError) in
      norm = try engine.make("flat_norm") { engine.table.pointee.flat_norm(handle, $0) }
    }
    return norm!
  }

  /// One step with the sums, clipped and divided; the working copies of all processes follow.
  /// - Parameters:
  ///   - norm: of the gradients after the division.
  ///   - maximum: larger gradients are scaled down to this norm; 0: no clipping.
  ///   - figure: if it is not finite, nothing changes; this does not wait for the device.
  func step(
    _ step: Int, learningRate: Double, _ options: AdamW, norm: Tensor, maximum: Double, dividedBy divisor: Tensor?,
    ifFinite figure: Tensor
  ) throws(TorchError) {
    isWhole = group == nil
    try exchanging { () throws(TorchError) in
      try engine.check(
        "flat_step",
        engine.table.pointee.flat_step(
          handle, Int64(step), learningRate, options.beta1, options.beta2, options.weightDecay, options.epsilon,
          norm.handle, maximum, divisor?.handle, figure.handle))
    }
  }

  /// Brings the other processes' parts of master weights and moments. All processes call it after the same step.
  func gather() throws(TorchError) {
    guard !isWhole else { return }
    try exchanging { () throws(TorchError) in
      try engine.check("flat_gather", engine.table.pointee.flat_gather(handle))
    }
    isWhole = true
  }

  private func exchanging(_ body: () throws(TorchError) -> Void) throws(TorchError) {
    if let group { try group.lost(body) } else { try body() }
  }
}

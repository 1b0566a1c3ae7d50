import CTorch

/// Sums gradients over processes while the backward pass still computes others: in buckets, each of which is sent as
/// soon as its gradients are complete.
///
/// Only the last backward pass of a step sends; those before it add to what is sent. All processes send the same
/// buckets in the same order, also one that has nothing to add.
final class GradientExchange {
  private let handle: OpaquePointer
  private let group: ProcessGroup
  private let engine: Engine
  /// Buckets of the last step that were sent while the backward pass computed.
  private(set) var early = 0

  /// - Parameters:
  ///   - parameters: whose gradients are summed.
  ///   - flat: where the gradients of a step's microbatches are added up, and whose buckets these are; nil: in the
  ///     parameters' own.
  ///   - bucketBytes: of gradients, about; at least one parameter makes a bucket.
  init(
    _ group: ProcessGroup, _ engine: Engine, _ parameters: TensorList, flat: FlatAdamW?, bucketBytes: Int
  ) throws(TorchError) {
    self.group = group
    self.engine = engine
    var out: OpaquePointer?
    try engine.check(
      "exchange_new",
      engine.table.pointee.exchange_new(
        group.handle, parameters.handles, parameters.count, flat?.handle, Int64(bucketBytes), &out))
    handle = out!
  }

  deinit { engine.table.pointee.exchange_free(handle) }

  /// The next backward pass is the step's last.
  /// - Parameter adds: whether earlier ones of the step have left sums.
  func arm(adds: Bool) throws(TorchError) {
    try engine.check("exchange_arm", engine.table.pointee.exchange_arm(handle, adds))
  }

  /// Sends what has not been sent; call after the last backward pass, before other exchanges of the group.
  /// - Parameter any: whether this process had a backward pass in this step; else it sends zeros.
  func flush(any: Bool) throws(TorchError) {
    try group.lost { () throws(TorchError) in
      var count: Int64 = 0
      try engine.check("exchange_flush", engine.table.pointee.exchange_flush(handle, any, &count))
      early = Int(count)
    }
  }

  /// Waits for the sums.
  func finish() throws(TorchError) {
    try group.lost { () throws(TorchError) in
      try engine.check("exchange_finish", engine.table.pointee.exchange_finish(handle))
    }
  }
}

import CTorch

/// Numbers on their way from the device to the host. They can be read as soon as the device has computed them, while
/// it goes on with work that it was given later: `Tensor.item` would wait for all of that.
final class HostFigures {
  private let handle: OpaquePointer
  private let engine: Engine
  private let count: Int

  /// Starts the copy.
  /// - Parameter tensors: on one device; the figures are their elements, one tensor after the other.
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  init(_ tensors: [Tensor]) throws(TorchError) {
    let list = TensorList(tensors)
    engine = tensors[0].engine
    count = tensors.reduce(0) { $0 + $1.count }
    var out: OpaquePointer?
    try engine.check("figures_copy", engine.table.pointee.figures_copy(list.handles, list.count, &out))
    handle = out!
  }

  deinit { engine.table.pointee.figures_free(handle) }

  /// Waits for the copy.
  /// - Throws: `TorchError` (`operation`) if the device failed.
  func values() throws(TorchError) -> [Double] {
    var values = [Double](repeating: 0, count: count)
    try engine.check("figures_read", engine.table.pointee.figures_read(handle, &values, count))
    return values
  }
}

import CTorch

/// All tensors of a model at once, changed in place: parameters, gradients, moments.
public struct TensorList: Sendable {
  public var tensors: [Tensor]
  public init(_ tensors: [Tensor]) { self.tensors = tensors }

  var count: Int { tensors.count }
  private var engine: Engine { tensors[0].engine }
  private var table: pt_engine { engine.table.pointee }
  var handles: [OpaquePointer?] { tensors.map { $0.handle } }

  /// The tensors at these places.
  func only(_ places: [Int]) -> TensorList { TensorList(places.map { tensors[$0] }) }

  /// Copies values into these tensors, converting between types.
  /// - Throws: `TorchError` (`operation`) if the shapes differ.
  public func copy(from other: TensorList) throws(TorchError) {
    try engine.check("copy_all", table.copy_all(handles, other.handles, count))
  }
  /// Adds `scale` times the others in place.
  /// - Throws: `TorchError` (`operation`) if the shapes differ.
  public func add(_ other: TensorList, scale: Double = 1) throws(TorchError) {
    try engine.check("add_all", table.add_all(handles, other.handles, count, scale))
  }
  /// Multiplies in place.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses.
  public func scale(_ factor: Double) throws(TorchError) {
    try engine.check("scale_all", table.scale_all(handles, count, factor))
  }
  /// The Euclidean norm of all elements together, as one number on the device.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses.
  public func norm() throws(TorchError) -> Tensor { try engine.make("norm_all") { table.norm_all(handles, count, $0) } }

  /// Scales in place so that a norm above `maximum` becomes `maximum` (`torch.nn.utils.clip_grad_norm_`).
  /// - Parameters:
  ///   - norm: of the tensors after the division.
  ///   - maximum: 0: no clipping.
  ///   - divisor: what the tensors are divided by as well; nil: 1.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses.
  public func clip(norm: Tensor, to maximum: Double, dividedBy divisor: Tensor? = nil) throws(TorchError) {
    try engine.check("clip_all", table.clip_all(handles, count, norm.handle, maximum, divisor?.handle))
  }

  /// One step of AdamW with decoupled weight decay (Loshchilov and Hutter 2019; `torch.optim.AdamW`).
  /// - Parameters:
  ///   - decay: in place of the options'.
  ///   - figure: if it is not finite, nothing changes; this does not wait for the device.
  func adamW(
    gradients: TensorList, first: TensorList, second: TensorList, step: Int, learningRate: Double, _ options: AdamW,
    decay: Double, ifFinite figure: Tensor
  ) throws(TorchError) {
    try engine.check(
      "adamw",
      table.adamw(
        handles, gradients.handles, first.handles, second.handles, count, Int64(step), learningRate, options.beta1,
        options.beta2, decay, options.epsilon, figure.handle))
  }

  /// One step of Muon (Jordan et al. 2024; `torch.optim.Muon` with `match_rms_adamw`) on matrices.
  /// - Parameters:
  ///   - gradients: not changed.
  ///   - averages: of the gradients, decaying.
  ///   - parts: the number of equal matrices, one below the other, in each weight.
  ///   - inBFloat16: whether the iterations are computed in bf16, otherwise in fp32.
  ///   - norm, maximum, divisor: as in `clip`.
  ///   - figure: if it is not finite, nothing changes; this does not wait for the device.
  func muon(
    gradients: TensorList, averages: TensorList, parts: [Int], learningRate: Double, _ options: Muon, decay: Double,
    inBFloat16: Bool, norm: Tensor, maximum: Double, dividedBy divisor: Tensor?, ifFinite figure: Tensor
  ) throws(TorchError) {
    try engine.check(
      "muon",
      table.muon(
        handles, gradients.handles, averages.handles, parts.map(Int64.init), count, learningRate, options.momentum,
        decay,
        Int64(options.iterations), inBFloat16, norm.handle, maximum, divisor?.handle, figure.handle))
  }
}

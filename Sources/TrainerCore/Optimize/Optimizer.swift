public import ShardKit

/// AdamW over a model's master weights, with gradients summed over microbatches and processes, and clipped.
public final class Optimizer {
  public let options: AdamW
  public let parameters: Parameters
  public let first, second: TensorList
  /// Steps taken.
  public private(set) var step = 0
  /// Gradients in fp32, where the model computes in bf16; else the gradients lie with the parameters.
  private var sums: TensorList?
  private var hasSums = false

  public init(_ parameters: Parameters, _ options: AdamW) throws(TorchError) {
    self.options = options
    self.parameters = parameters
    first = try Self.zeros(parameters)
    second = try Self.zeros(parameters)
    sums = parameters.precision == .float32 ? nil : try Self.zeros(parameters)
  }

  private static func zeros(_ parameters: Parameters) throws(TorchError) -> TensorList {
    TensorList(
      try parameters.shapes.torchMap { shape throws(TorchError) in
        try parameters.engine.full(0, shape: shape.shape, on: parameters.device)
      })
  }

  /// Goes on from stored moments, which the caller has written into `first` and `second`.
  public func resume(step: Int) { self.step = step }

  /// Adds a microbatch's gradients to the step's. Call after each `backward`.
  public func accumulate() throws(TorchError) {
    defer { hasSums = true }
    guard let sums else { return }  // torch sums up in fp32 by itself
    let fresh = try gradients()
    if hasSums { try sums.add(fresh) } else { try sums.copy(from: fresh) }
    for tensor in parameters.working.tensors { try tensor.clearGradient() }
  }

  private func gradients() throws(TorchError) -> TensorList {
    var list: [Tensor] = []
    for (shape, tensor) in zip(parameters.shapes, parameters.working.tensors) {
      guard let gradient = try tensor.gradient() else {
        throw TorchError(.operation, shape.name, "the loss does not depend on this parameter")
      }
      list.append(gradient)
    }
    return TensorList(list)
  }

  /// What has been accumulated: nothing, where no microbatch of this process had a masked token.
  private func accumulated() throws(TorchError) -> TensorList {
    guard hasSums else { return try Self.zeros(parameters) }
    return if let sums { sums } else { try gradients() }
  }

  /// Takes a step with what has been accumulated, summed over the group. Where the gradient or the loss is no finite
  /// number, weights and moments stay as they are, and the step counts all the same.
  ///
  /// - Parameters:
  ///   - maximumGradientNorm: the greatest norm of the gradient; nil to leave it as it is.
  ///   - divisor: of the sums, such as the tokens that they are of; nil for 1.
  ///   - loss: looked at, that it is finite.
  /// - Returns: the gradient's norm before clipping, on the device.
  public func step(
    rate: Double, maximumGradientNorm: Double?, dividedBy divisor: Tensor? = nil, loss: Tensor? = nil,
    group: ProcessGroup? = nil
  ) throws(TorchError) -> Tensor {
    let gradients = try accumulated()
    if let group, group.size > 1 { try group.sum(gradients) }
    var norm = try gradients.norm()
    if let divisor { norm = try norm.divided(by: divisor).reshape() }
    if maximumGradientNorm != nil || divisor != nil {
      try gradients.clip(norm: norm, to: maximumGradientNorm, dividedBy: divisor)
    }
    step += 1
    // A sum with 0 times the loss is finite where both are.
    let figure = if let loss { try norm.plus(loss.reshape(), scale: 0) } else { norm }
    try parameters.masterWeights.adamW(
      gradients: gradients, first: first, second: second, step: step, rate: rate, options, ifFinite: figure)
    try parameters.refresh()
    hasSums = false
    if sums == nil { for tensor in parameters.working.tensors { try tensor.clearGradient() } }
    return norm
  }
}

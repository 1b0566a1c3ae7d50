public import ShardKit

/// AdamW over a model's master weights, with gradients summed over microbatches and processes, and clipped.
public final class Optimizer {
  public let options: AdamW
  public let parameters: Parameters
  public let first, second: TensorList
  /// Steps taken.
  public private(set) var step = 0
  /// Gradients in fp32 if the model computes in bf16; otherwise the parameters hold them.
  private var sums: TensorList?
  private var hasSums = false
  private(set) var exchange: GradientExchange?
  /// Whether the next backward pass is the step's last, whose gradients the exchange takes.
  private var isLast = false
  private var hasSent = false

  /// Moments of 0.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
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

  /// Resumes from stored moments, which the caller has written into `first` and `second`.
  public func resume(step: Int) { self.step = step }

  /// From now on a step's last backward pass sends its gradients to the group while it computes.
  func overlap(_ group: ProcessGroup, bucketBytes: Int) throws(TorchError) {
    exchange = try GradientExchange(group, parameters.engine, parameters.working, sums: sums, bucketBytes: bucketBytes)
  }

  /// Call before the last `backward` of a step.
  func expectLast() throws(TorchError) {
    guard let exchange else { return }
    try exchange.arm(adds: hasSums)
    isLast = true
  }

  /// Sends the gradients that have not been sent, where they overlap; call after the last microbatch, before other
  /// exchanges of the group.
  func send() throws(TorchError) {
    guard let exchange else { return }
    try exchange.flush(any: hasSums)
    (hasSums, hasSent) = (true, true)
  }

  /// Adds a microbatch's gradients to the step's. Call after each `backward`.
  /// - Throws: `TorchError` (`operation`) if the loss does not depend on a parameter.
  public func accumulate() throws(TorchError) {
    defer { (hasSums, isLast) = (true, false) }
    guard let sums, !isLast else { return }  // torch sums in fp32 itself, or the exchange has
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

  /// What was accumulated: zeros if no microbatch of this process had a masked token.
  private func accumulated() throws(TorchError) -> TensorList {
    guard hasSums else { return try Self.zeros(parameters) }
    return if let sums { sums } else { try gradients() }
  }

  /// Takes a step with the accumulated gradients, summed over the group. If the gradient or the loss is not finite,
  /// weights and moments stay unchanged; the step counts all the same.
  ///
  /// - Parameters:
  ///   - learningRate: of this step.
  ///   - maximumGradientNorm: larger gradients are scaled down to this norm; 0: no clipping.
  ///   - divisor: what the sums are divided by, such as the number of their tokens; nil: 1.
  ///   - loss: checked to be finite.
  /// - Returns: the gradient norm before clipping, on the device.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses, (`group`) if other processes are lost.
  public func step(
    learningRate: Double, maximumGradientNorm: Double, dividedBy divisor: Tensor? = nil, loss: Tensor? = nil,
    group: ProcessGroup? = nil
  ) throws(TorchError) -> Tensor {
    if hasSent { try exchange?.finish() }
    let gradients = try accumulated()
    if let group, group.size > 1, !hasSent { try group.sum(gradients) }
    hasSent = false
    var norm = try gradients.norm()
    if let divisor { norm = try norm.divided(by: divisor).reshape() }
    if maximumGradientNorm > 0 || divisor != nil {
      try gradients.clip(norm: norm, to: maximumGradientNorm, dividedBy: divisor)
    }
    step += 1
    // A sum with 0 times the loss is finite if both are.
    let figure = if let loss { try norm.plus(loss.reshape(), scale: 0) } else { norm }
    try parameters.masterWeights.adamW(
      gradients: gradients, first: first, second: second, step: step, learningRate: learningRate, options,
      ifFinite: figure)
    try parameters.refresh()
    hasSums = false
    if sums == nil { for tensor in parameters.working.tensors { try tensor.clearGradient() } }
    return norm
  }
}

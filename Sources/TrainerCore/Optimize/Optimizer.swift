public import ShardKit

/// AdamW, or AdamW and Muon, over a model's master weights, with gradients summed over microbatches and processes, and
/// clipped.
public final class Optimizer {
  public let options: AdamW
  public let parameters: Parameters
  /// Averages of gradients and of their squares. Muon has none of squares: those of its matrices stay 0.
  public let first, second: TensorList
  /// Of the parameters.
  let kinds: [ParameterKind]
  /// The parameters' numbers by kind.
  private let members: [ParameterKind: [Int]]
  /// Steps taken.
  public private(set) var step = 0
  /// Gradients in fp32 if the model computes in bf16; otherwise the parameters hold them.
  private let sums: TensorList?
  /// Of such a model: its state in one piece of memory per kind.
  private let flat: FlatAdamW?
  /// Of the processes that have taken Muon's last step together; nil: there was one.
  private var shares: MuonShares?
  private var hasSums = false
  /// The type of Muon's iterations: that of the model.
  var muonInBFloat16: Bool
  let exchange: GradientExchange?
  /// Whether the next backward pass is the step's last, whose gradients the exchange takes.
  private var isLast = false
  private var hasSent = false

  /// Moments of 0, in a process alone or beside others.
  /// - Throws: `TorchError` (`operation`) if there is no memory on the device.
  public convenience init(_ parameters: Parameters, _ options: AdamW) throws(TorchError) {
    try self.init(parameters, options, overlapping: nil, bucketBytes: 0)
  }

  /// Moments of 0.
  /// - Parameters:
  ///   - group: a step's last backward pass sends it gradients while it computes, and its processes share the step of a
  ///     model that computes in bf16, unless it has matrices for Muon; nil: gradients are summed afterwards, if at all, and every process takes the step.
  ///   - bucketBytes: of gradients that are sent together, about.
  init(
    _ parameters: Parameters, _ options: AdamW, overlapping group: ProcessGroup?, bucketBytes: Int
  ) throws(TorchError) {
    self.options = options
    self.parameters = parameters
    kinds = parameters.shapes.map(options.kind)
    muonInBFloat16 = parameters.precision == .bfloat16
    members = Dictionary(grouping: parameters.shapes.indices, by: { [kinds] in kinds[$0] })
    // A matrix of Muon needs its whole gradient in one process.
    let isShareable = options.muon == nil || parameters.precision == .float32
    let group = isShareable ? group : nil
    first = try Self.zeros(parameters)
    second = try Self.zeros(parameters)
    sums = parameters.precision == .float32 ? nil : try Self.zeros(parameters)
    flat =
      if let sums {
        try FlatAdamW(
          parameters, sums: sums, first: first, second: second, kinds: kinds, sharedBy: group,
          bucketBytes: group == nil ? .max : bucketBytes)
      } else { nil }
    exchange =
      if let group {
        try GradientExchange(group, parameters.engine, parameters.working, flat: flat, bucketBytes: bucketBytes)
      } else { nil }
  }

  private static func zeros(_ parameters: Parameters) throws(TorchError) -> TensorList {
    TensorList(
      try parameters.shapes.torchMap { shape throws(TorchError) in
        try parameters.engine.full(0, shape: shape.shape, on: parameters.device)
      })
  }

  /// Resumes from stored moments, which the caller has written into `first` and `second`.
  public func resume(step: Int) { self.step = step }

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
    guard let sums else { return hasSums ? try gradients() : try Self.zeros(parameters) }
    if !hasSums { try sums.copy(from: try Self.zeros(parameters)) }
    return sums
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
    var norm = if let flat { try flat.norm() } else { try gradients.norm() }
    if let divisor { norm = try norm.divided(by: divisor).reshape() }
    step += 1
    // A sum with 0 times the loss is finite if both are.
    let figure = if let loss { try norm.plus(loss.reshape(), scale: 0) } else { norm }
    if let flat {
      try flat.step(
        step, learningRate: learningRate, options, norm: norm, maximum: maximumGradientNorm, dividedBy: divisor,
        ifFinite: figure)
      try stepMuon(
        gradients, learningRate: learningRate, norm: norm, maximum: maximumGradientNorm, dividedBy: divisor,
        ifFinite: figure, group)
      try parameters.refresh(members[.muon] ?? [])
    } else {
      if maximumGradientNorm > 0 || divisor != nil {
        try gradients.clip(norm: norm, to: maximumGradientNorm, dividedBy: divisor)
      }
      try stepAdamW(gradients, learningRate: learningRate, ifFinite: figure)
      try stepMuon(
        gradients, learningRate: learningRate, norm: norm, maximum: 0, dividedBy: nil, ifFinite: figure, group)
      for tensor in parameters.working.tensors { try tensor.clearGradient() }
    }
    hasSums = false
    return norm
  }

  private func stepAdamW(
    _ gradients: TensorList, learningRate: Double, ifFinite figure: Tensor
  ) throws(TorchError) {
    for kind in [ParameterKind.decays, .keepsSize] {
      guard let members = members[kind] else { continue }
      try parameters.masterWeights.only(members).adamW(
        gradients: gradients.only(members), first: first.only(members), second: second.only(members), step: step,
        learningRate: learningRate, options, decay: kind == .decays ? options.weightDecay : 0, ifFinite: figure)
    }
  }

  /// - Parameters norm, maximum, divisor: of gradients that have not been clipped.
  private func stepMuon(
    _ gradients: TensorList, learningRate: Double, norm: Tensor, maximum: Double, dividedBy divisor: Tensor?,
    ifFinite figure: Tensor, _ group: ProcessGroup?
  ) throws(TorchError) {
    guard let muon = options.muon, let members = members[.muon] else { return }
    if let group, group.size > 1, shares == nil { shares = MuonShares(members, parameters.shapes, group) }
    let own = shares?.own ?? members
    if !own.isEmpty {
      try parameters.masterWeights.only(own).muon(
        gradients: gradients.only(own), averages: first.only(own), parts: own.map { parameters.shapes[$0].matrices },
        learningRate: learningRate, muon, decay: options.weightDecay, inBFloat16: muonInBFloat16, norm: norm,
        maximum: maximum, dividedBy: divisor, ifFinite: figure)
    }
    try shares?.exchange(parameters.masterWeights)
  }

  /// Makes master weights and moments whole where processes share the step. All of them call it after the same step,
  /// before any of them reads these.
  func gather() throws(TorchError) {
    try flat?.gather()
    try shares?.exchange(first)
  }
}

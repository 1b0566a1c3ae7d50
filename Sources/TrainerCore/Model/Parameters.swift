public import ShardKit

/// A model's parameters on a device: fp32 masterWeights, and what the model computes with.
///
/// In fp32 both are the same tensors. In bf16 the working copies are refreshed from the masterWeights after each step, and
/// their gradients are summed up in fp32.
public final class Parameters: Sendable {
  public enum Precision: String, CaseIterable, Codable, Sendable { case float32, bfloat16 }

  public let engine: Engine
  public let device: Device
  public let precision: Precision
  public let shapes: [ParameterShape]
  public let masterWeights: TensorList
  /// Leaves of the model's graph, in the order of `shapes`.
  public let working: TensorList
  private let places: [String: Int]

  /// Parameters with values at random: weights normal with the deviation given, norms 1, biases and the padding token 0.
  public init(
    _ shapes: [ParameterShape], engine: Engine, device: Device, precision: Precision = .float32, seed: UInt64 = 0,
    deviation: Double = 0.02, padding: Int? = 0
  ) throws(TorchError) {
    self.engine = engine
    self.device = device
    self.precision = precision
    self.shapes = shapes
    places = Dictionary(uniqueKeysWithValues: shapes.enumerated().map { ($0.element.name, $0.offset) })
    try engine.seed(seed)
    var masterWeights: [Tensor] = []
    for shape in shapes {
      masterWeights.append(
        try Self.start(shape, engine: engine, device: device, deviation: deviation, padding: padding))
    }
    self.masterWeights = TensorList(masterWeights)
    working =
      precision == .float32
      ? self.masterWeights
      : TensorList(try masterWeights.torchMap { master throws(TorchError) in try master.to(.bfloat16, device: device) })
    for tensor in working.tensors { try tensor.requireGradient() }
  }

  private static func start(
    _ parameter: ParameterShape, engine: Engine, device: Device, deviation: Double, padding: Int?
  ) throws(TorchError) -> Tensor {
    let shape = parameter.shape
    if parameter.name.hasSuffix(".bias") { return try engine.full(0, shape: shape, on: device) }
    if parameter.isNorm { return try engine.full(1, shape: shape, on: device) }
    guard let padding, parameter.name.hasSuffix("word_embeddings.weight") else {
      return try engine.normal(deviation: deviation, shape: shape, on: device)
    }
    // Drawn as the others are, then without the padding token's row.
    let values = try engine.normal(deviation: deviation, shape: shape)
    try values.narrow(0, from: padding, count: 1).write(zeros: shape[1])
    return try values.to(.float32, device: device)
  }

  public subscript(name: String) -> Tensor {
    guard let place = places[name] else { preconditionFailure("no parameter is named \(name)") }
    return working.tensors[place]
  }

  public func norm(_ name: String, epsilon: Double) -> LayerNorm {
    LayerNorm(weight: self["\(name).weight"], bias: self["\(name).bias"], epsilon: epsilon)
  }

  /// Sets the masterWeights of the names given, then the working copies. `values` gives fp32 bytes, or nil to leave as it is.
  public func load(_ values: (ParameterShape) throws(TorchError) -> [Float]?) throws(TorchError) {
    try engine.withoutGradient { () throws(TorchError) in
      for (shape, master) in zip(shapes, masterWeights.tensors) {
        guard let floats = try values(shape) else { continue }
        guard floats.count == shape.count else {
          throw TorchError(.file, shape.name, "\(floats.count) numbers do not fill \(shape.shape)")
        }
        try floats.withUnsafeBytes { bytes in Result { () throws(TorchError) in try master.write(bytes) } }.get()
      }
    }
    try refresh()
  }

  /// Brings the working copies up to the masterWeights.
  public func refresh() throws(TorchError) {
    if precision != .float32 { try working.copy(from: masterWeights) }
  }
}

extension ParameterShape {
  /// Scale or shift of a normalization.
  public var isNorm: Bool { name.lowercased().hasSuffix("norm.weight") || name.lowercased().hasSuffix("norm.bias") }
}

extension Tensor {
  fileprivate func write(zeros count: Int) throws(TorchError) {
    let zeros = [Float](repeating: 0, count: count)
    try zeros.withUnsafeBytes { bytes in Result { () throws(TorchError) in try write(bytes) } }.get()
  }
}

extension Array {
  /// `map` with the engine's typed errors.
  func torchMap<R>(_ transform: (Element) throws(TorchError) -> R) throws(TorchError) -> [R] {
    var out: [R] = []
    out.reserveCapacity(count)
    for element in self { out.append(try transform(element)) }
    return out
  }
}

public import ShardKit

/// A model's parameters on a device: fp32 master weights, and the working copies that the model computes with.
///
/// In fp32 both are the same tensors. In bf16 the working copies are refreshed from the master weights after each step,
/// and their gradients are summed in fp32.
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

  /// Parameters with random values: weights normally distributed, norms 1, biases and the padding token's row 0.
  /// - Parameters:
  ///   - deviation: the standard deviation of a weight.
  ///   - padding: the id of the padding token; nil: none.
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public init(
    _ shapes: [ParameterShape], engine: Engine, device: Device, precision: Precision = .float32, seed: UInt64 = 0,
    deviation: (ParameterShape) -> Double = { _ in 0.02 }, padding: Int? = 0
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
        try Self.start(shape, engine: engine, device: device, deviation: deviation(shape), padding: padding))
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
    // Drawn like the others, then without the padding token's row.
    let values = try engine.normal(deviation: deviation, shape: shape)
    try values.narrow(0, from: padding, count: 1).write(zeros: shape[1])
    return try values.to(.float32, device: device)
  }

  public subscript(name: String) -> Tensor {
    guard let place = places[name] else { preconditionFailure("no parameter is named \(name)") }
    return working.tensors[place]
  }

  public func norm(_ name: String, epsilon: Double) -> LayerNorm {
    LayerNorm(weight: self["\(name).weight"], bias: bias(name), epsilon: epsilon)
  }

  /// The bias of a layer; nil if the model has none there.
  func bias(_ name: String) -> Tensor? { places["\(name).bias"].map { working.tensors[$0] } }

  /// Sets master weights, then the working copies.
  /// - Parameter values: a parameter's fp32 values in row-major order; nil: unchanged.
  /// - Throws: `TorchError` (`file`) if the values do not fill the shape; what `values` throws.
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

  /// Copies the master weights to the working copies, converting them.
  /// - Throws: `TorchError` (`operation`) if an earlier operation failed.
  public func refresh() throws(TorchError) {
    if precision != .float32 { try working.copy(from: masterWeights) }
  }

  /// The same for some parameters, by number.
  func refresh(_ some: [Int]) throws(TorchError) {
    guard precision != .float32, !some.isEmpty else { return }
    try working.only(some).copy(from: masterWeights.only(some))
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

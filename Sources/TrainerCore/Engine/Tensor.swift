import CTorch

/// A tensor of the engine's, by handle: freed with its last reference.
///
/// Operations give new tensors and record what gradients need, unless inside `Engine.withoutGradient`. Shapes are written
/// [rows, columns].
///
///     let x = try engine.tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
///     let y = try x.times(x).sum(1)            // [2]: 5, 25
///     print(try y.floats())
///
/// Every operation throws `TorchError` when the engine refuses it: shapes or types that do not fit, no memory left on
/// the device. What a device computes is finished when a result is read (`floats`, `item`), so an error of an operation
/// may be thrown there.
public final class Tensor: @unchecked Sendable {
  // A handle's tensor is changed only by the in-place operations of `TensorList` and `write`, which training calls from
  // one thread.
  let handle: OpaquePointer
  public let engine: Engine

  init(_ engine: Engine, _ handle: OpaquePointer) {
    self.engine = engine
    self.handle = handle
  }

  deinit { engine.table.pointee.free(handle) }

  private var table: pt_engine { @inline(__always) _read { yield engine.table.pointee } }

  public var shape: [Int] {
    (0..<table.rank(handle)).map { Int(table.size(handle, $0)) }
  }
  public var count: Int { shape.reduce(1, *) }
  public var dtype: DType { DType(rawValue: table.dtype(handle))! }

  // MARK: To and from the host

  /// The elements as bytes, row by row, in the tensor's own type. Waits for the device.
  public func bytes() throws(TorchError) -> [UInt8] { try elements(of: UInt8.self, scale: dtype.bytes) }
  /// The elements as 32-bit floats, row by row, converted where they are of another type. Waits for the device.
  public func floats() throws(TorchError) -> [Float] {
    try (dtype == .float32 ? self : to(.float32)).elements(of: Float.self)
  }
  /// The elements as 64-bit integers, row by row, converted where they are of another type. Waits for the device.
  public func integers() throws(TorchError) -> [Int64] {
    try (dtype == .int64 ? self : to(.int64)).elements(of: Int64.self)
  }

  private func elements<E>(of type: E.Type, scale: Int = 1) throws(TorchError) -> [E] {
    let total = count * scale
    var status: Int32 = 0
    let out = [E](unsafeUninitializedCapacity: total) { buffer, initialized in
      status = table.to_host(handle, buffer.baseAddress, total * MemoryLayout<E>.stride)
      initialized = status == 0 ? total : 0
    }
    try engine.check("to_host", status)
    return out
  }

  /// The one element of a tensor of one. Waits for the device.
  public func item() throws(TorchError) -> Double {
    var value = 0.0
    try engine.check("item", table.item(handle, &value))
    return value
  }

  /// Fills the tensor in place with bytes of its own type.
  /// - Throws: `TorchError` when the bytes do not fill the tensor.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(TorchError) {
    try engine.check("write_host", table.write_host(handle, bytes.baseAddress, bytes.count))
  }

  /// The same values in another type, on another device, or both.
  public func to(_ dtype: DType, device: Device = .cpu) throws(TorchError) -> Tensor {
    try engine.make("to") { table.to(handle, dtype.rawValue, device.value, $0) }
  }

  // MARK: Gradients

  /// Whether `backward` sums up a gradient here: true for parameters.
  public func requireGradient(_ required: Bool = true) throws(TorchError) {
    try engine.check("require_gradient", table.require_gradient(handle, required))
  }

  /// What `backward` has summed up here; nil where nothing has.
  public func gradient() throws(TorchError) -> Tensor? {
    var out: OpaquePointer?
    try engine.check("gradient", table.gradient(handle, &out))
    return out.map { Tensor(engine, $0) }
  }

  /// Forgets the gradient: before the next step.
  public func clearGradient() throws(TorchError) { try engine.check("clear_gradient", table.clear_gradient(handle)) }
  /// From a tensor of one element: adds its gradient to every tensor that requires one.
  /// - Throws: `TorchError` when it has more than one element, or nothing that requires a gradient led to it.
  public func backward() throws(TorchError) { try engine.check("backward", table.backward(handle)) }
  /// The same values, without what led to them: no gradient passes.
  public func detached() throws(TorchError) -> Tensor { try engine.make("detach") { table.detach(handle, $0) } }

  // MARK: Shapes and rows

  /// The same elements in another shape.
  public func reshape(_ shape: Int...) throws(TorchError) -> Tensor {
    let sizes = shape.map(Int64.init)
    return try engine.make("reshape") { table.reshape(handle, sizes, sizes.count, $0) }
  }
  /// Dimensions of one element repeated to a shape: [1, d] → [n, d].
  public func expand(_ shape: Int...) throws(TorchError) -> Tensor {
    let sizes = shape.map(Int64.init)
    return try engine.make("expand") { table.expand(handle, sizes, sizes.count, $0) }
  }
  /// `count` places of one dimension, from `start` on.
  public func narrow(_ dimension: Int, from start: Int, count: Int) throws(TorchError) -> Tensor {
    try engine.make("narrow") { table.narrow(handle, Int32(dimension), Int64(start), Int64(count), $0) }
  }
  /// Rows by number: [n, d], [m] → [m, d].
  public func rows(_ numbers: Tensor) throws(TorchError) -> Tensor {
    try engine.make("select_rows") { table.select_rows(handle, numbers.handle, $0) }
  }
  /// The rows put at their numbers among `total`, zeros elsewhere: [m, d], [m] → [total, d].
  public func scattered(to numbers: Tensor, of total: Int) throws(TorchError) -> Tensor {
    try engine.make("scatter_rows") { table.scatter_rows(handle, numbers.handle, Int64(total), $0) }
  }

  // MARK: Arithmetic

  /// x + `scale`·`other`, element by element; shapes that differ are broadcast as in PyTorch.
  public func plus(_ other: Tensor, scale: Double = 1) throws(TorchError) -> Tensor {
    try engine.make("add") { table.add(handle, other.handle, scale, $0) }
  }
  /// Element by element, not the product of matrices.
  public func times(_ other: Tensor) throws(TorchError) -> Tensor {
    try engine.make("multiply") { table.multiply(handle, other.handle, $0) }
  }
  /// Element by element.
  public func divided(by other: Tensor) throws(TorchError) -> Tensor {
    try engine.make("divide") { table.divide(handle, other.handle, $0) }
  }
  /// `scale`·x + `shift`.
  public func scaled(_ scale: Double, plus shift: Double = 0) throws(TorchError) -> Tensor {
    try engine.make("affine") { table.affine(handle, scale, shift, $0) }
  }

  public func tanh() throws(TorchError) -> Tensor { try unary(PT_TANH) }
  public func gelu() throws(TorchError) -> Tensor { try unary(PT_GELU) }

  private func unary(_ function: pt_unary) throws(TorchError) -> Tensor {
    try engine.make("unary") { table.unary(handle, Int32(function.rawValue), $0) }
  }

  /// Over one dimension, or over all.
  public func sum(_ dimension: Int? = nil, keep: Bool = false) throws(TorchError) -> Tensor {
    try engine.make("sum") { table.sum(handle, dimension.map(Int32.init) ?? .min, keep, $0) }
  }
  /// Over one dimension, or over all.
  public func mean(_ dimension: Int? = nil, keep: Bool = false) throws(TorchError) -> Tensor {
    try engine.make("mean") { table.mean(handle, dimension.map(Int32.init) ?? .min, keep, $0) }
  }
  /// Euclidean, over one dimension, or over all.
  public func norm(_ dimension: Int? = nil, keep: Bool = false) throws(TorchError) -> Tensor {
    try engine.make("norm") { table.norm(handle, dimension.map(Int32.init) ?? .min, keep, $0) }
  }
  /// The places of the largest elements along a dimension.
  public func argmax(_ dimension: Int) throws(TorchError) -> Tensor {
    try engine.make("argmax") { table.argmax(handle, Int32(dimension), $0) }
  }
}

extension Engine {
  /// A tensor of host values. The values are copied.
  public func tensor(
    _ bytes: UnsafeRawBufferPointer, _ dtype: DType, shape: [Int], on device: Device = .cpu
  ) throws(TorchError) -> Tensor {
    precondition(bytes.count == shape.reduce(dtype.bytes, *), "the bytes do not fill the shape")
    let sizes = shape.map(Int64.init)
    return try make("from_host") {
      table.pointee.from_host(bytes.baseAddress, dtype.rawValue, sizes, sizes.count, device.value, $0)
    }
  }

  /// A tensor of integers, of one dimension where no shape is given.
  public func tensor(_ values: [Int64], on device: Device = .cpu, shape: [Int]? = nil) throws(TorchError) -> Tensor {
    try of(values, .int64, shape, device)
  }
  /// A tensor of floats, of one dimension where no shape is given.
  public func tensor(_ values: [Float], on device: Device = .cpu, shape: [Int]? = nil) throws(TorchError) -> Tensor {
    try of(values, .float32, shape, device)
  }

  private func of<E>(_ values: [E], _ dtype: DType, _ shape: [Int]?, _ device: Device) throws(TorchError) -> Tensor {
    let result = values.withUnsafeBytes { bytes in
      Result { () throws(TorchError) in try tensor(bytes, dtype, shape: shape ?? [values.count], on: device) }
    }
    return try result.get()
  }

  /// A tensor whose elements are all one value.
  public func full(_ value: Double, _ dtype: DType = .float32, shape: [Int], on device: Device = .cpu)
    throws(TorchError) -> Tensor
  {
    let sizes = shape.map(Int64.init)
    return try make("full") { table.pointee.full(value, dtype.rawValue, sizes, sizes.count, device.value, $0) }
  }

  /// Normal numbers of mean 0, the same for a seed on every device.
  public func normal(deviation: Double, shape: [Int], on device: Device = .cpu) throws(TorchError) -> Tensor {
    let sizes = shape.map(Int64.init)
    return try make("normal") {
      table.pointee.normal(0, deviation, DType.float32.rawValue, sizes, sizes.count, device.value, $0)
    }
  }
}

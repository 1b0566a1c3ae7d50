import CTorch

/// A tensor of the engine, by handle: freed with its last reference.
///
/// Operations return new tensors and record what gradients need, unless inside `Engine.withoutGradient`. Shapes are
/// written [rows, columns].
public final class Tensor: @unchecked Sendable {
  // Only `write` and the in-place operations of `TensorList` change a handle's tensor; training calls them from one
  // thread.
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

  /// The elements as bytes, in row-major order, in the tensor's own type. Waits for the device.
  /// - Throws: `TorchError` (`operation`) if the computation or the copy fails.
  public func bytes() throws(TorchError) -> [UInt8] { try elements(of: UInt8.self, scale: dtype.bytes) }
  /// The elements as fp32, in row-major order. Waits for the device.
  /// - Throws: `TorchError` (`operation`) if the computation or the copy fails.
  public func floats() throws(TorchError) -> [Float] {
    try (dtype == .float32 ? self : to(.float32)).elements(of: Float.self)
  }
  /// The elements as integers, in row-major order. Waits for the device.
  /// - Throws: `TorchError` (`operation`) if the computation or the copy fails.
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

  /// The element of a tensor that has one, whatever its shape. Waits for the device.
  /// - Throws: `TorchError` (`operation`) if the computation fails, or there are more elements.
  public func item() throws(TorchError) -> Double {
    var value = 0.0
    try engine.check("item", table.item(handle, &value))
    return value
  }

  /// Overwrites the tensor in place with bytes of its own type, in row-major order.
  /// - Throws: `TorchError` (`operation`) if the number of bytes is not the tensor's.
  public func write(_ bytes: UnsafeRawBufferPointer) throws(TorchError) {
    try engine.check("write_host", table.write_host(handle, bytes.baseAddress, bytes.count))
  }

  /// A copy of another type or on another device; the tensor itself if it is that already.
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func to(_ dtype: DType, device: Device = .cpu) throws(TorchError) -> Tensor {
    try engine.make("to") { table.to(handle, dtype.rawValue, device.value, $0) }
  }

  // MARK: Gradients

  /// Makes the tensor one that `backward` computes a gradient of.
  /// - Throws: `TorchError` (`operation`) for integers.
  public func requireGradient(_ required: Bool = true) throws(TorchError) {
    try engine.check("require_gradient", table.require_gradient(handle, required))
  }

  /// What `backward` has summed up for this tensor, of the same shape; nil: nothing yet.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses.
  public func gradient() throws(TorchError) -> Tensor? {
    var out: OpaquePointer?
    try engine.check("gradient", table.gradient(handle, &out))
    return out.map { Tensor(engine, $0) }
  }

  /// Frees the gradient.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses.
  public func clearGradient() throws(TorchError) { try engine.check("clear_gradient", table.clear_gradient(handle)) }
  /// Adds the gradients of this one number to those of all tensors that it depends on.
  /// - Throws: `TorchError` (`operation`) if the tensor has several elements or depends on no gradient, or memory runs
  ///   out.
  public func backward() throws(TorchError) { try engine.check("backward", table.backward(handle)) }
  /// The same values without the record of how they were computed.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses.
  public func detached() throws(TorchError) -> Tensor { try engine.make("detach") { table.detach(handle, $0) } }

  // MARK: Shapes and rows

  /// The same elements in another shape; without arguments as a single number.
  /// - Throws: `TorchError` (`operation`) if the elements do not fill it.
  public func reshape(_ shape: Int...) throws(TorchError) -> Tensor {
    let sizes = shape.map(Int64.init)
    return try engine.make("reshape") { table.reshape(handle, sizes, sizes.count, $0) }
  }
  /// Repeats dimensions of size 1, without copying.
  /// - Throws: `TorchError` (`operation`) if other dimensions differ.
  public func expand(_ shape: Int...) throws(TorchError) -> Tensor {
    let sizes = shape.map(Int64.init)
    return try engine.make("expand") { table.expand(handle, sizes, sizes.count, $0) }
  }
  /// `count` elements of one dimension, from number `start` on, without copying.
  /// - Throws: `TorchError` (`operation`) if the range is not within the dimension.
  public func narrow(_ dimension: Int, from start: Int, count: Int) throws(TorchError) -> Tensor {
    try engine.make("narrow") { table.narrow(handle, Int32(dimension), Int64(start), Int64(count), $0) }
  }
  /// Rows by number: [n, d], numbers [m] → [m, d].
  /// - Throws: `TorchError` (`operation`) if there is no row of a number.
  public func rows(_ numbers: Tensor) throws(TorchError) -> Tensor {
    try engine.make("select_rows") { table.select_rows(handle, numbers.handle, $0) }
  }
  /// Puts rows at their numbers among `total`, with zeros elsewhere: [m, d], numbers [m] → [total, d].
  /// - Throws: `TorchError` (`operation`) if a number is not below `total`.
  public func scattered(to numbers: Tensor, of total: Int) throws(TorchError) -> Tensor {
    try engine.make("scatter_rows") { table.scatter_rows(handle, numbers.handle, Int64(total), $0) }
  }

  // MARK: Arithmetic

  /// x + `scale` · `other`, broadcast.
  /// - Throws: `TorchError` (`operation`) if the shapes cannot be broadcast.
  public func plus(_ other: Tensor, scale: Double = 1) throws(TorchError) -> Tensor {
    try engine.make("add") { table.add(handle, other.handle, scale, $0) }
  }
  /// x · `other`, element by element, broadcast.
  /// - Throws: `TorchError` (`operation`) if the shapes cannot be broadcast.
  public func times(_ other: Tensor) throws(TorchError) -> Tensor {
    try engine.make("multiply") { table.multiply(handle, other.handle, $0) }
  }
  /// x / `other`, element by element, broadcast.
  /// - Throws: `TorchError` (`operation`) if the shapes cannot be broadcast.
  public func divided(by other: Tensor) throws(TorchError) -> Tensor {
    try engine.make("divide") { table.divide(handle, other.handle, $0) }
  }
  /// `scale` · x + `shift`.
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  public func scaled(_ scale: Double, plus shift: Double = 0) throws(TorchError) -> Tensor {
    try engine.make("affine") { table.affine(handle, scale, shift, $0) }
  }

  /// - Throws: `TorchError` (`operation`) if memory runs out.
  public func tanh() throws(TorchError) -> Tensor { try unary(PT_TANH) }
  /// The exact GELU, not its approximation by tanh.
  /// - Throws: `TorchError` (`operation`) if memory runs out.
  public func gelu() throws(TorchError) -> Tensor { try unary(PT_GELU) }

  private func unary(_ function: pt_unary) throws(TorchError) -> Tensor {
    try engine.make("unary") { table.unary(handle, Int32(function.rawValue), $0) }
  }

  /// The sum over one dimension, or over all.
  /// - Parameter keep: leaves the dimension with size 1.
  /// - Throws: `TorchError` (`operation`) if there is no such dimension.
  public func sum(_ dimension: Int? = nil, keep: Bool = false) throws(TorchError) -> Tensor {
    try engine.make("sum") { table.sum(handle, dimension.map(Int32.init) ?? .min, keep, $0) }
  }
  /// The mean over one dimension, or over all.
  /// - Parameter keep: leaves the dimension with size 1.
  /// - Throws: `TorchError` (`operation`) if there is no such dimension.
  public func mean(_ dimension: Int? = nil, keep: Bool = false) throws(TorchError) -> Tensor {
    try engine.make("mean") { table.mean(handle, dimension.map(Int32.init) ?? .min, keep, $0) }
  }
  /// The Euclidean norm over one dimension, or over all.
  /// - Parameter keep: leaves the dimension with size 1.
  /// - Throws: `TorchError` (`operation`) if there is no such dimension.
  public func norm(_ dimension: Int? = nil, keep: Bool = false) throws(TorchError) -> Tensor {
    try engine.make("norm") { table.norm(handle, dimension.map(Int32.init) ?? .min, keep, $0) }
  }
  /// The number of the largest element along a dimension, as integers.
  /// - Throws: `TorchError` (`operation`) if there is no such dimension.
  public func argmax(_ dimension: Int) throws(TorchError) -> Tensor {
    try engine.make("argmax") { table.argmax(handle, Int32(dimension), $0) }
  }
}

extension Engine {
  /// A tensor of host values in row-major order, which are copied. The bytes must fill the shape.
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func tensor(
    _ bytes: UnsafeRawBufferPointer, _ dtype: DType, shape: [Int], on device: Device = .cpu
  ) throws(TorchError) -> Tensor {
    precondition(bytes.count == shape.reduce(dtype.bytes, *), "the bytes do not fill the shape")
    let sizes = shape.map(Int64.init)
    return try make("from_host") {
      table.pointee.from_host(bytes.baseAddress, dtype.rawValue, sizes, sizes.count, device.value, $0)
    }
  }

  /// A tensor of host values, which are copied. They must fill the shape; nil: [number of values].
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func tensor(_ values: [Int64], on device: Device = .cpu, shape: [Int]? = nil) throws(TorchError) -> Tensor {
    try of(values, .int64, shape, device)
  }
  /// A tensor of host values, which are copied. They must fill the shape; nil: [number of values].
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func tensor(_ values: [Int32], on device: Device = .cpu, shape: [Int]? = nil) throws(TorchError) -> Tensor {
    try of(values, .int32, shape, device)
  }
  /// A tensor of host values, which are copied. They must fill the shape; nil: [number of values].
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func tensor(_ values: [Float], on device: Device = .cpu, shape: [Int]? = nil) throws(TorchError) -> Tensor {
    try of(values, .float32, shape, device)
  }

  private func of<E>(_ values: [E], _ dtype: DType, _ shape: [Int]?, _ device: Device) throws(TorchError) -> Tensor {
    let result = values.withUnsafeBytes { bytes in
      Result { () throws(TorchError) in try tensor(bytes, dtype, shape: shape ?? [values.count], on: device) }
    }
    return try result.get()
  }

  /// A tensor with the same value everywhere; of shape [] a single number.
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func full(_ value: Double, _ dtype: DType = .float32, shape: [Int], on device: Device = .cpu)
    throws(TorchError) -> Tensor
  {
    let sizes = shape.map(Int64.init)
    return try make("full") { table.pointee.full(value, dtype.rawValue, sizes, sizes.count, device.value, $0) }
  }

  /// Normally distributed numbers of mean 0, in fp32: the same for a seed on every device.
  /// - Throws: `TorchError` (`operation`) if there is no such device, or no memory on it.
  public func normal(deviation: Double, shape: [Int], on device: Device = .cpu) throws(TorchError) -> Tensor {
    let sizes = shape.map(Int64.init)
    return try make("normal") {
      table.pointee.normal(0, deviation, DType.float32.rawValue, sizes, sizes.count, device.value, $0)
    }
  }
}

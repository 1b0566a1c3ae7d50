import CTorch
public import ShardKit

/// The training engine: libtorch behind a table of C functions, loaded when training first needs it.
///
/// `Scripts/engine` builds it against the machine's own torch. Data stages do not need it.
public final class Engine: Sendable {
  /// Written once by the loaded library, never changed.
  nonisolated(unsafe) let table: UnsafePointer<pt_engine>
  public let path: String

  public static let fileName = "libpipelinetorch.so"

  /// Loads the engine.
  /// - Parameter path: the library; nil: the first that `locate` finds.
  /// - Throws: `TorchError` (`engine`) if there is no library, or it does not load.
  public init(path: String? = nil) throws(TorchError) {
    guard let path = path ?? Self.locate() else {
      throw TorchError(
        .engine, "", "the training engine, \(Self.fileName), is not built here",
        hint: "Run '\(Self.script)' (it needs Python with torch 2.11 or newer), or name the file in PIPELINE_ENGINE.")
    }
    var problem = [CChar](repeating: 0, count: 2048)
    guard let table = pipeline_torch_open(path, &problem, problem.count) else {
      throw TorchError(
        .engine, path, "the training engine does not load: \(Self.text(problem))",
        hint: "Build it again with '\(Self.script)', against the torch that is installed now.")
    }
    self.table = table
    self.path = path
  }

  /// The script that builds the engine: the installed one, if the program was installed from a release.
  public static let script = InstalledFiles.path("Scripts/engine") ?? "Scripts/engine"

  /// The library's path, as `OptionalLibrary.locate` finds it.
  public static func locate() -> String? { place.locate() }

  static let place = OptionalLibrary(fileName: fileName, variable: "PIPELINE_ENGINE", folder: "engine")

  static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
  }

  // MARK: What it is and runs on

  /// torch's version, such as `2.13.0+cpu`.
  public var version: String { String(cString: table.pointee.version()!) }
  public var deviceCount: Int { Int(table.pointee.device_count()) }

  /// The name of a GPU, such as "NVIDIA H100 80GB HBM3".
  /// - Throws: `TorchError` (`operation`) if there is no such GPU.
  public func name(of device: Device) throws(TorchError) -> String {
    var name = [CChar](repeating: 0, count: 256)
    try check("device_name", table.pointee.device_name(device.value, &name, name.count))
    return Self.text(name)
  }

  /// The number of CPU threads of each operation.
  /// - Throws: `TorchError` (`operation`) if libtorch refuses the number.
  public func setThreads(_ count: Int) throws(TorchError) {
    try check("set_threads", table.pointee.set_threads(Int32(count)))
  }

  /// Seeds every generator, so that a step's random numbers follow from its own number alone.
  /// - Throws: `TorchError` (`operation`) if the device reports an earlier error.
  public func seed(_ value: UInt64) throws(TorchError) { try check("seed", table.pointee.seed(value)) }

  /// Waits until the device has computed everything it was given.
  /// - Throws: `TorchError` (`operation`) if any of it failed.
  public func synchronize(_ device: Device) throws(TorchError) {
    try check("synchronize", table.pointee.synchronize(device.value))
  }

  /// The most bytes that tensors have occupied on a GPU; on the CPU the most that the process has occupied.
  /// - Throws: `TorchError` (`operation`) if there is no such device.
  public func peakMemoryBytes(_ device: Device) throws(TorchError) -> Int {
    var bytes: Int64 = 0
    try check("peak_memory", table.pointee.peak_memory(device.value, &bytes))
    return Int(bytes)
  }

  /// Runs `body` on the calling thread without recording what gradients need.
  /// - Throws: what `body` throws.
  public func withoutGradient<R>(_ body: () throws(TorchError) -> R) throws(TorchError) -> R {
    try check("set_gradient", table.pointee.set_gradient(false))
    defer { _ = table.pointee.set_gradient(true) }
    return try body()
  }

  // MARK: The boundary

  func check(_ operation: StaticString, _ status: Int32) throws(TorchError) {
    guard status != 0 else { return }
    let message = String(cString: table.pointee.last_error()!)
    // The first paragraph is the message; torch's own stack frames follow.
    let first = message.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? message
    throw TorchError(.operation, "\(operation)", first)
  }

  /// Calls an operation that returns one tensor.
  func make(
    _ operation: StaticString, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32
  ) throws(TorchError) -> Tensor {
    var handle: OpaquePointer?
    try check(operation, body(&handle))
    return Tensor(self, handle!)
  }
}

/// A device that stores tensors.
public struct Device: Equatable, Sendable, CustomStringConvertible {
  /// −1 for the CPU, else the number of a GPU.
  public var index: Int32

  public static let cpu = Device(index: -1)
  public static func cuda(_ index: Int) -> Device { Device(index: Int32(index)) }

  public var isCPU: Bool { index < 0 }
  public var description: String { isCPU ? "cpu" : "cuda:\(index)" }
  var value: pt_device { pt_device(index: index) }
}

/// The type of a tensor's elements. Raw values are the engine's.
public enum DType: Int32, Sendable {
  case float32 = 0, bfloat16, int64, int32, bool, float64, uint8

  public var bytes: Int {
    switch self {
    case .float32, .int32: 4
    case .bfloat16: 2
    case .int64, .float64: 8
    case .bool, .uint8: 1
    }
  }
}

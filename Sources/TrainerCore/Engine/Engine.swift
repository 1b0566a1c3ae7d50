import CTorch
import Glibc
public import ShardKit

/// The training engine: libtorch behind a table of C functions, loaded when training is first asked for.
///
/// `Scripts/engine` builds it against the machine's own torch. Data work needs none of it.
public final class Engine: Sendable {
  /// Written once by the loaded library, never changed.
  nonisolated(unsafe) let table: UnsafePointer<pt_engine>
  public let path: String

  public static let fileName = "libpipelinetorch.so"

  /// - Parameter path: the library; nil to look for it (see `locate`).
  public init(path: String? = nil) throws(TorchError) {
    guard let path = path ?? Self.locate() else {
      throw TorchError(
        .engine, "", "the training engine, \(Self.fileName), is not built here",
        hint: "Run 'Scripts/engine' (it needs Python with torch 2.11 or newer), or name the file in PIPELINE_ENGINE.")
    }
    var problem = [CChar](repeating: 0, count: 2048)
    guard let table = pipeline_torch_open(path, &problem, problem.count) else {
      throw TorchError(
        .engine, path, "the training engine does not load: \(Self.text(problem))",
        hint: "Build it again with 'Scripts/engine', against the torch that is installed now.")
    }
    self.table = table
    self.path = path
  }

  /// The library's path: `PIPELINE_ENGINE`, else beside the program, or where `Scripts/engine` puts it: in
  /// `.build/engine` of the program's folder (as in a bundle), or in an `engine` folder above the program (as in `.build`).
  public static func locate() -> String? {
    if let named = getenv("PIPELINE_ENGINE") { return String(cString: named) }
    return programFolder().flatMap { folder in places(program: folder).first { FileSystem.exists($0) } }
  }

  /// Where the library may lie, for a program in this folder; the first that is there counts.
  static func places(program: String) -> [String] {
    var folder = program
    var places = ["\(folder)/\(fileName)", "\(folder)/lib/\(fileName)", "\(folder)/.build/engine/\(fileName)"]
    for _ in 0..<4 {
      places.append("\(folder)/engine/\(fileName)")
      guard let parent = ArchivePath.parent(of: folder), parent != "/" else { break }
      folder = parent
    }
    return places
  }

  private static func programFolder() -> String? {
    guard let resolved = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(resolved) }
    return ArchivePath.parent(of: String(cString: resolved))
  }

  static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: What it is and runs on

  /// torch's version, such as `2.13.0+cpu`.
  public var version: String { String(cString: table.pointee.version()!) }
  public var deviceCount: Int { Int(table.pointee.device_count()) }

  public func name(of device: Device) throws(TorchError) -> String {
    var name = [CChar](repeating: 0, count: 256)
    try check("device_name", table.pointee.device_name(device.value, &name, name.count))
    return Self.text(name)
  }

  public func setThreads(_ count: Int) throws(TorchError) {
    try check("set_threads", table.pointee.set_threads(Int32(count)))
  }

  /// Seeds every generator, so that a step's random numbers follow from its own number alone.
  public func seed(_ value: UInt64) throws(TorchError) { try check("seed", table.pointee.seed(value)) }

  public func synchronize(_ device: Device) throws(TorchError) {
    try check("synchronize", table.pointee.synchronize(device.value))
  }

  /// The most bytes that tensors have held on a GPU; on the CPU the most that the process has held.
  public func peakMemoryBytes(_ device: Device) throws(TorchError) -> Int {
    var bytes: Int64 = 0
    try check("peak_memory", table.pointee.peak_memory(device.value, &bytes))
    return Int(bytes)
  }

  /// Runs `body` without recording what gradients need. Of the calling thread.
  public func withoutGradient<R>(_ body: () throws(TorchError) -> R) throws(TorchError) -> R {
    try check("set_gradient", table.pointee.set_gradient(false))
    defer { _ = table.pointee.set_gradient(true) }
    return try body()
  }

  // MARK: The boundary

  func check(_ operation: StaticString, _ status: Int32) throws(TorchError) {
    guard status != 0 else { return }
    let message = String(cString: table.pointee.last_error()!)
    // The first paragraph is the sentence; what follows are frames of torch's own.
    let first = message.split(separator: "\n", maxSplits: 1).first.map(String.init) ?? message
    throw TorchError(.operation, "\(operation)", first)
  }

  /// Calls an operation that gives out one tensor.
  func make(
    _ operation: StaticString, _ body: (UnsafeMutablePointer<OpaquePointer?>) -> Int32
  ) throws(TorchError) -> Tensor {
    var handle: OpaquePointer?
    try check(operation, body(&handle))
    return Tensor(self, handle!)
  }
}

/// Where tensors lie.
public struct Device: Equatable, Sendable, CustomStringConvertible {
  /// −1 for the CPU, else the number of a GPU.
  public var index: Int32

  public static let cpu = Device(index: -1)
  public static func cuda(_ index: Int) -> Device { Device(index: Int32(index)) }

  public var isCPU: Bool { index < 0 }
  public var description: String { isCPU ? "cpu" : "cuda:\(index)" }
  var value: pt_device { pt_device(index: index) }
}

/// What a tensor's elements are. Raw values are the engine's.
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

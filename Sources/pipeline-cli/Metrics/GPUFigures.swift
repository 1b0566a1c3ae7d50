import Glibc
import ShardKit

/// Load, memory and temperature of this machine's GPUs, as `nvidia-smi` reports them.
struct GPUFigures: Equatable, Sendable {
  struct GPU: Equatable, Sendable {
    var index: Int
    var name: String
    /// 0 to 1; nil where the device does not report it, as for the others.
    var utilization: Double?
    var memoryUsedBytes: Double?
    var memoryBytes: Double?
    var celsius: Double?
    var watts: Double?
  }

  var gpus: [GPU] = []

  static let fields = [
    "index", "name", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw",
  ]

  /// Asks `nvidia-smi`, which takes tens of milliseconds and is killed after ten seconds.
  /// - Throws: `ShardError` if it cannot be run, fails, or does not end.
  static func measured(shouldStop: () -> Bool) throws(ShardError) -> GPUFigures {
    let command = ChildCommand(
      "nvidia-smi", ["--query-gpu=" + fields.joined(separator: ","), "--format=csv,noheader,nounits"],
      timeoutSeconds: 10)
    let result = try command.run(shouldStop: shouldStop)
    guard result.status == 0 else {
      let reason = String(decoding: (result.errors.isEmpty ? result.output : result.errors).prefix(200), as: UTF8.self)
      throw ShardError(.io, "nvidia-smi", "ended with code \(result.status): \(reason)")
    }
    return GPUFigures(String(decoding: result.output, as: UTF8.self))
  }

  /// Whether the program is in PATH.
  static var isAvailable: Bool {
    let path = getenv("PATH").map { String(cString: $0) } ?? ""
    return path.split(separator: ":").contains { access("\($0)/nvidia-smi", X_OK) == 0 }
  }

  /// Whether the driver shows a device; images of clusters have `nvidia-smi` on machines without GPUs too.
  static var hasDevice: Bool {
    ((try? FileSystem.list("/dev")) ?? []).contains { name in
      name == "dxg"
        || name.hasPrefix("nvidia") && name.utf8.dropFirst(6).first.map { (0x30...0x39).contains($0) } == true
    }
  }

  /// - Parameter text: lines such as `0, NVIDIA H200, 98, 52000, 143771, 42, 79.11`; `[N/A]` where a value is unknown.
  init(_ text: String) {
    for line in text.split(whereSeparator: \.isNewline).prefix(1024) {
      let words = line.split(separator: ",").map { $0.drop { $0 == " " } }
      guard words.count == Self.fields.count, let index = Int(words[0]) else { continue }
      func number(_ place: Int, _ unit: Double = 1) -> Double? { Double(words[place]).map { $0 * unit } }
      gpus.append(
        GPU(
          index: index, name: String(words[1]), utilization: number(2, 0.01), memoryUsedBytes: number(3, 1_048_576),
          memoryBytes: number(4, 1_048_576), celsius: number(5), watts: number(6)))
    }
  }

  init() {}

  var families: [MetricFamily] {
    func family(_ name: String, _ help: String, _ value: (GPU) -> Double?) -> MetricFamily {
      let samples = gpus.compactMap { gpu in
        value(gpu).map { MetricFamily.Sample($0, [.init("gpu", "\(gpu.index)"), .init("name", gpu.name)]) }
      }
      return MetricFamily(name, help, .gauge, samples)
    }
    return [
      family("pipeline_gpu_utilization_ratio", "Time in which the GPU was busy: 0 to 1.") { $0.utilization },
      family("pipeline_gpu_memory_used_bytes", "Memory of the GPU in use.") { $0.memoryUsedBytes },
      family("pipeline_gpu_memory_size_bytes", "Memory of the GPU.") { $0.memoryBytes },
      family("pipeline_gpu_temperature_celsius", "Temperature of the GPU.") { $0.celsius },
      family("pipeline_gpu_power_watts", "Power that the GPU draws.") { $0.watts },
    ]
  }
}

import Glibc
import ShardKit
import Synchronization
import TrainerCore

extension ModelPretrain.Device {
  /// Whether this means a GPU on this machine; part of fingerprints. 'auto' means a GPU if the engine was built with
  /// CUDA and the system has a GPU. Determined without loading torch, because plans need it.
  var isGPU: Bool {
    switch self {
    case .auto: Self.hasGPU
    case .cpu: false
    case .cuda: true
    }
  }

  /// The number of GPUs that this process may use, by what the system shows; 0 on a machine without, such as one that only
  /// plans for others.
  static let visibleGPUs: Int = {
    if let visible = getenv("CUDA_VISIBLE_DEVICES") {
      return String(cString: visible).split(separator: ",").count { $0 != "-1" }
    }
    let numbered = ((try? FileSystem.list("/dev")) ?? []).filter { name in
      name.hasPrefix("nvidia") && name.utf8.count > 6
        && name.utf8.dropFirst(6).allSatisfy { (0x30...0x39).contains($0) }
    }
    // Under WSL the devices have no numbers.
    return numbered.isEmpty && FileSystem.exists("/dev/dxg") ? 1 : numbered.count
  }()

  /// The device's name in jobs.
  var jobName: String { isGPU ? "cuda" : "cpu" }

  private static let hasGPU: Bool = {
    if let visible = getenv("CUDA_VISIBLE_DEVICES"), ["", "-1"].contains(String(cString: visible)) { return false }
    let devices = (try? FileSystem.list("/dev")) ?? []
    let isShown = devices.contains { name in
      name == "dxg"
        || name.hasPrefix("nvidia") && name.utf8.dropFirst(6).first.map { (0x30...0x39).contains($0) } == true
    }
    return isShown && Engine.locate().map(usesCUDA) == true
  }()

  /// An engine built for GPUs links torch's CUDA library.
  private static func usesCUDA(_ path: String) -> Bool {
    guard let library = try? MappedFile(path) else { return false }
    let name = Array("libtorch_cuda.so".utf8)
    var rest = library.bytes[...]
    while let first = rest.firstIndex(of: name[0]) {
      guard rest.endIndex - first >= name.count else { return false }
      if rest[first..<first + name.count].elementsEqual(name) { return true }
      rest = rest[(first + 1)...]
    }
    return false
  }
}

extension ModelPretrain.Precision {
  /// The precision that 'auto' means on a device.
  func resolved(isGPU: Bool) -> Parameters.Precision {
    switch self {
    case .auto: isGPU ? .bfloat16 : .float32
    case .float32: .float32
    case .bfloat16: .bfloat16
    }
  }
}

/// The settings of a computation that determine its bytes, resolved for this machine: for `Stage.settled`.
enum ComputeSettings {
  static func settled(_ device: ModelPretrain.Device, _ precision: ModelPretrain.Precision) -> [String: JSONValue] {
    [
      "device": .string(device.jobName), "precision": .string(precision.resolved(isGPU: device.isGPU).rawValue),
    ]
  }
}

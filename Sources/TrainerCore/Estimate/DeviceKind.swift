/// A kind of device that models are trained on, with the figures that estimates are computed from.
///
/// Peaks and memory are those of the vendors' data sheets, dense and without sparsity. A kind's utilization is the
/// fraction of the peak that a model's matrix products reach over whole steps: measured with this program where `basis`
/// says so, otherwise assumed.
public struct DeviceKind: Equatable, Sendable {
  public enum Basis: String, Sendable { case measured, assumed }

  /// As written after `--device`.
  public let name: String
  public let title: String
  /// Operations per second in bfloat16; of a CPU, per processor in float32.
  public let bfloat16FLOPs: Double
  /// Operations per second in float32 without tensor cores.
  public let float32FLOPs: Double
  /// Bytes; 0 for the CPU, whose memory is the machine's.
  public let memoryBytes: Int
  /// 0…1.
  public let utilization: Double
  public let basis: Basis

  public var isCPU: Bool { name == "cpu" }

  /// Bytes per second at which processes of one machine sum their gradients, the copies into one message included.
  ///
  /// Measured: two H200 take 1,281k tokens/s with the batch of one (65,536 tokens each), 4.9 ms above half of its step,
  /// and 1,317k with twice the batch, 4.3 ms above it: 556 MB in 4.6 ms.
  static let bytesPerSecondWithinMachine = 120e9
  /// The same between machines. Assumed to be half: measure yours with `check.nccl`.
  public static let bytesPerSecondBetweenMachines = 60e9
  /// GPUs of a machine, as in p5.48xlarge and p4d.24xlarge.
  public static let perMachine = 8

  /// The kinds, the first one being the default.
  public static let all = [
    // NVIDIA H200 data sheet (SXM): 989 TFLOP/s bfloat16, 67 float32, 141 GB. Utilization: the middle of MosaicBERT-Base
    // through `pipeline run`, 128 tokens, at 587k, 600k, 626k, 630k, 631k and 673k places per second.
    DeviceKind(
      name: "h200", title: "NVIDIA H200 SXM", bfloat16FLOPs: 989e12, float32FLOPs: 67e12, memoryBytes: 141_000_000_000,
      utilization: 0.48, basis: .measured),
    // NVIDIA H100 data sheet (SXM): 989 TFLOP/s bfloat16, 67 float32, 80 GB. Utilization: MosaicBERT-Base through
    // `pipeline run`, 128 tokens × 256, at 469k tokens/s.
    DeviceKind(
      name: "h100", title: "NVIDIA H100 SXM", bfloat16FLOPs: 989e12, float32FLOPs: 67e12, memoryBytes: 80_000_000_000,
      utilization: 0.36, basis: .measured),
    // NVIDIA A100 data sheet (SXM, 80 GB): 312 TFLOP/s bfloat16, 19.5 float32. Utilization not measured: between H100 and
    // H200, since it has more memory bandwidth per operation than either (2.0 TB/s).
    DeviceKind(
      name: "a100", title: "NVIDIA A100 SXM 80 GB", bfloat16FLOPs: 312e12, float32FLOPs: 19.5e12,
      memoryBytes: 80_000_000_000, utilization: 0.42, basis: .assumed),
    // The same with 40 GB, as in p4d.24xlarge.
    DeviceKind(
      name: "a100-40gb", title: "NVIDIA A100 SXM 40 GB", bfloat16FLOPs: 312e12, float32FLOPs: 19.5e12,
      memoryBytes: 40_000_000_000, utilization: 0.42, basis: .assumed),
    // NVIDIA DGX B200 data sheet, an eighth of it: 2.25 PFLOP/s bfloat16 dense, 75 TFLOP/s float32, 180 GB. Utilization
    // not measured: the lowest one that was.
    DeviceKind(
      name: "b200", title: "NVIDIA B200", bfloat16FLOPs: 2250e12, float32FLOPs: 75e12, memoryBytes: 180_000_000_000,
      utilization: 0.36, basis: .assumed),
    // NVIDIA L40S data sheet: 362 TFLOP/s bfloat16 dense, 91.6 float32, 48 GB. Utilization not measured: the lowest one
    // that was.
    DeviceKind(
      name: "l40s", title: "NVIDIA L40S", bfloat16FLOPs: 362e12, float32FLOPs: 91.6e12, memoryBytes: 48_000_000_000,
      utilization: 0.36, basis: .assumed),
    // A processor of a server with AVX-512. Measured: two of them trained two layers of width 128 (2.6 M parameters, 7.3
    // MFLOPs per token) at 22k tokens/s, which is 80 GFLOP/s each.
    DeviceKind(
      name: "cpu", title: "one processor", bfloat16FLOPs: 80e9, float32FLOPs: 80e9, memoryBytes: 0, utilization: 1,
      basis: .measured),
  ]

  public static let cpu = all[all.count - 1]

  /// The kind with this name; nil if there is none.
  public static func named(_ name: String) -> DeviceKind? { all.first { $0.name == name } }

  /// The kind of a device by the name that its driver tells; nil for kinds that are not listed.
  ///
  /// PCI Express cards are slower than the modules of the same name, so they are not listed.
  public static func ofDevice(_ deviceName: String) -> DeviceKind? {
    let isCard = deviceName.contains("PCIe") || deviceName.contains("NVL")
    if deviceName.contains("H200") { return isCard ? nil : named("h200") }
    if deviceName.contains("H100") { return isCard ? nil : named("h100") }
    return deviceName.contains("A100") ? named("a100") : nil
  }
}

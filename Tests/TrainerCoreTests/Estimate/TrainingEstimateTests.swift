import ShardKit
import Testing

@testable import TrainerCore

/// Estimates beside measurements of this program: MosaicBERT in bf16, 30 % of tokens masked.
///
/// "operations" are those of a step alone (`Benchmarks/gpu/mosaicbert.py`), without data and checkpoints. The constants
/// come from the rows "pipeline run"; the rows "not used for the constants" were measured after them.
@Suite struct TrainingEstimateTests {
  enum Size: String, Sendable {
    /// 12 layers of 768; 6 of 512; 24 of 1,024.
    case base, small, large

    var shape: ModelShape {
      var shape = ModelShape()
      switch self {
      case .base: break
      case .small: (shape.layers, shape.hiddenSize, shape.heads, shape.intermediateSize) = (6, 512, 8, 2048)
      case .large: (shape.layers, shape.hiddenSize, shape.heads, shape.intermediateSize) = (24, 1024, 16, 4096)
      }
      if self == .small { shape.vocabularySize = 16_384 }
      return shape
    }
  }

  private static func work(_ size: Size, _ length: Int, _ samples: Int, devices: Int = 1) -> TrainingWork {
    var work = TrainingWork()
    work.shape = size.shape
    work.sequenceLength = length
    work.batchSize = samples
    work.microbatchSize = samples / devices
    return work
  }

  struct Speed: CustomTestStringConvertible {
    var what: String
    var size = Size.base
    var device = "h200"
    var devices = 1
    var length: Int
    var samples: Int
    /// Places per second in thousands: tokens per second, divided by the filled fraction of the samples.
    var measured: Double

    var testDescription: String { "\(what): \(size), \(devices) × \(device), \(length) × \(samples): \(measured)k" }
  }

  private static let unused = "operations, not used for the constants"

  static let speeds = [
    Speed(what: "pipeline run, full samples", length: 128, samples: 1024, measured: 631),
    Speed(what: "pipeline run, full samples, again", length: 128, samples: 1024, measured: 673),
    Speed(what: "pipeline run, samples 94 % full, 552k", length: 128, samples: 1024, measured: 587),
    Speed(what: "pipeline run, samples 94 % full, 564k", length: 128, samples: 1024, measured: 600),
    Speed(what: "pipeline run, samples 94 % full, 590k", length: 128, samples: 1024, measured: 628),
    Speed(what: "operations, first run", length: 128, samples: 1024, measured: 668),
    Speed(what: "operations, README", length: 128, samples: 1024, measured: 684),
    Speed(what: "pipeline run", length: 512, samples: 256, measured: 579),
    Speed(what: "operations, README", length: 512, samples: 256, measured: 598),
    Speed(what: "pipeline run over NCCL, the same batch", devices: 2, length: 128, samples: 1024, measured: 1281),
    Speed(what: "pipeline run over NCCL, twice the batch", devices: 2, length: 128, samples: 2048, measured: 1317),
    Speed(what: "pipeline run over NCCL, scaling", devices: 2, length: 128, samples: 2048, measured: 1304),
    Speed(what: "pipeline run over NCCL, scaling", devices: 2, length: 512, samples: 512, measured: 1129),
    Speed(what: "pipeline run over NCCL, scaling", devices: 2, length: 128, samples: 256, measured: 1138),
    Speed(what: "pipeline run", device: "h100", length: 128, samples: 256, measured: 469),
    Speed(what: unused, length: 128, samples: 1024, measured: 679),
    Speed(what: unused, length: 128, samples: 256, measured: 646),
    Speed(what: unused, length: 512, samples: 256, measured: 579),
    Speed(what: unused, length: 512, samples: 64, measured: 560),
    Speed(what: unused, length: 1024, samples: 128, measured: 500),
    Speed(what: unused, length: 2048, samples: 64, measured: 388),
    Speed(what: unused, size: .large, length: 128, samples: 512, measured: 207),
    Speed(what: unused, size: .large, length: 512, samples: 128, measured: 182),
    Speed(what: unused, size: .small, length: 128, samples: 1024, measured: 2615),
    Speed(what: unused, size: .small, length: 256, samples: 512, measured: 2352),
  ]

  @Test(arguments: speeds) func theSpeedIsWithinAFifthOfWhatWasMeasured(_ speed: Speed) throws {
    let kind = try #require(DeviceKind.named(speed.device))
    let work = Self.work(speed.size, speed.length, speed.samples, devices: speed.devices)
    let estimate = TrainingEstimate(work, on: kind, devices: speed.devices)
    let deviation = estimate.tokensPerSecond / (speed.measured * 1000) - 1
    #expect(abs(deviation) < 0.2, "\(fixed(estimate.tokensPerSecond / 1000, 0))k, \(fixed(deviation * 100, 1)) %")
  }

  /// Two layers of width 128, 2.6 M parameters, on two processors: 22k tokens/s.
  @Test func theSpeedOnACPUIsWithinAFifthOfWhatWasMeasured() {
    var work = TrainingWork()
    (work.shape.layers, work.shape.hiddenSize, work.shape.heads, work.shape.intermediateSize) = (2, 128, 4, 384)
    work.shape.vocabularySize = 16_384
    work.precision = .float32
    #expect(abs(Double(work.shape.parameterCount) / 2.6e6 - 1) < 0.03)
    let speed = TrainingEstimate(work, on: .cpu, devices: 2).tokensPerSecond
    #expect(abs(speed / 22_000 - 1) < 0.2, "\(speed)")
  }

  struct Memory: CustomTestStringConvertible {
    var what: String
    var size = Size.base
    var length = 128
    var samples: Int
    /// The allocator's peak in bytes.
    var measured: Double

    init(what: String, size: Size = .base, length: Int = 128, samples: Int, gibibytes: Double) {
      (self.what, self.size, self.length, self.samples) = (what, size, length, samples)
      measured = gibibytes * 1_073_741_824
    }

    var testDescription: String { "\(what): \(size), \(length) × \(samples): \(fixed(measured / 1e9, 1)) GB" }
  }

  @Test(arguments: [
    Memory(what: "pipeline run, H200", samples: 1024, gibibytes: 57.7),
    Memory(what: "pipeline run, H100, 17.2 GB", samples: 256, gibibytes: 16.0),
    Memory(what: "operations", samples: 1024, gibibytes: 50.6),
    Memory(what: unused, samples: 256, gibibytes: 14.5),
    Memory(what: unused, length: 512, samples: 256, gibibytes: 50.9),
    Memory(what: unused, length: 2048, samples: 64, gibibytes: 51.0),
    Memory(what: unused, size: .large, samples: 512, gibibytes: 68.8),
    Memory(what: unused, size: .small, samples: 1024, gibibytes: 17.0),
  ]) func theMemoryIsWithinAFifthOfWhatWasMeasured(_ memory: Memory) {
    let work = Self.work(memory.size, memory.length, memory.samples)
    let estimate = TrainingMemory(work, microbatchSize: memory.samples)
    let deviation = Double(estimate.total) / memory.measured - 1
    #expect(abs(deviation) < 0.2, "\(fixed(Double(estimate.total) / 1e9, 1)) GB, \(fixed(deviation * 100, 1)) %")
  }
}

/// What follows from the sizes alone.
@Suite struct TrainingEstimateRulesTests {
  private let kind = DeviceKind.all[0]

  @Test func sizesAreThoseOfTheShape() {
    let work = TrainingWork()
    #expect(work.shape.parameterCount == 139_122_944)
    #expect(work.flops.total == work.shape.trainingFLOPsPerToken(sequenceLength: 128, maskFraction: 0.3))
    #expect(abs(work.flops.total - 740e6) < 1e6)
    #expect(work.checkpointBytes == 139_122_944 * 12)
    #expect(work.tokens == 1000 * 2048 * 128)
  }

  @Test func moreDevicesTakeLessTimeButMoreDeviceHours() {
    let work = TrainingWork()
    let one = TrainingEstimate(work, on: kind, devices: 1), eight = TrainingEstimate(work, on: kind, devices: 8)
    let sixteen = TrainingEstimate(work, on: kind, devices: 16)
    #expect(eight.seconds < one.seconds && eight.deviceHours > one.deviceHours)
    #expect(sixteen.seconds < eight.seconds && sixteen.deviceHours > eight.deviceHours)
    #expect(one.modelFLOPsUtilization > eight.modelFLOPsUtilization)
    #expect(one.totalFLOPs == eight.totalFLOPs)
  }

  @Test func recomputingTradesTimeForMemory() {
    var work = TrainingWork()
    let plain = TrainingEstimate(work, on: kind, devices: 1)
    work.recomputeActivations = true
    let again = TrainingEstimate(work, on: kind, devices: 1)
    #expect(abs(again.seconds / plain.seconds - 4.0 / 3) < 1e-9)
    #expect(again.memory.activations * 2 < plain.memory.activations)
    #expect(again.memory.weights == plain.memory.weights)
  }

  @Test func whatDoesNotFitIsSaid() {
    var work = TrainingWork()
    work.microbatchSize = 2048
    #expect(TrainingEstimate(work, on: DeviceKind.named("a100-40gb")!, devices: 1).fits == false)
    work.microbatchSize = 256
    #expect(TrainingEstimate(work, on: DeviceKind.named("a100-40gb")!, devices: 1).fits)
    // A batch of 2,048 on 16 devices is at most 128 at once.
    work.microbatchSize = 2048
    let many = TrainingEstimate(work, on: DeviceKind.named("a100-40gb")!, devices: 16)
    #expect(many.memory == TrainingMemory(work, microbatchSize: 128))
  }

  @Test func float32TakesTheSlowerUnits() {
    var work = TrainingWork()
    work.precision = .float32
    let estimate = TrainingEstimate(work, on: kind, devices: 1)
    #expect(estimate.memory.weights == 139_122_944 * 4 && estimate.memory.gradients == 139_122_944 * 4)
    #expect(estimate.tokensPerSecond < TrainingEstimate(TrainingWork(), on: kind, devices: 1).tokensPerSecond / 10)
  }

  @Test func theProcessorsOfACPUAreThreadsOfOneProcess() {
    var work = TrainingWork()
    work.precision = .float32
    let one = TrainingEstimate(work, on: .cpu, devices: 1), four = TrainingEstimate(work, on: .cpu, devices: 4)
    #expect(abs(one.seconds / four.seconds - 4) < 1e-9)
    #expect(one.memory == four.memory && four.fits)
  }

  @Test func kindsHaveTheirOwnNames() {
    #expect(Set(DeviceKind.all.map(\.name)).count == DeviceKind.all.count)
    #expect(DeviceKind.named("tpu") == nil)
    for kind in DeviceKind.all { #expect(kind.utilization > 0 && kind.utilization <= 1 && kind.bfloat16FLOPs > 0) }
  }

  /// Local layers see 129 tokens: of ModernBERT's 22 layers, 8 see all.
  @Test func localLayersCostTheirWindow() {
    var shape = ModelShape(.modernBERT)
    (shape.layers, shape.intermediateSize) = (22, 1152)
    let long = TrainingFLOPs(shape, sequenceLength: 8192, maskFraction: 0.3)
    #expect(long.attention == 12 * 768 * Double(8 * 8192 + 14 * 129))
    let short = TrainingFLOPs(shape, sequenceLength: 100, maskFraction: 0.3)
    #expect(short.attention == 12 * 768 * 22 * 100 && short.matrices == long.matrices)
    let layer = 4 * 768 * 768 + 3 * 768 * 1152
    #expect(short.matrices == 6 * Double(22 * layer) + 1.8 * Double(768 * 768 + 768 * 32_768))
  }
}

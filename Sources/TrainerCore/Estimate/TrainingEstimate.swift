import ShardKit

/// What a training is to do, as far as its cost depends on it.
public struct TrainingWork: Equatable, Sendable {
  public var shape = ModelShape()
  /// Tokens of a sample.
  public var sequenceLength = 128
  /// Samples of an optimizer step, over all devices.
  public var batchSize = 2048
  /// Samples that go through the model at once on a device, at most.
  public var microbatchSize = 128
  /// Optimizer steps to take.
  public var steps = 1000
  /// The fraction of tokens that are masked: 0…1.
  public var maskFraction = 0.3
  public var precision = Parameters.Precision.bfloat16
  public var recomputeActivations = false
  /// Checkpoints that are kept while training.
  public var keptCheckpoints = 3
  /// Checkpoints that are published when training ends.
  public var publishedCheckpoints = 1
  /// Samples that the steps of a growing batch have fewer than full ones, all together.
  public var samplesLeftOut = 0
  /// How often the loss on held-out tokens is measured.
  public var validations = 0
  /// Samples of each of these measurements.
  public var validationSamples = 0
  /// The fraction of held-out tokens that are masked: 0…1.
  public var validationMaskFraction = 0.15

  public init() {}

  /// Places of all steps; the tokens of a training whose samples are full.
  public var tokens: Double {
    (Double(steps) * Double(batchSize) - Double(samplesLeftOut)) * Double(sequenceLength)
  }

  /// Places of all measurements on held-out tokens.
  public var validationTokens: Double {
    Double(validations) * Double(validationSamples) * Double(sequenceLength)
  }

  public var flops: TrainingFLOPs {
    TrainingFLOPs(shape, sequenceLength: sequenceLength, maskFraction: maskFraction)
  }

  /// Weights and both moments in fp32.
  public var checkpointBytes: Int { shape.parameterCount * 12 }
}

/// The time, memory and storage of a training on some devices, computed before it runs.
///
/// One model for all sizes: matrix products run at the device's peak times its utilization, attention's own operations
/// at 1/2.25 of that rate, recomputation adds a third, and the exchange of gradients counts in full, though a part
/// of it overlaps with the backward pass. Waiting for data is slower than this says; see `doubts` for what else may be.
public struct TrainingEstimate: Equatable, Sendable {
  public let work: TrainingWork
  public let device: DeviceKind
  /// Devices that train together; of the CPU, its processors.
  public let devices: Int

  /// Attention's scores and sums take this many times as long per operation as matrix products.
  ///
  /// Measured through `pipeline run` on one H200: 652k tokens/s at 128 tokens and 579k at 512, which differ only in
  /// attention's operations.
  static let attentionSlowdown = 2.25
  /// What an estimate rests on that was not measured with this program.
  public enum Doubt: String, Sendable {
    /// The kind of device.
    case utilization
    /// The exchange of gradients between machines.
    case network
    /// Steps that give a device less than `measuredPlaces`, which are slower than the estimate says.
    case smallSteps
  }

  /// Places per device and step from which trainings were measured.
  public static let measuredPlaces = 32_768

  public var doubts: [Doubt] {
    var doubts: [Doubt] = device.basis == .assumed ? [.utilization] : []
    if processes > DeviceKind.perMachine { doubts.append(.network) }
    if !device.isCPU, placesPerDevice < Self.measuredPlaces { doubts.append(.smallSteps) }
    return doubts
  }

  public var placesPerDevice: Int { work.batchSize * work.sequenceLength / processes }

  /// Recomputing the forward pass adds a third to the operations.
  static let recomputation = 4.0 / 3

  public init(_ work: TrainingWork, on device: DeviceKind, devices: Int) {
    self.work = work
    self.device = device
    self.devices = max(1, devices)
  }

  /// Training processes, one per GPU; the CPU's processors are threads of one.
  private var processes: Int { device.isCPU ? 1 : devices }

  private var peak: Double {
    let perDevice = work.precision == .bfloat16 ? device.bfloat16FLOPs : device.float32FLOPs
    return perDevice * Double(devices)
  }

  /// Seconds of a step without the exchange of gradients.
  private var computingSeconds: Double {
    let flops = work.flops
    let weighted = flops.matrices + Self.attentionSlowdown * flops.attention
    // A batch that does not divide by the processes waits for the one with the most samples.
    let samples = (work.batchSize + processes - 1) / processes * processes
    let tokens = Double(samples * work.sequenceLength)
    let again = work.recomputeActivations ? Self.recomputation : 1
    return tokens * weighted * again / (peak * device.utilization)
  }

  private var exchangeSeconds: Double {
    guard processes > 1 else { return 0 }
    let share = 2 * Double(processes - 1) / Double(processes)
    let rate =
      processes > DeviceKind.perMachine
      ? DeviceKind.bytesPerSecondBetweenMachines : DeviceKind.bytesPerSecondWithinMachine
    return share * Double(work.shape.parameterCount * 4) / rate
  }

  public var secondsPerStep: Double { computingSeconds + exchangeSeconds }

  /// Of all steps and measurements on held-out tokens, without starting and waiting for data. The steps of a growing batch
  /// compute less, and exchange as much.
  public var seconds: Double {
    let leftOut = computingSeconds * Double(work.samplesLeftOut) / Double(max(1, work.batchSize))
    return secondsPerStep * Double(work.steps) - leftOut + validationSeconds
  }

  /// Of all measurements on held-out tokens: a forward pass is a third of a step's operations.
  public var validationSeconds: Double {
    let flops = TrainingFLOPs(
      work.shape, sequenceLength: work.sequenceLength, maskFraction: work.validationMaskFraction)
    let weighted = (flops.matrices + Self.attentionSlowdown * flops.attention) / 3
    return work.validationTokens * weighted / (peak * device.utilization)
  }

  public var deviceHours: Double { seconds / 3600 * Double(devices) }

  /// Of all devices, if samples are full.
  public var tokensPerSecond: Double { Double(work.batchSize * work.sequenceLength) / secondsPerStep }

  /// Of all steps: forward and backward, without recomputation.
  public var totalFLOPs: Double { work.tokens * work.flops.total }

  /// Model FLOPs utilization: 0…1.
  public var modelFLOPsUtilization: Double { tokensPerSecond * work.flops.total / peak }

  /// Per device.
  public var memory: TrainingMemory {
    TrainingMemory(work, microbatchSize: min(work.microbatchSize, (work.batchSize + processes - 1) / processes))
  }

  /// Whether a device has the memory; the driver takes about 1 GB of it.
  public var fits: Bool { device.isCPU || memory.total + 1_000_000_000 <= device.memoryBytes }

  /// Disk space while training, for checkpoints; one more is being written before the oldest is removed.
  public var trainingStorageBytes: Int { boundedCount(Double(work.keptCheckpoints + 1) * Double(work.checkpointBytes)) }

  /// Disk space of what is published: the model, and the checkpoints to resume from.
  public var publishedBytes: Int {
    work.shape.parameterCount * 4 + boundedCount(Double(work.publishedCheckpoints) * Double(work.checkpointBytes))
  }
}

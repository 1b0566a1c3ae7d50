import PipelineKit
import ShardKit
import Stages
import TrainerCore

/// An estimate as text.
struct EstimateDrawing {
  private let estimate: PipelineEstimate
  private let devices: EstimateDevices
  private let jobs: Int
  private let style: Style

  init(_ estimate: PipelineEstimate, _ devices: EstimateDevices, jobs: Int, _ style: Style) {
    self.estimate = estimate
    self.devices = devices
    self.jobs = jobs
    self.style = style
  }

  var lines: [String] {
    var lines: [String] = []
    for stage in estimate.stages {
      guard case .training(let training) = stage.figures else { continue }
      lines += self.lines(of: stage.name, training) + [""]
    }
    return lines + dataLines
  }

  // MARK: Trainings

  private func lines(of name: String, _ training: PretrainEstimate) -> [String] {
    let work = training.work
    let estimates = devices.estimates(of: training)
    var lines = [
      style.bold("\(name) (\(ModelPretrain.name))"),
      "  model        \(Quantities.count(work.shape.parameterCount)) parameters, "
        + "\(Self.scientific(work.flops.total)) FLOPs per token at \(work.sequenceLength) tokens",
      "  work         \(Quantities.count(work.steps)) steps of \(Quantities.count(work.batchSize)) samples: "
        + "\(Quantities.short(work.tokens)) tokens, \(Self.scientific(work.tokens * work.flops.total)) FLOPs",
    ]
    if let first = estimates.first { lines += storageLines(first) }
    lines += table(estimates).lines(style, indent: "  ")
    if estimates.contains(where: { $0.device.basis == .assumed }) {
      lines.append("  * utilization of this kind is assumed, not measured with this program")
    }
    for estimate in estimates where !estimate.fits {
      lines.append(
        "  does not fit \(estimate.device.title): lower microbatchSize, or set recomputeActivations")
    }
    return lines + training.remarks.map { "  assumed: \($0)" }
  }

  private func storageLines(_ estimate: TrainingEstimate) -> [String] {
    let memory = estimate.memory
    func gigabytes(_ bytes: Int) -> String { Quantities.bytes(Int64(bytes)) }
    return [
      "  memory       \(gigabytes(memory.total)) per device: weights \(gigabytes(memory.weights)), gradients "
        + "\(gigabytes(memory.gradients)), moments \(gigabytes(memory.moments)), activations "
        + "\(gigabytes(memory.activations)), margin \(gigabytes(memory.margin))",
      "  checkpoints  \(gigabytes(estimate.work.checkpointBytes)) each; at most "
        + "\(gigabytes(estimate.trainingStorageBytes)) while training, \(gigabytes(estimate.publishedBytes)) published",
    ]
  }

  private func table(_ estimates: [TrainingEstimate]) -> TextTable {
    var table = TextTable([
      ("device", .left), ("devices", .right), ("tokens/s", .right), ("MFU", .right), ("time", .right),
      ("device-hours", .right), ("cost", .right),
    ])
    for estimate in estimates {
      let mark = estimate.device.basis == .assumed ? "*" : ""
      table.add([
        estimate.device.name + mark, Quantities.count(estimate.devices), Quantities.short(estimate.tokensPerSecond),
        "\(fixed(estimate.modelFLOPsUtilization * 100, 0))%", Self.time(estimate.seconds),
        fixed(estimate.deviceHours, 1), devices.cost(of: estimate).map { "$" + fixed($0, 2) } ?? "",
      ])
    }
    return table
  }

  // MARK: Data

  private var dataLines: [String] {
    var table = TextTable([
      ("stage", .left), ("reads", .right), ("writes", .right), ("time", .right), ("", .left),
    ])
    var sum = 0.0
    for stage in estimate.stages {
      guard case .data(let data) = stage.figures else { continue }
      let seconds = data.seconds(jobs: jobs)
      sum += seconds ?? 0
      table.add([
        stage.name, data.inputBytes.map { Quantities.bytes($0) } ?? "",
        data.storedBytes.map { Quantities.bytes($0) } ?? "",
        data.basis == .finished ? "" : seconds.map(Self.time) ?? "", Self.basis(data.basis),
      ])
    }
    return table.lines(style) + [
      "Data stages together: \(Self.time(sum)) with \(Quantities.plural(jobs, "task")) at a time, unknown ones not counted."
    ]
  }

  private static func basis(_ basis: DataEstimate.Basis) -> String {
    switch basis {
    case .finished: "finished"
    case .history(let outputs): outputs == 1 ? "by its kind's last run" : "by its kind's last \(outputs) runs"
    case .stated: "by a stated rate: no stage of its kind has run here"
    case .unknown(let reason): "unknown: \(reason)"
    }
  }

  // MARK: Numbers

  /// `12.3 s`, `3m07s`, `2h05m`, `3.2 days`
  static func time(_ seconds: Double) -> String {
    guard seconds >= 172_800 else { return Quantities.duration(milliseconds: Int(seconds * 1000)) }
    return fixed(seconds / 86_400, 1) + " days"
  }

  /// `6.3e19`
  static func scientific(_ value: Double) -> String {
    guard value > 0, value.isFinite else { return "0" }
    var exponent = 0, mantissa = value
    while mantissa >= 10 {
      mantissa /= 10
      exponent += 1
    }
    return "\(fixed(mantissa, 1))e\(exponent)"
  }
}

/// An estimate as JSON, in bytes, seconds and US dollars.
struct EstimateJSON {
  private let estimate: PipelineEstimate
  private let devices: EstimateDevices
  private let jobs: Int

  init(_ estimate: PipelineEstimate, _ devices: EstimateDevices, jobs: Int) {
    self.estimate = estimate
    self.devices = devices
    self.jobs = jobs
  }

  var json: JSONValue {
    .list(
      estimate.stages.map { stage in
        let figures =
          switch stage.figures {
          case .training(let training): self.training(training)
          case .data(let data): self.data(data)
          }
        return .object([
          JSONMember("stage", .string(stage.name)), JSONMember("use", .string(stage.use)),
          JSONMember("verdict", .string(stage.verdict.name)), JSONMember(figures.name, figures.json),
        ])
      })
  }

  private func training(_ training: PretrainEstimate) -> (name: String, json: JSONValue) {
    let work = training.work
    return (
      "training",
      [
        "parameters": .integer(work.shape.parameterCount), "flopsPerToken": .number(work.flops.total),
        "steps": .integer(work.steps), "tokens": .number(work.tokens),
        "flops": .number(work.tokens * work.flops.total), "checkpointBytes": .integer(work.checkpointBytes),
        "remarks": .strings(training.remarks), "devices": .list(devices.estimates(of: training).map(json)),
      ]
    )
  }

  private func json(_ estimate: TrainingEstimate) -> JSONValue {
    let memory = estimate.memory
    return [
      "device": .string(estimate.device.name), "devices": .integer(estimate.devices),
      "basis": .string(estimate.device.basis.rawValue), "tokensPerSecond": .number(estimate.tokensPerSecond),
      "modelFLOPsUtilization": .number(estimate.modelFLOPsUtilization), "seconds": .number(estimate.seconds),
      "deviceHours": .number(estimate.deviceHours),
      "memory": [
        "weights": .integer(memory.weights), "gradients": .integer(memory.gradients),
        "moments": .integer(memory.moments), "activations": .integer(memory.activations),
        "margin": .integer(memory.margin), "total": .integer(memory.total),
      ],
      "fits": .bool(estimate.fits), "trainingStorageBytes": .integer(estimate.trainingStorageBytes),
      "publishedBytes": .integer(estimate.publishedBytes),
      "cost": devices.cost(of: estimate).map { .number($0) } ?? .null,
    ]
  }

  private func data(_ data: DataEstimate) -> (name: String, json: JSONValue) {
    let (basis, reason): (String, JSONValue) =
      switch data.basis {
      case .finished: ("finished", .null)
      case .history: ("history", .null)
      case .stated: ("stated", .null)
      case .unknown(let reason): ("unknown", .string(reason))
      }
    return (
      "data",
      [
        "basis": .string(basis), "reason": reason, "inputBytes": data.inputBytes.map { .integer(Int($0)) } ?? .null,
        "taskSeconds": data.taskSeconds.map { .number($0) } ?? .null,
        "seconds": data.seconds(jobs: jobs).map { .number($0) } ?? .null,
        "storedBytes": data.storedBytes.map { .integer(Int($0)) } ?? .null,
      ]
    )
  }
}

/// The lines of `pipeline plan` about stages that would run long.
enum LongStages {
  /// Seconds from which a stage is named.
  private static let long = 600.0

  static func lines(_ estimate: PipelineEstimate, jobs: Int) -> [String] {
    estimate.stages.compactMap { mayRun($0.verdict) ? line($0, jobs) : nil }
  }

  /// Whether a run would run the stage, as far as a plan can tell.
  static func mayRun(_ verdict: Verdict) -> Bool {
    switch verdict {
    case .run, .resume, .pending: true
    case .fresh, .unselected, .blocked, .impossible: false
    }
  }

  private static func line(_ stage: PipelineEstimate.Stage, _ jobs: Int) -> String? {
    switch stage.figures {
    case .training(let training):
      let kind = training.onlyDevice ?? DeviceKind.all[0]
      let estimate = training.on(kind, devices: kind.isCPU ? availableProcessors() : 1)
      guard estimate.seconds > long else { return nil }
      let place = kind.isCPU ? Quantities.plural(estimate.devices, "processor") : "\(estimate.devices) × \(kind.title)"
      return "\(stage.name): about \(EstimateDrawing.time(estimate.seconds)) on \(place); see `pipeline estimate`"
    case .data(let data):
      guard let seconds = data.seconds(jobs: jobs), seconds > long else { return nil }
      return "\(stage.name): about \(EstimateDrawing.time(seconds)) with \(Quantities.plural(jobs, "task")) at a time; "
        + "see `pipeline estimate`"
    }
  }
}

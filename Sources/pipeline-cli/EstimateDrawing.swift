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
    return lines + totalLines + dataLines
  }

  // MARK: Trainings

  private func lines(of name: String, _ training: PretrainEstimate) -> [String] {
    let work = training.work
    let estimates = devices.estimates(of: training)
    var lines = [
      style.bold("\(name) (\(ModelPretrain.name))"),
      "  model        \(Quantities.count(work.shape.parameterCount)) parameters, "
        + "\(Self.scientific(work.flops.total)) FLOPs per token at \(work.sequenceLength) tokens",
      "  work         \(Quantities.count(work.steps)) steps of \(work.samplesLeftOut > 0 ? "up to " : "")"
        + "\(Quantities.count(work.batchSize)) samples: "
        + "\(Quantities.short(work.tokens)) places \(Self.fill(training)), "
        + "\(Self.scientific(work.tokens * work.flops.total)) FLOPs",
    ]
    if work.validations > 0 {
      let share = estimates.first.map { ", \(fixed(100 * $0.validationSeconds / $0.seconds, 1))% of the time" } ?? ""
      lines.append(
        "  validation   \(Quantities.count(work.validations)) times \(Quantities.count(work.validationSamples)) "
          + "samples\(share)")
    }
    if let first = estimates.first { lines += storageLines(first) }
    lines += table(estimates).lines(style, indent: "  ")
    lines += Self.doubts(estimates).map { "  * " + $0 }
    if estimates.contains(where: { devices.cost(of: $0) != nil }) { lines.append("  cost         \(Self.costNote)") }
    for estimate in estimates where !estimate.fits {
      lines.append(
        "  does not fit \(estimate.device.title): lower microbatchSize, or set recomputeActivations")
    }
    return lines + devices.remarks(of: training).map { "  assumed: \($0)" }
  }

  /// How many of the places are tokens, as a run counts them.
  private static func fill(_ training: PretrainEstimate) -> String {
    guard let fill = training.fill else { return "(tokens, if samples are full)" }
    return "(\(Quantities.short(training.work.tokens * fill)) tokens: samples are \(fixed(fill * 100, 0))% full)"
  }

  private static let costNote =
    "of computing alone: without start, checkpoints, and GPUs of a machine that are paid for unused"

  /// One sentence per kind of doubt.
  private static func doubts(_ estimates: [TrainingEstimate]) -> [String] {
    var sentences: [String] = []
    let assumed = estimates.filter { $0.doubts.contains(.utilization) }.map(\.device.name)
    if !assumed.isEmpty {
      sentences.append("utilization of \(assumed.joined(separator: ", ")) is assumed, not measured")
    }
    if estimates.contains(where: { $0.doubts.contains(.network) }) {
      let rate = Int(DeviceKind.bytesPerSecondBetweenMachines / 1e9)
      sentences.append("\(rate) GB/s between machines are assumed; `check.nccl` measures yours")
    }
    if let small = estimates.first(where: { $0.doubts.contains(.smallSteps) }) {
      sentences.append(
        "slower than this: \(Quantities.count(small.placesPerDevice)) places per device and step, measured from "
          + "\(Quantities.count(TrainingEstimate.measuredPlaces)) on")
    }
    return sentences
  }

  /// Several trainings by kind of device.
  private var totalLines: [String] {
    let trainings = estimate.stages.compactMap { stage -> PretrainEstimate? in
      if case .training(let training) = stage.figures { training } else { nil }
    }
    guard trainings.count > 1 else { return [] }
    let all = trainings.flatMap { devices.estimates(of: $0) }
    let kinds = devices.kinds.compactMap { kind -> String? in
      let own = all.filter { $0.device == kind }
      guard own.count == trainings.count else { return nil }
      let costs = own.compactMap { devices.cost(of: $0) }
      let cost = costs.isEmpty ? "" : ", " + Self.dollars(costs.reduce(0, +))
      return "\(kind.name) \(fixed(own.reduce(0) { $0 + $1.deviceHours }, 1)) device-hours\(cost)"
    }
    return kinds.isEmpty ? [] : ["Trainings together: " + kinds.joined(separator: "; "), ""]
  }

  /// Cents of small amounts alone.
  private static func dollars(_ value: Double) -> String { "$" + fixed(value, value < 100 ? 2 : 0) }

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
      ("device", .left), ("devices", .right), ("places/s", .right), ("MFU", .right), ("time", .right),
      ("device-hours", .right), ("cost", .right),
    ])
    for estimate in estimates {
      let mark = estimate.doubts.isEmpty ? "" : "*"
      table.add([
        estimate.device.name + mark, Quantities.count(estimate.devices), Quantities.short(estimate.tokensPerSecond),
        "\(fixed(estimate.modelFLOPsUtilization * 100, 0))%", Self.time(estimate.seconds),
        fixed(estimate.deviceHours, 1), devices.cost(of: estimate).map(Self.dollars) ?? "",
      ])
    }
    return table
  }

  // MARK: Data

  private var dataLines: [String] {
    let stages = estimate.stages.compactMap { stage -> (name: String, data: DataEstimate)? in
      if case .data(let data) = stage.figures { (stage.name, data) } else { nil }
    }
    guard !stages.isEmpty else { return [] }
    var table = TextTable([
      ("stage", .left), ("reads", .right), ("writes", .right), ("time", .right), ("", .left),
    ])
    for (name, data) in stages {
      table.add([
        name, data.inputBytes.map { Quantities.bytes($0) } ?? "", data.storedBytes.map { Quantities.bytes($0) } ?? "",
        data.basis == .finished ? "" : data.seconds(jobs: jobs).map(Self.time) ?? "", Self.basis(data.basis),
      ])
    }
    return table.lines(style) + [dataSum(stages.map(\.data).filter { $0.basis != .finished })]
  }

  private func dataSum(_ open: [DataEstimate]) -> String {
    let known = open.compactMap { $0.seconds(jobs: jobs) }, unknown = open.count - known.count
    if open.isEmpty { return "Data stages: all are finished." }
    if known.isEmpty { return "Data stages: nothing is known yet (\(unknown) unknown)." }
    let sum = "\(Self.time(known.reduce(0, +))) with \(Quantities.plural(jobs, "task")) at a time"
    return unknown == 0
      ? "Data stages together: \(sum)."
      : "Data stages together: at least \(sum); \(unknown) of \(open.count) unknown."
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
        "steps": .integer(work.steps), "places": .number(work.tokens),
        "validations": .integer(work.validations), "validationSamples": .integer(work.validationSamples),
        "fill": training.fill.map { .number($0) } ?? .null,
        "flops": .number(work.tokens * work.flops.total), "checkpointBytes": .integer(work.checkpointBytes),
        "remarks": .strings(devices.remarks(of: training)), "devices": .list(devices.estimates(of: training).map(json)),
      ]
    )
  }

  private func json(_ estimate: TrainingEstimate) -> JSONValue {
    let memory = estimate.memory
    return [
      "device": .string(estimate.device.name), "devices": .integer(estimate.devices),
      "basis": .string(estimate.device.basis.rawValue), "doubts": .strings(estimate.doubts.map(\.rawValue)),
      "placesPerSecond": .number(estimate.tokensPerSecond),
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
    case .fresh, .fetch, .unselected, .blocked, .impossible: false
    }
  }

  private static func line(_ stage: PipelineEstimate.Stage, _ jobs: Int) -> String? {
    switch stage.figures {
    case .training(let training):
      let kind = training.onlyDevice ?? DeviceKind.all[0]
      let estimate = training.on(kind, gpus: nil, processors: availableProcessors())
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

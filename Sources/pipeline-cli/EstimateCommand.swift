import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages
import TrainerCore

struct EstimateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "estimate", abstract: "Estimate time, memory, storage and cost before a run.",
    usage: "pipeline estimate [<pipeline-file>] [--device <kind>] [--gpus <count>] [--price <price>] [<options>]",
    discussion: """
      Trainings are computed from the model's shape and the utilization of each kind of device, data stages from the \
      rates of earlier runs in the store, or from stated rates if there are none.

      Kinds: \(DeviceKind.all.map(\.name).joined(separator: ", ")).

      EXAMPLES
        pipeline estimate japanese.json
        pipeline estimate japanese.json --device h200 --gpus 8 --price 3.50
        pipeline estimate japanese.json --device h100 --device a100 \\
          --price h100=4.10 --price a100=2.20
      """)

  @OptionGroup var options: SpecArguments

  @Option(help: ArgumentHelp("A kind of device to train on; repeatable (default: the usual GPUs).", valueName: "kind"))
  var device: [String] = []

  @Option(
    help: ArgumentHelp(
      "GPUs of all machines that train one model together (default: 1, or 8 on each of the stage's nodes).",
      valueName: "count"))
  var gpus: Int?

  @Option(
    help: ArgumentHelp(
      "US dollars per GPU-hour, for all kinds or for one, such as h200=3.50; repeatable.", valueName: "price"))
  var price: [String] = []

  @Option(help: ArgumentHelp("Data tasks at a time (default: this machine's processors).", valueName: "count"))
  var jobs: Int?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if let gpus, !(1...1 << 20).contains(gpus) { throw ValidationError("--gpus must be 1 or more, not \(gpus).") }
    if let jobs, !(1...1 << 20).contains(jobs) { throw ValidationError("--jobs must be 1 or more, not \(jobs).") }
    _ = try EstimateDevices(kinds: device, gpus: gpus, prices: price)
  }

  func run() throws {
    let graph = try options.graph()
    let store = try options.openStore(graph)
    let plan = try PipelineRun(graph: graph, store: store, settings: .init()).plan()
    let estimate = try PipelineEstimate(plan, graph: graph, store: store)
    let devices = try EstimateDevices(kinds: device, gpus: gpus, prices: price)
    let jobs = jobs ?? availableProcessors()
    if json { return Console.json(EstimateJSON(estimate, devices, jobs: jobs).json) }
    let style = Style(STDOUT_FILENO)
    for line in EstimateDrawing(estimate, devices, jobs: jobs, style).lines { Console.line(line) }
  }
}

/// The devices that estimates are drawn for, with their prices.
struct EstimateDevices {
  /// What is shown if no kind is asked for.
  private static let usual = ["h200", "h100", "a100"]

  var kinds: [DeviceKind]
  /// nil: as the stage's options say, or one.
  var gpus: Int?
  /// US dollars per GPU-hour, by kind; "" for all others.
  private var prices: [String: Double] = [:]

  init(kinds names: [String], gpus: Int?, prices texts: [String]) throws {
    kinds = try (names.isEmpty ? Self.usual : names).map(Self.kind)
    self.gpus = gpus
    guard kinds.contains(where: { !$0.isCPU }) || gpus == nil && texts.isEmpty else {
      throw ValidationError("--gpus and --price are of GPUs, but --device names none.")
    }
    for text in texts {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let kind = parts.count == 2 ? try Self.kind(parts[0]).name : ""
      guard let price = Double(parts[parts.count - 1]), price.isFinite, (0...1e6).contains(price) else {
        throw ValidationError("--price must be US dollars per GPU-hour, such as 3.50 or h200=3.50, not '\(text)'.")
      }
      guard kind.isEmpty || kinds.contains(where: { $0.name == kind && !$0.isCPU }) else {
        throw ValidationError("--price is for \(kind), which is not shown. Add --device \(kind).")
      }
      prices[kind] = price
    }
  }

  private static func kind(_ name: String) throws -> DeviceKind {
    if let kind = DeviceKind.named(name) { return kind }
    let names = DeviceKind.all.map(\.name)
    throw ValidationError(
      "no kind of device is named '\(name)'. Use one of: \(names.joined(separator: ", ")).")
  }

  /// The estimates of a training: on these kinds, or on the CPU if its options say so.
  func estimates(of training: PretrainEstimate) -> [TrainingEstimate] {
    let kinds = training.onlyDevice.map { [$0] } ?? kinds
    return kinds.map { training.on($0, gpus: gpus, processors: availableProcessors()) }
  }

  /// What was assumed of a training, one sentence each.
  func remarks(of training: PretrainEstimate) -> [String] {
    let isShownOnCPU = training.needsGPU && kinds.contains { $0.isCPU }
    return training.remarks + (training.onlyDevice == nil ? training.remarks(gpus: gpus) : [])
      + (isShownOnCPU ? ["the CPU, though the option \"device\" is cuda"] : [])
  }

  /// US dollars; nil without a price for the kind.
  func cost(of estimate: TrainingEstimate) -> Double? {
    guard !estimate.device.isCPU else { return nil }
    return (prices[estimate.device.name] ?? prices[""]).map { $0 * estimate.deviceHours }
  }
}

public import ShardKit

/// A measurement of all-reduce bandwidth, as the stage writes it for the processes.
public struct AllReduceJob: JSONRecord, Equatable, Sendable {
  /// "cpu" or "cuda".
  public var device = "cpu"
  /// Bytes of the smallest and the largest message; each is twice the one before.
  public var minimumBytes = 4096
  public var maximumBytes = 1 << 30
  /// Messages of each size that are timed.
  public var iterations = 20
  /// CPU threads per process.
  public var threads = 1

  public init() {}

  /// Sizes of messages in bytes that can be measured.
  public static let possibleSizes = 4...1 << 36

  /// - Throws: `ShardError` if the file cannot be read, is not JSON, or lacks a member; `TorchError` (`file`) for sizes
  ///   and counts that no measurement can have.
  public init(path: String) throws {
    try self.init(jsonFile: path)
    guard Self.possibleSizes.contains(minimumBytes), Self.possibleSizes.contains(maximumBytes), iterations > 0,
      threads > 0
    else {
      throw TorchError(.file, path, "minimumBytes, maximumBytes, iterations or threads is out of range")
    }
  }

  /// The sizes of messages in bytes, in whole fp32 numbers.
  var sizes: [Int] {
    var sizes: [Int] = []
    var size = max(4, minimumBytes / 4 * 4)
    while size <= maximumBytes {
      sizes.append(size)
      size *= 2
    }
    return sizes
  }
}

/// What a message of one size took.
public struct AllReducePoint: JSONRecord, Equatable, Sendable {
  public var bytes: Int
  /// Of one all-reduce, on average, in the slowest process.
  public var seconds: Double
  /// Bytes of the message per second.
  public var algorithmBytesPerSecond: Double
  /// The same times 2·(n−1)/n for n processes: what each link carries, comparable between numbers of processes.
  public var busBytesPerSecond: Double

  /// - Parameter seconds: above 0.
  public init(bytes: Int, seconds: Double, processes: Int) {
    self.bytes = bytes
    self.seconds = seconds
    algorithmBytesPerSecond = Double(bytes) / seconds
    busBytesPerSecond = algorithmBytesPerSecond * 2 * Double(processes - 1) / Double(processes)
  }
}

/// All points of a measurement, and where they were measured.
public struct AllReduceResult: JSONRecord, Equatable, Sendable {
  /// "nccl" or "gloo".
  public var backend: String
  /// The name of the first process's device, or "CPU".
  public var device: String
  public var processes: Int
  /// torch's version.
  public var torch: String
  public var points: [AllReducePoint]

  public init(backend: String, device: String, processes: Int, torch: String, points: [AllReducePoint]) {
    self.backend = backend
    self.device = device
    self.processes = processes
    self.torch = torch
    self.points = points
  }

  /// The point with the highest bus bandwidth; nil if there are none.
  public var best: AllReducePoint? { points.max { $0.busBytesPerSecond < $1.busBytesPerSecond } }
}

/// One process of a measurement: sums messages of growing sizes over all processes, as training sums its gradients.
public final class AllReduceCheck {
  private let job: AllReduceJob
  private let engine: Engine
  private let place: ProcessRank
  private let device: Device
  private let group: ProcessGroup
  private let watch: GroupWatch
  /// Messages of each size before those that are timed: the first ones open connections.
  private static let warmUps = 5

  /// Joins the other processes.
  /// - Parameter onLoss: as in `TrainingRun`.
  /// - Throws: `TorchError` (`group`) if there are none or they are missing, (`engine`) if there is no GPU.
  public init(
    _ job: AllReduceJob, engine: Engine, place: ProcessRank, onLoss: @escaping @Sendable (TorchError) -> Void = { _ in }
  ) throws {
    self.job = job
    self.engine = engine
    self.place = place
    guard place.size > 1 else {
      throw TorchError(.group, "processes", "there is only one process", hint: "Measure with two or more.")
    }
    device = try engine.device(named: job.device, localRank: place.localRank)
    if device.isCPU { try engine.setThreads(job.threads) }
    group = try ProcessGroup(
      engine, host: place.host, port: place.port, rank: place.rank, size: place.size, device: device)
    watch = try GroupWatch(engine, place, onLoss: onLoss)
  }

  deinit { watch.end() }

  /// Measures all sizes.
  /// - Parameter listen: told each point, in the first process of each machine.
  /// - Returns: the result in the first process of each machine, otherwise nil.
  /// - Throws: `TorchError` (`group`) if a process is lost or a sum is wrong, (`operation`) if there is no memory.
  public func run(listen: (AllReducePoint) -> Void) throws -> AllReduceResult? {
    defer { watch.end() }
    let points: [AllReducePoint]
    do { points = try measure(listen) } catch {
      if group.isBroken { throw watch.explain(error) }
      watch.fail("\(error)")
      throw error
    }
    guard place.localRank == 0 else { return nil }
    return AllReduceResult(
      backend: device.isCPU ? "gloo" : "nccl", device: device.isCPU ? "CPU" : try engine.name(of: device),
      processes: place.size, torch: engine.version, points: points)
  }

  private func measure(_ listen: (AllReducePoint) -> Void) throws(TorchError) -> [AllReducePoint] {
    var points: [AllReducePoint] = []
    for size in job.sizes {
      let point = try measure(size)
      points.append(point)
      if place.localRank == 0 { listen(point) }
    }
    return points
  }

  private func measure(_ bytes: Int) throws(TorchError) -> AllReducePoint {
    let message = TensorList([try engine.full(Double(place.rank + 1), shape: [bytes / 4], on: device)])
    try group.sum(message)
    try checkSum(message.tensors[0], bytes)
    // Zeros, since further sums would leave the range of numbers.
    try message.scale(0)
    for _ in 0..<Self.warmUps { try group.sum(message) }
    // All processes begin together: each waits for the result of this sum.
    _ = try slowest(0)
    let start = monotonicSeconds()
    for _ in 0..<job.iterations { try group.sum(message) }
    try engine.synchronize(device)
    let own = (monotonicSeconds() - start) / Double(job.iterations)
    return AllReducePoint(bytes: bytes, seconds: max(try slowest(own), 1e-9), processes: place.size)
  }

  /// Each process has contributed its rank + 1.
  private func checkSum(_ message: Tensor, _ bytes: Int) throws(TorchError) {
    let wanted = Double(place.size * (place.size + 1) / 2)
    let off = try message.scaled(1, plus: -wanted).norm().item()
    guard off == 0 else {
      throw TorchError(
        .group, "process \(place.rank) of \(place.size)",
        "the sum of a message of \(bytes) bytes is wrong: \(off) from \(wanted)",
        hint: "Check the devices and the network: a training would go wrong too.")
    }
  }

  /// The largest of all processes' numbers.
  private func slowest(_ seconds: Double) throws(TorchError) -> Double {
    var all = [Float](repeating: 0, count: place.size)
    all[place.rank] = Float(seconds)
    let table = try engine.tensor(all, on: device)
    try group.sum(TensorList([table]))
    return Double(try table.floats().max() ?? 0)
  }
}

import CTorch
public import Glibc
public import ShardKit

/// The processes that train one model together, one per device: gloo between CPUs, NCCL between GPUs.
public final class ProcessGroup: @unchecked Sendable {
  // Used only by the training thread.
  let handle: OpaquePointer
  private let engine: Engine
  /// Whether an exchange has failed because another process is lost.
  private(set) var isBroken = false
  public let rank: Int
  public let size: Int

  /// In the message of every error that another process's end causes.
  public static let lossWords = "lost the others"

  /// Waits until all `size` processes have joined.
  /// - Parameter host: where rank 0 listens, as MASTER_ADDR.
  /// - Throws: `TorchError` (`group`) if they do not within the timeout.
  public init(
    _ engine: Engine, host: String, port: Int, rank: Int, size: Int, device: Device, timeoutSeconds: Double = 600
  ) throws(TorchError) {
    self.engine = engine
    self.rank = rank
    self.size = size
    var out: OpaquePointer?
    let status = engine.table.pointee.group_join(
      device.isCPU ? "gloo" : "nccl", host, Int32(port), Int32(rank), Int32(size), device.value, timeoutSeconds, &out)
    do { try engine.check("group_join", status) } catch {
      throw TorchError(
        .group, "\(host):\(port)", "process \(rank) of \(size) cannot reach the others: \(error.message)",
        hint:
          "Check that every process was started, with the same MASTER_ADDR and MASTER_PORT, and that the port is open.")
    }
    handle = out!
  }

  deinit { engine.table.pointee.group_leave(handle) }

  /// Sums the tensors over all processes, in place.
  /// - Throws: `TorchError` (`group`) if another process is lost.
  public func sum(_ tensors: TensorList) throws(TorchError) {
    try lost { () throws(TorchError) in
      try engine.check("group_sum", engine.table.pointee.group_sum(handle, tensors.handles, tensors.count))
    }
  }

  /// Gives every process the tensors of one.
  /// - Throws: `TorchError` (`group`) if another process is lost.
  public func broadcast(_ tensors: TensorList, from root: Int = 0) throws(TorchError) {
    try lost { () throws(TorchError) in
      try engine.check(
        "group_broadcast", engine.table.pointee.group_broadcast(handle, tensors.handles, tensors.count, Int32(root)))
    }
  }

  /// Turns a failed exchange into an error that says what it means.
  func lost(_ body: () throws(TorchError) -> Void) throws(TorchError) {
    do { try body() } catch {
      isBroken = true
      throw TorchError(
        .group, "process \(rank) of \(size)", "\(Self.lossWords): \(error.message)",
        hint: "See their messages, then run again: training resumes from the last checkpoint.")
    }
  }
}

/// The rank of this training process, as the stage that started it states it in RANK, WORLD_SIZE, LOCAL_RANK,
/// MASTER_ADDR and MASTER_PORT. What launchers state is `LaunchEnvironment`.
public struct ProcessRank: Equatable, Sendable {
  public var rank = 0
  public var size = 1
  public var localRank = 0
  public var host = "127.0.0.1"
  public var port = 0

  public init() {}

  /// The rank that the environment states; a single process if it states none.
  /// - Throws: `TorchError` (`group`) if the variables contradict one another.
  public static func current(
    environment read: @escaping (String) -> String? = { getenv($0).map { String(cString: $0) } }
  ) throws(TorchError) -> ProcessRank {
    let variables = LaunchVariables(read)
    var place = ProcessRank()
    place.size = try variables.number("WORLD_SIZE") ?? 1
    place.rank = try variables.number("RANK") ?? 0
    place.localRank = try variables.number("LOCAL_RANK") ?? 0
    place.port = try variables.number("MASTER_PORT") ?? 0
    place.host = variables["MASTER_ADDR"] ?? place.host
    guard place.size >= 1, place.rank < place.size else {
      throw TorchError(
        .group, "RANK", "\(place.rank) is not below WORLD_SIZE \(place.size)", hint: "Ranks count from 0.")
    }
    guard place.size == 1 || (place.port > 0 && place.port < 65536) else {
      throw TorchError(
        .group, "MASTER_PORT", "is not set", hint: "Set it in every process to the port where rank 0 listens.")
    }
    return place
  }
}

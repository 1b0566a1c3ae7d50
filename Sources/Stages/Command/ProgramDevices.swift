import Glibc
import PipelineKit
import ShardKit

/// GPUs for programs that are not of this project. A process has them from its start until it has ended.
struct ProgramDevices: Sendable {
  var slots = DeviceSlots.shared
  /// GPUs of this machine.
  var present = Self.presentNow

  /// Waits for GPUs of this machine that nobody else uses.
  /// - Parameter isServed: asked while it waits; true ends the waiting.
  /// - Returns: nil if no GPU is wanted, or it was served otherwise.
  func hold(
    _ count: Int, _ control: TaskControl, unless isServed: () throws -> Bool = { false }
  ) throws -> DeviceSlots.Hold? {
    guard count > 0 else { return nil }
    guard count <= present else {
      throw StageError(
        .options, "gpus", "\(count) GPUs are wanted, but this machine has \(present)",
        hint: "Run it on another machine (--profile), or reduce 'gpus'.")
    }
    return try slots.hold(count, of: present, control, unless: isServed)
  }

  private static var presentNow: Int {
    if let visible = getenv("CUDA_VISIBLE_DEVICES") {
      return String(cString: visible).split(separator: ",").count
    }
    return (try? FileSystem.list("/proc/driver/nvidia/gpus").count) ?? 0
  }
}

import Glibc
import PipelineKit
import ShardKit

/// GPUs for programs that are not of this project.
enum ProgramDevices {
  /// Waits for GPUs of this machine that nobody else uses.
  /// - Parameter body: gets the value of CUDA_VISIBLE_DEVICES; nil if no GPU is wanted.
  static func using<R>(_ count: Int, _ control: TaskControl, _ body: (String?) throws -> R) throws -> R {
    guard count > 0 else { return try body(nil) }
    let present = present
    guard count <= present else {
      throw StageError(
        .options, "gpus", "\(count) GPUs are wanted, but this machine has \(present)",
        hint: "Run it on another machine (--profile), or reduce 'gpus'.")
    }
    return try DeviceSlots.shared.several(count, of: present, control) { slots in
      try body(slots.map { DeviceSlots.visible($0) }.joined(separator: ","))
    }
  }

  private static var present: Int {
    if let visible = getenv("CUDA_VISIBLE_DEVICES") {
      return String(cString: visible).split(separator: ",").count
    }
    return (try? FileSystem.list("/proc/driver/nvidia/gpus").count) ?? 0
  }
}

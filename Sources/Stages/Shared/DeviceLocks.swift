import Glibc
import ShardKit

/// Which GPUs of this machine other runs use: a file per GPU in a folder that all programs of the machine share, locked
/// exclusively by a training, and together by evaluations.
struct DeviceLocks: Sendable {
  /// nil: without locks, where no folder can hold them.
  var folder: String?
  var identity = DeviceIdentity()

  /// In the folder that `PIPELINE_GPU_LOCKS` names (empty: none), else in `/run/lock` or `/tmp`; not in `TMPDIR`, which
  /// differs between users and jobs.
  static let ofThisMachine: DeviceLocks = {
    if let named = getenv("PIPELINE_GPU_LOCKS").map({ String(cString: $0) }) {
      return DeviceLocks(folder: named.isEmpty ? nil : named)
    }
    return DeviceLocks(folder: ["/run/lock", "/tmp"].first { access($0, W_OK) == 0 })
  }()

  /// A held lock.
  final class Hold: Sendable {
    private let descriptor: Int32
    init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { if descriptor >= 0 { close(descriptor) } }
  }

  /// - Parameter device: its name, as CUDA_VISIBLE_DEVICES has it.
  /// - Returns: nil if a process of another run uses the GPU.
  func take(_ device: String, exclusively: Bool) -> Hold? {
    guard let path = path(device) else { return Hold(-1) }
    // The file of another user can be read, which is enough for a lock.
    let made = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    let descriptor = made >= 0 ? made : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    // Whatever this user's umask is, others must find the lock; of another user's file it is refused.
    if made >= 0 { fchmod(made, 0o666) }
    guard descriptor >= 0 else { return Hold(-1) }
    guard flock(descriptor, (exclusively ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 else {
      // Some file systems have no locks.
      let isTaken = errno == EWOULDBLOCK
      close(descriptor)
      return isTaken ? nil : Hold(-1)
    }
    let text = Array("\(getpid())\n".utf8)
    if made >= 0, ftruncate(descriptor, 0) == 0 { pwrite(descriptor, text, text.count, 0) }
    return Hold(descriptor)
  }

  /// The process that took the lock last, if it still runs.
  func holder(_ device: String) -> pid_t? {
    guard let path = path(device), let text = try? FileSystem.read(path, limit: 64),
      let process = pid_t(String(decoding: text.prefix { $0 != 0x0A }, as: UTF8.self)), process > 0
    else { return nil }
    return kill(process, 0) == 0 || errno == EPERM ? process : nil
  }

  private func path(_ device: String) -> String? {
    folder.map { "\($0)/pipeline-gpu-\(identity.name(of: device)).lock" }
  }
}

/// Names of GPUs that are the same in all processes of a machine.
struct DeviceIdentity: Sendable {
  var environment: @Sendable (String) -> String? = { getenv($0).map { String(cString: $0) } }
  /// Numbers of GPUs by UUID, as the driver tells.
  var numbers: [String: String] = Self.driverNumbers

  /// - Parameter device: as CUDA_VISIBLE_DEVICES has it: a number, or a UUID.
  func name(of device: String) -> String {
    if device.hasPrefix("GPU-"), let number = numbers[device] { return number }
    return Self.plain(slurmName(device) ?? device)
  }

  /// Slurm may show each job its own GPUs only, numbered from 0.
  private func slurmName(_ device: String) -> String? {
    guard let job = environment("SLURM_JOB_ID"), Int(device) != nil else { return nil }
    let shown = list("CUDA_VISIBLE_DEVICES")
    for variable in ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"] {
      let all = list(variable)
      if !all.isEmpty, all.count == shown.count, let place = shown.firstIndex(of: device) { return all[place] }
    }
    return "\(job)-\(device)"
  }

  private func list(_ variable: String) -> [String] {
    (environment(variable) ?? "").split(separator: ",").map(String.init)
  }

  /// As part of a file's name.
  private static func plain(_ name: String) -> String {
    String(
      decoding: name.utf8.prefix(80).map { byte in
        let isPlain =
          (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D
        return isPlain ? byte : 0x5F
      }, as: UTF8.self)
  }

  private static let driverNumbers: [String: String] = {
    let root = "/proc/driver/nvidia/gpus"
    var numbers: [String: String] = [:]
    for folder in (try? FileSystem.list(root)) ?? [] {
      guard let text = try? FileSystem.read("\(root)/\(folder)/information", limit: 1 << 16) else { continue }
      let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
      func value(_ name: String) -> String? {
        lines.first { $0.hasPrefix(name) }?.split(whereSeparator: { $0 == " " || $0 == "\t" }).last.map(String.init)
      }
      if let identity = value("GPU UUID:"), let number = value("Device Minor:") { numbers[identity] = number }
    }
    return numbers
  }()
}

import Glibc
import PipelineKit
import ShardKit
import Synchronization
import TrainerCore

/// What the runner knows about the training engine. A child process reports it, so that torch is never loaded here.
public struct TrainingEngine: Sendable {
  public var gpus: Int
  public var version: String

  func usesGPU(_ device: ModelPretrain.Device) -> Bool { device.isGPU }

  private static let known = Mutex<TrainingEngine?>(nil)

  /// The engine, or an error that says how to install it. Determined once per process: loading torch takes seconds.
  /// - Throws: `StageError` (`.check`, `.environment`) or `ShardError` if the engine does not start.
  public static func require() throws -> TrainingEngine {
    try known.withLock { known in
      if let engine = known { return engine }
      let engine = try ask()
      known = engine
      return engine
    }
  }

  private static func ask() throws -> TrainingEngine {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let child = try WorkerProcess(["worker", "engine"], errors: folder.path + "/errors")
    var found: TrainingEngine?
    reading: while true {
      switch child.next(timeoutMilliseconds: 60_000) {
      case .line(let line):
        guard let json = try? JSONValue.parse(line).value, let gpus = json["gpus"]?.integer else { continue }
        found = TrainingEngine(gpus: gpus, version: json["torch"]?.string ?? "")
      case .nothing, .end: break reading
      }
    }
    guard child.wait() == 0, let found else {
      let message = child.lastErrors(lines: 1)
      throw StageError(
        .check, "", message.isEmpty ? "the training engine does not start" : message,
        hint: message.contains("Scripts/engine") ? nil : "Rebuild it with 'Scripts/engine'.")
    }
    return found
  }
}

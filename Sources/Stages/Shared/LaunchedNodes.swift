import Glibc
import PipelineKit
import ShardKit
import TrainerCore

extension LaunchEnvironment {
  /// The machines that a launcher has started.
  /// - Parameters:
  ///   - nodes: the option; 1: as many as the launcher states.
  ///   - what: needs them, for the message.
  /// - Throws: `StageError` (`options`) if they are not as many as the option says; `TorchError` (`group`) if the
  ///   launcher's variables contradict one another.
  static func of(
    nodes: Int, processesPerNode: Int, for what: String = "training",
    environment: @escaping (String) -> String? = { getenv($0).map { String(cString: $0) } }
  ) throws -> LaunchEnvironment {
    let launch = try current(processesPerNode: processesPerNode, environment: environment)
    guard nodes == 1 || nodes == launch.nodes else {
      throw StageError(
        .options, "nodes",
        launch.nodes == 1
          ? "\(what) needs \(nodes) machines, but was started on one"
          : "\(what) needs \(nodes) machines, but was started on \(launch.nodes)",
        hint: "Start it with a scheduler, or on every machine with the variables that the guide to training names.")
    }
    return launch
  }
}

public import ShardKit

/// Why the training engine could not do what it was asked. `description` says where, what, why and what next.
public typealias TorchError = Fault<TorchErrorCode>

public enum TorchErrorCode: FaultCode {
  /// The engine's library is absent or does not load.
  case engine
  /// libtorch refused an operation.
  case operation
  /// Checkpoint or model files that are not what they should be.
  case file
  /// The loss is not a finite number.
  case diverged
  /// Processes that train together lost one another.
  case group
  /// Its caller asked it to stop.
  case stopped
}

/// Which checkpoints are kept. Its members have the names of the options.
public struct KeepRule: Codable, Equatable, Sendable {
  /// The number of newest ones, at least 1.
  public var keepCheckpoints: Int
  /// Those whose step is a multiple of this are kept too; 0: none.
  public var keepEverySteps: Int

  public init(keepCheckpoints: Int = 3, keepEverySteps: Int = 0) {
    self.keepCheckpoints = keepCheckpoints
    self.keepEverySteps = keepEverySteps
  }

  /// Whether a checkpoint is kept however many newer ones there are.
  func isKept(_ step: Int) -> Bool { keepEverySteps > 0 && step % keepEverySteps == 0 }

  /// Steps to remove once `newest` is durable: older ones that the rule does not keep, and those of a course that was
  /// given up, which includes all later ones.
  /// - Parameter best: the step of the best one so far, which stays.
  func superseded(_ steps: [Int], newest: Int, best: Int? = nil, givenUp: Set<Int> = []) -> [Int] {
    let past = steps.filter { $0 > newest || givenUp.contains($0) }
    let until = steps.filter { $0 <= newest && !givenUp.contains($0) }.sorted()
    return until.dropLast(max(1, keepCheckpoints)).filter { !isKept($0) && $0 != best } + past
  }
}

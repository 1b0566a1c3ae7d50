import PipelineKit
import ShardKit
import TrainerCore

extension ModelPretrain.Options {
  /// The parsed `skipSteps` and `laterRates`.
  func course() throws -> TrainingCourse {
    let windows = try skipSteps.map(Self.window)
    let rates = try laterRates.map(Self.rate)
    guard Set(rates.map(\.after)).count == rates.count else {
      throw StageError(.options, "laterRates", "names a step twice", hint: "Give one learning rate per step.")
    }
    return TrainingCourse(skipSteps: windows, laterRates: rates)
  }

  /// nil if all steps have the same size.
  var batchRamp: BatchRamp? {
    batchRampSteps > 0 && firstBatchSize > 0 ? BatchRamp(steps: batchRampSteps, first: firstBatchSize) : nil
  }

  /// The samples of each step.
  var stepSizes: StepSizes { StepSizes(batchSize: batchSize, ramp: batchRamp) }

  /// Refuses a ramp that does not grow to the batch.
  /// - Parameter processes: of all machines.
  func checkRamp(processes: Int) throws {
    guard batchRampSteps > 0 || firstBatchSize > 0 else { return }
    guard batchRampSteps > 0, firstBatchSize > 0 else {
      throw StageError(
        .options, batchRampSteps > 0 ? "firstBatchSize" : "batchRampSteps",
        batchRampSteps > 0 ? "says with how many samples the ramp begins, and is not set" : "is not set",
        hint: "Set both to let the batch grow, or neither.")
    }
    guard firstBatchSize < batchSize, firstBatchSize >= processes else {
      throw StageError(
        .options, "firstBatchSize", "\(firstBatchSize) is not between \(processes) processes and \(batchSize) samples",
        hint: "Use at least one sample per process, and fewer than \"batchSize\".")
    }
    guard batchRampSteps <= steps else {
      throw StageError(
        .options, "batchRampSteps", "\(batchRampSteps) exceed the \(steps) steps", hint: "Lower them.")
    }
  }

  /// The maximum of 'steps'.
  private static let mostSteps = 1 << 40

  private static func window(_ text: String) throws -> ClosedRange<Int> {
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int(trimmed($0)) }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first >= 1, first <= last,
      last <= mostSteps
    else {
      throw StageError(
        .options, "skipSteps", "'\(text)' is not a step or a range of steps",
        hint: "Write \"301-330\", or \"301\" for one step. Steps count from 1 to \(mostSteps).")
    }
    return first...last
  }

  private static func rate(_ text: String) throws -> TrainingCourse.LaterRate {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(trimmed)
    guard parts.count == 2, let after = Int(parts[0]), (0...mostSteps).contains(after), let rate = Double(parts[1]),
      (0...10).contains(rate)
    else {
      throw StageError(
        .options, "laterRates", "'\(text)' is not a step with a learning rate",
        hint: "Write \"300: 0.0001\" for a learning rate of 0.0001 after step 300.")
    }
    return TrainingCourse.LaterRate(rate, after: after)
  }

  private static func trimmed(_ text: Substring) -> String {
    var bytes = Substring(text).utf8[...]
    while bytes.first == 0x20 { bytes.removeFirst() }
    while bytes.last == 0x20 { bytes.removeLast() }
    return String(Substring(bytes))
  }
}

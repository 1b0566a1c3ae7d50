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

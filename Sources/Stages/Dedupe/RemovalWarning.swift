import PipelineKit

/// Says when a stage that removes copies removes none, or nearly everything: either may be a fault of its options.
struct RemovalWarning {
  /// What is counted, in the plural: "documents".
  let units: String
  /// A larger fraction removed is nearly everything.
  static let nearlyAll = 0.9
  /// Fewer say nothing.
  static let fewest = 10
  private static let mostExamples = 5
  private var removed = 0
  private var examples: [String] = []

  init(_ units: String) { self.units = units }

  /// Counts a removed one.
  /// - Parameters:
  ///   - example: of what it is a copy; asked for the first five.
  ///   - times: how many are removed for this reason.
  mutating func remove(_ example: @autoclosure () -> String, times: Int = 1) {
    removed += times
    if examples.count < Self.mostExamples { examples.append(example()) }
  }

  /// Warns if there is reason to.
  /// - Parameters:
  ///   - total: removed or not.
  ///   - others: some of those that were compared, for an example if none was removed.
  func finish(of total: Int, others: [String], _ workspace: Workspace) {
    guard total >= Self.fewest else { return }
    if removed == 0 {
      let some = others.joined(separator: ", ")
      workspace.warn("nothing-removed", "none of \(total) \(units) is a copy of another; some of them: \(some)")
    } else if Double(removed) > Self.nearlyAll * Double(total) {
      workspace.warn(
        "nearly-all-removed",
        "\(removed) of \(total) \(units) are copies of others, such as \(examples.joined(separator: ", "))")
    }
  }
}

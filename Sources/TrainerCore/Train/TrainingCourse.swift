import ShardKit

/// Where a training leaves its plan: steps that are passed over, and other rates from a step on.
///
/// It is part of what a training is, like its seed. But the steps before a departure are the same without it: so a
/// checkpoint is gone on from if all that led to it is as the course says, and a run that diverged at step 310 goes on at
/// its checkpoint of step 300 when the course tells it to pass over 301 to 330.
public struct TrainingCourse: Equatable, Sendable {
  public struct Rate: Equatable, Sendable {
    /// Of the schedule, for the steps that follow `after` steps.
    public var peak: Double
    public var after: Int

    public init(peak: Double, after: Int) {
      self.peak = peak
      self.after = after
    }
  }

  /// Ascending, apart from one another.
  public private(set) var passedOver: [ClosedRange<Int>]
  /// By the step, ascending.
  public private(set) var rates: [Rate]

  public init(passedOver: [ClosedRange<Int>] = [], rates: [Rate] = []) {
    var merged: [ClosedRange<Int>] = []
    for window in passedOver.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
      if let last = merged.last, window.lowerBound - 1 <= last.upperBound {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, window.upperBound)
      } else {
        merged.append(window)
      }
    }
    self.passedOver = merged
    self.rates = rates.sorted { $0.after < $1.after }
  }

  /// The last step of the window that a step lies in; nil for a step that is taken.
  public func endOfWindow(at step: Int) -> Int? { passedOver.first { $0.contains(step) }?.upperBound }

  /// The schedule's peak for the step that follows `finished` steps.
  public func peak(after finished: Int, _ planned: Double) -> Double {
    rates.last { $0.after <= finished }?.peak ?? planned
  }

  /// What of the course concerns the first `step` steps, as one text: equal texts, equal steps.
  public func text(until step: Int = .max) -> String {
    let windows = passedOver.filter { $0.lowerBound <= step }
      .map { "passes over \($0.lowerBound)-\(min($0.upperBound, step))" }
    let changes = rates.filter { $0.after < step }.map { "rate \($0.peak) after \($0.after)" }
    return (windows + changes).joined(separator: "; ")
  }

  /// How many of the steps after `start` are taken.
  public func steps(after start: Int, until last: Int) -> Int {
    let skipped = passedOver.reduce(0) { $0 + max(0, min($1.upperBound, last) - max($1.lowerBound, start + 1) + 1) }
    return max(0, last - start) - skipped
  }

  // MARK: JSON

  var json: JSONValue {
    [
      "passedOver": .list(passedOver.map { .list([.integer($0.lowerBound), .integer($0.upperBound)]) }),
      "rates": .list(rates.map { ["peak": .number($0.peak), "after": .integer($0.after)] }),
    ]
  }

  init?(_ json: JSONValue) {
    var windows: [ClosedRange<Int>] = [], rates: [Rate] = []
    for item in json["passedOver"]?.array ?? [] {
      guard let ends = item.array, ends.count == 2, let first = ends[0].integer, let last = ends[1].integer,
        first >= 1, first <= last
      else { return nil }
      windows.append(first...last)
    }
    for item in json["rates"]?.array ?? [] {
      guard let peak = item["peak"]?.double, let after = item["after"]?.integer else { return nil }
      rates.append(Rate(peak: peak, after: after))
    }
    self.init(passedOver: windows, rates: rates)
  }
}

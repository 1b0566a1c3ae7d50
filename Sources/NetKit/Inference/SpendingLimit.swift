import ShardKit

/// A budget of tokens and money that all requests of a stage share. What is in flight counts with the most that it may
/// cost, so that the sum is never above the limit.
public final class SpendingLimit: Sendable {
  private struct State {
    var spent: Spending
    var reserved = Spending()
    var inFlight = 0
  }

  public enum Decision: Equatable, Sendable { case granted, used, stopped }

  /// 0: no limit.
  public let tokens: Int
  public let cost: Double
  private let state: Monitor<State>

  public init(tokens: Int, cost: Double, spent: Spending) {
    self.tokens = tokens
    self.cost = cost
    state = Monitor(State(spent: spent))
  }

  public var spent: Spending { state.with(wake: false) { $0.spent } }

  /// Reserves the most that a request may cost. Waits while requests are in flight that may turn out cheaper.
  func reserve(_ most: Spending, shouldStop: () -> Bool) -> Decision {
    while !shouldStop() {
      let decision = state.wait(atMostNanoseconds: 100_000_000) { state -> Decision? in
        guard fits(state.spent + state.reserved + most) else { return state.inFlight == 0 ? .used : nil }
        state.reserved = state.reserved + most
        state.inFlight += 1
        return .granted
      }
      if let decision { return decision }
    }
    return .stopped
  }

  /// Replaces a reservation by what was spent.
  func settle(_ reserved: Spending, spent: Spending) {
    state.with {
      $0.reserved = $0.reserved - reserved
      $0.spent = $0.spent + spent
      $0.inFlight -= 1
    }
  }

  private func fits(_ sum: Spending) -> Bool {
    // Sums of prices are not exact.
    (tokens == 0 || sum.tokens <= tokens) && (cost == 0 || sum.cost <= cost * (1 + 1e-9))
  }
}

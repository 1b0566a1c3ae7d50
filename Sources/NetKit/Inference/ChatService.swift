import ShardKit

/// What all threads that ask one endpoint share: the kept answers, the budget, the lanes, and who is asking what.
public final class ChatService: Sendable {
  public struct Rules: Sendable {
    /// Requests in flight at the same time.
    public var requestsAtOnce = 8
    /// Requests that begin per minute. 0: no limit.
    public var requestsPerMinute = 0
    public var prices = TokenPrices(input: 0, output: 0)
    /// Budgets of the whole stage, over all its runs. 0: no limit.
    public var tokens = 0
    public var cost = 0.0
    /// Repetitions after faults of the server and after lost connections.
    public var retrying = Retrying()

    public init() {}
  }

  private struct Claim: Hashable {
    var request: Digest
    var attempt: Int
  }

  public let endpoint: ChatEndpoint
  public let store: AnswerStore
  public let budget: SpendingLimit
  let rules: Rules
  let lanes: ChatLanes
  private let claims = Monitor<Set<Claim>>([])
  private let unreported: Monitor<Int>

  /// - Throws: `NetError` (`.storage`) if another process uses the folder, or it cannot be used.
  public init(_ endpoint: ChatEndpoint, folder: String, rules: Rules) throws(NetError) {
    self.endpoint = endpoint
    self.rules = rules
    store = try AnswerStore(folder: folder)
    unreported = Monitor(store.lost)
    budget = SpendingLimit(tokens: rules.tokens, cost: rules.cost, spent: store.spent)
    lanes = ChatLanes(most: rules.requestsAtOnce, perMinute: rules.requestsPerMinute)
  }

  /// How many requests were in flight when an earlier process was killed; 0 when it has been asked before.
  public func takeLost() -> Int {
    unreported.with { count in
      defer { count = 0 }
      return count
    }
  }

  /// Waits while another thread asks the same.
  /// - Returns: false when it should stop.
  func claim(_ request: Digest, _ attempt: Int, shouldStop: () -> Bool) -> Bool {
    let claim = Claim(request: request, attempt: attempt)
    while !shouldStop() {
      let mine = claims.wait(atMostNanoseconds: 100_000_000) { claims in
        claims.insert(claim).inserted ? true : nil
      }
      if mine != nil { return true }
    }
    return false
  }

  func unclaim(_ request: Digest, _ attempt: Int) {
    claims.with { _ = $0.remove(Claim(request: request, attempt: attempt)) }
  }
}

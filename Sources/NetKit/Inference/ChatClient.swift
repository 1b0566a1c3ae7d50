import ShardKit

/// Asks an endpoint, from one thread. What was answered before comes from the kept answers.
public final class ChatClient {
  /// What became of a request.
  public enum Outcome: Equatable, Sendable {
    case answer(ChatAnswer)
    /// No usable response, after all repetitions; the text says why.
    case unanswered(String)
    /// The endpoint does not take this request; the text says why.
    case rejected(String)
    /// The request does not fit into the model's context as it is set up now; the text is the endpoint's.
    case tooLong(String)
    /// The budget does not allow it.
    case overBudget
  }

  /// What a client has done, for reports.
  public struct Tally: Equatable, Sendable {
    /// Requests that were sent.
    public var requests = 0
    /// Answers that were kept from before.
    public var reused = 0
    /// Requests that were repeated, by why.
    public var repeated: [String: Int] = [:]
    public var spent = Spending()

    public init() {}

    public static func += (a: inout Tally, b: Tally) {
      a.requests += b.requests
      a.reused += b.reused
      a.repeated.merge(b.repeated, uniquingKeysWith: +)
      a.spent = a.spent + b.spent
    }
  }

  public private(set) var tally = Tally()
  private let service: ChatService
  private let http: HTTPClient
  private let shouldStop: () -> Bool
  private var rules: ChatService.Rules { service.rules }

  /// - Parameters:
  ///   - http: of this thread; it ends a response that is not wanted any more.
  ///   - shouldStop: no further request is sent once it is true; one that is in flight is waited for.
  public init(_ service: ChatService, http: HTTPClient, shouldStop: @escaping () -> Bool) {
    self.service = service
    self.http = http
    self.shouldStop = shouldStop
  }

  /// Requests that are turned away as too many are repeated more often than others: it costs nothing.
  private static let mostBusy = 30
  /// After this many failures of any requests in a row, the cause is the server, not a document.
  private var mostFailuresInARow: Int { max(8, rules.requestsAtOnce * 2) }

  /// The nth answer to a request, from 1.
  /// - Throws: `NetError`: `.cancelled`, `.storage`, or what makes every further request useless.
  public func answer(_ request: ChatRequest, attempt: Int) throws(NetError) -> Outcome {
    if let kept = try kept(request, attempt) { return .answer(kept) }
    guard service.claim(request.digest, attempt, shouldStop: shouldStop) else { throw NetError.stopped }
    defer { service.unclaim(request.digest, attempt) }
    // Another thread may have asked the same meanwhile.
    if let kept = try kept(request, attempt) { return .answer(kept) }
    return try ask(request, attempt)
  }

  private func kept(_ request: ChatRequest, _ attempt: Int) throws(NetError) -> ChatAnswer? {
    let answer = try service.store.answer(to: request.digest, attempt: attempt)
    if answer != nil { tally.reused += 1 }
    return answer
  }

  // MARK: Repeating

  private func ask(_ request: ChatRequest, _ attempt: Int) throws(NetError) -> Outcome {
    var (faults, busy) = (0, 0)
    while true {
      switch try send(request, attempt) {
      case nil: return .overBudget
      case .answer(let answer, _):
        _ = service.lanes.note(success: true)
        return .answer(answer)
      case .rejected(let why, _):
        _ = service.lanes.note(success: true)
        return .rejected(why)
      case .tooLong(let why):
        _ = service.lanes.note(success: true)
        return .tooLong(why)
      case .hopeless(let error): throw error
      case .busy(let why, let seconds):
        busy += 1
        try waitBusy(busy, why, seconds)
      case .fault(let why, _):
        faults += 1
        let inARow = service.lanes.note(success: false)
        guard inARow < mostFailuresInARow else { throw unreachable(why, inARow) }
        guard let wait = rules.retrying.wait(after: faults, asked: nil) else { return .unanswered(why) }
        tally.repeated["fault", default: 0] += 1
        try pause(wait)
      }
    }
  }

  private func waitBusy(_ times: Int, _ why: String, _ seconds: Double?) throws(NetError) {
    var policy = rules.retrying
    policy.attempts = Self.mostBusy
    guard let wait = policy.wait(after: times, asked: seconds) else {
      throw NetError(
        .status, service.endpoint.url.shown, "the endpoint turns requests away: \(why)",
        hint: seconds.map { "It asks clients to wait \(Int($0.rounded(.up))) seconds." }
          ?? "Lower \"requestsAtOnce\" or set \"requestsPerMinute\", and run again.")
    }
    tally.repeated["busy", default: 0] += 1
    service.lanes.pause(seconds: wait)
  }

  private func unreachable(_ why: String, _ times: Int) -> NetError {
    NetError(
      .status, service.endpoint.url.shown, "\(times) requests in a row have failed, the last one because \(why)",
      hint: "Check the server and run again: kept answers are not asked for again."
    ).transient()
  }

  private func pause(_ seconds: Double) throws(NetError) {
    SystemClock().sleep(nanoseconds: Int(seconds * 1e9), isCancelled: shouldStop)
    if shouldStop() { throw NetError.stopped }
  }

  // MARK: One request

  /// Sends a request once; nil if the budget does not allow it.
  private func send(_ request: ChatRequest, _ attempt: Int) throws(NetError) -> ChatReading? {
    guard service.lanes.enter(shouldStop: shouldStop) else { throw NetError.stopped }
    defer { service.lanes.leave() }
    let most = rules.prices.cost(input: request.mostInputTokens, output: request.maximumTokens)
    switch service.budget.reserve(most, shouldStop: shouldStop) {
    case .granted: break
    case .used: return nil
    case .stopped: throw NetError.stopped
    }
    var spent = most
    defer {
      service.budget.settle(most, spent: spent)
      tally.spent = tally.spent + spent
    }
    let number = try service.store.begin(request.digest, attempt: attempt, most: most)
    tally.requests += 1
    do throws(NetError) {
      let reading = try exchange(request, attempt)
      spent = try record(reading, number, most)
      return reading
    } catch {
      // Stopped while the server was computing, or a disk that cannot be written: it counts as it was recorded.
      if error.code == .cancelled || error.code == .storage { throw error }
      try service.store.forget(number)
      spent = Spending()
      throw error
    }
  }

  private func exchange(_ request: ChatRequest, _ attempt: Int) throws(NetError) -> ChatReading {
    do throws(NetError) {
      return service.endpoint.reading(try http.send(service.endpoint.request(request.body(attempt: attempt))))
    } catch {
      if error.code == .content { return .rejected(error.message, isPaid: true) }
      guard error.isTransient else { throw error }
      return .fault(error.message, isPaid: !error.isUnsent)
    }
  }

  /// Records what became of a request.
  /// - Returns: what it has cost; the most that it may have cost where that is not known.
  private func record(_ reading: ChatReading, _ number: Int64, _ most: Spending) throws(NetError) -> Spending {
    switch reading {
    case .answer(let answer, let usage):
      let spent = usage.map { rules.prices.cost(input: $0.input, output: $0.output) } ?? most
      try service.store.keep(number, answer, spent: spent)
      return spent
    case .fault(_, isPaid: true), .rejected(_, isPaid: true):
      try service.store.lose(number)
      return most
    case .busy, .hopeless, .fault, .rejected, .tooLong:
      try service.store.forget(number)
      return Spending()
    }
  }
}

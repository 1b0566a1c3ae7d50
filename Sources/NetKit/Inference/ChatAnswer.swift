/// An endpoint's answer to a request, or its verdict on it: what is kept, so that nothing is asked twice.
public struct ChatAnswer: Equatable, Sendable {
  public enum Ending: String, Sendable {
    /// The model came to its end.
    case complete
    /// The limit of tokens was reached.
    case cut
    /// The model declined to answer.
    case refused
    /// The endpoint's filter withheld the answer, or did not pass the request on.
    case filtered
  }

  public var ending: Ending
  public var content: String
  /// What the endpoint said of a refusal; empty if nothing.
  public var detail: String

  public init(_ ending: Ending, content: String = "", detail: String = "") {
    self.ending = ending
    self.content = content
    self.detail = detail
  }
}

/// Tokens and money: of one request, of a reservation, or of a whole run.
public struct Spending: Equatable, Sendable {
  public var inputTokens: Int
  public var outputTokens: Int
  public var cost: Double

  public init(inputTokens: Int = 0, outputTokens: Int = 0, cost: Double = 0) {
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.cost = cost
  }

  public var tokens: Int { inputTokens + outputTokens }

  public static func + (a: Spending, b: Spending) -> Spending {
    Spending(
      inputTokens: a.inputTokens + b.inputTokens, outputTokens: a.outputTokens + b.outputTokens, cost: a.cost + b.cost)
  }

  static func - (a: Spending, b: Spending) -> Spending {
    Spending(
      inputTokens: a.inputTokens - b.inputTokens, outputTokens: a.outputTokens - b.outputTokens, cost: a.cost - b.cost)
  }
}

/// What tokens cost, per million.
public struct TokenPrices: Equatable, Sendable {
  public var input: Double
  public var output: Double

  public init(input: Double, output: Double) {
    self.input = input
    self.output = output
  }

  public func cost(input: Int, output: Int) -> Spending {
    Spending(
      inputTokens: input, outputTokens: output,
      cost: (Double(input) * self.input + Double(output) * self.output) / 1_000_000)
  }
}

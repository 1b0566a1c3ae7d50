public import ShardKit

/// A server on this machine that falls silent where a test says, so that who is killed or stopped is at work.
public protocol HoldingServer {
  @discardableResult
  func control(_ name: String, _ order: JSONValue?) throws -> JSONValue
}

extension HoldingServer {
  /// Lets so many more requests through; those behind them wait until they are released.
  /// - Parameters:
  ///   - match: of requests whose first line, `GET /path`, holds it.
  ///   - inside: with half of their answer, where the server can do that.
  public func hold(after requests: Int, of match: String = "", inside: Bool = false) throws {
    try control("hold", ["after": .integer(requests), "match": .string(match), "inside": .bool(inside)])
  }

  /// How many requests wait.
  public func held() throws -> Int { try control("held", nil)["held"]?.integer ?? 0 }

  /// Lets what waits go on.
  public func release() throws { try control("release", [:]) }

  /// Gives what waits no answer: whoever asked is dead.
  public func forgetTheDead() throws { try control("release", ["answers": false]) }
}

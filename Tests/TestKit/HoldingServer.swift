public import ShardKit

/// A local server that stops responding when a test says so, so that a process is killed or stopped during its work.
public protocol HoldingServer {
  @discardableResult
  func control(_ name: String, _ order: JSONValue?) throws -> JSONValue
}

extension HoldingServer {
  /// Lets this number of further requests through; later ones wait until they are released.
  /// - Parameters:
  ///   - match: only requests whose first line, `GET /path`, contains this text.
  ///   - inside: stops after half of the response, if the server supports it.
  public func hold(after requests: Int, of match: String = "", inside: Bool = false) throws {
    try control("hold", ["after": .integer(requests), "match": .string(match), "inside": .bool(inside)])
  }

  /// The number of waiting requests.
  public func held() throws -> Int { try control("held", nil)["held"]?.integer ?? 0 }

  /// Lets waiting requests continue.
  public func release() throws { try control("release", [:]) }

  /// Drops waiting requests without a response: their clients are dead.
  public func forgetTheDead() throws { try control("release", ["answers": false]) }
}

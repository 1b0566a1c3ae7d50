public import Testing

/// What tests need beyond Swift: peers, tools, the training engine, real texts.
///
/// Without `PIPELINE_REQUIRE_PEERS` a test whose peer is absent is skipped visibly. `Scripts/test` sets it: there, a peer that
/// is absent, or that cannot be imported any more, fails the test. Real texts may be absent; `Scripts/test` says at its end
/// how many tests were skipped for that.
enum Requirements {
  struct Missing: Error, CustomStringConvertible {
    let what: String
    var description: String {
      "\(what), and PIPELINE_REQUIRE_PEERS forbids to skip this test. Run Scripts/install --tests and Scripts/engine."
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// The test runs where the condition holds. Elsewhere it is skipped, or fails under `PIPELINE_REQUIRE_PEERS`.
  ///
  /// - Parameter what: what is missing where the condition does not hold, such as "needs Python with warcio".
  public static func needs(
    _ condition: @autoclosure @escaping @Sendable () -> Bool, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Self {
    .enabled(Comment(rawValue: what), sourceLocation: sourceLocation) {
      if condition() { return true }
      if PeerScript.isRequired { throw Requirements.Missing(what: what) }
      return false
    }
  }

  /// The test runs where this user may do what it does, such as mounting a file system, and is skipped visibly elsewhere.
  public static func permitted(
    _ condition: @autoclosure @escaping @Sendable () -> Bool, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Self {
    .enabled(Comment(rawValue: what), sourceLocation: sourceLocation) { condition() }
  }

  /// The test runs where the folder of real texts is (`realDataPath`), and is skipped visibly elsewhere.
  public static var needsRealTexts: Self {
    .enabled("the folder of real texts is absent") { realDataPath != nil }
  }
}

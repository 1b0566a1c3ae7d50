public import Testing

/// What tests need beyond Swift: peers, tools, the training engine, real texts.
///
/// Without `PIPELINE_REQUIRE_PEERS`, a test whose peer is absent is skipped visibly. `Scripts/test` sets it: then a
/// peer that is absent or cannot be imported fails the test. Real texts may be absent; `Scripts/test` reports at its
/// end how many tests were skipped because of that.
enum Requirements {
  struct Missing: Error, CustomStringConvertible {
    let what: String
    var description: String {
      "\(what), and PIPELINE_REQUIRE_PEERS forbids to skip this test. Run Scripts/install --tests and Scripts/engine."
    }
  }
}

extension Trait where Self == ConditionTrait {
  /// The test runs if the condition is true. Otherwise it is skipped, or fails with `PIPELINE_REQUIRE_PEERS`.
  ///
  /// - Parameter what: what is missing if the condition is false, such as "needs Python with warcio".
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

  /// The test runs if this user has its permissions, such as mounting a file system; otherwise it is skipped visibly.
  public static func permitted(
    _ condition: @autoclosure @escaping @Sendable () -> Bool, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) -> Self {
    .enabled(Comment(rawValue: what), sourceLocation: sourceLocation) { condition() }
  }

  /// The test runs if the folder of real texts exists (`realDataPath`); otherwise it is skipped visibly.
  public static var needsRealTexts: Self {
    .enabled("the folder of real texts is absent") { realDataPath != nil }
  }
}

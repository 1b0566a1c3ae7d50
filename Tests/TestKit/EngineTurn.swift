public import Testing

/// Runs tests one after another across suites: for tests that use a training engine in this process.
///
/// libtorch has one random number generator and one thread count per process. Parallel tests would affect each other's
/// random numbers.
public struct EngineTurn: SuiteTrait, TestTrait, TestScoping {
  public var isRecursive: Bool { true }

  public func scopeProvider(for test: Test, testCase: Test.Case?) -> Self? { testCase == nil ? nil : self }

  public func provideScope(
    for test: Test, testCase: Test.Case?, performing body: @Sendable () async throws -> Void
  ) async throws {
    try await Self.hold(body)
  }

  @TaskLocal private static var isHeld = false
  private static let turns = Turns()

  /// Runs `body` when no other test holds the engine. Nested suites hold it once.
  static func hold(_ body: @Sendable () async throws -> Void) async throws {
    guard !isHeld else { return try await body() }
    await turns.take()
    do { try await $isHeld.withValue(true) { try await body() } } catch {
      await turns.give()
      throw error
    }
    await turns.give()
  }
}

extension Trait where Self == EngineTurn {
  /// The suite's tests use an engine in this process: none of them runs in parallel with another such test.
  public static var takesTheEngine: Self { Self() }
}

/// Grants turns in the order of the requests.
private actor Turns {
  private var isTaken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func take() async {
    guard isTaken else {
      isTaken = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  func give() {
    if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
  }
}

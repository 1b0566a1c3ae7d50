import TestKit
import Testing

/// Suites that draw from the engine's one generator of random numbers: one test after another.
@Suite(.serialized, .takesTheEngine) enum EngineTests {}

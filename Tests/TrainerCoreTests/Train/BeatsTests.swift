import Testing

@testable import TrainerCore

@Suite struct BeatsTests {
  private var beats = Beats(size: 4)

  private mutating func hear(_ numbers: [Int], after seconds: Double) {
    for rank in 1..<4 { beats.hear(rank, numbers[rank - 1], departed: 100, elapsed: seconds) }
  }

  @Test mutating func theLongestSilentProcessIsLost() {
    hear([1, 1, 1], after: 1000)
    #expect(beats.silent(for: 3) == nil, "it is heard for the first time")
    hear([1, 1, 2], after: 2)
    hear([2, 1, 3], after: 2)
    #expect(beats.silent(for: 3) == 2)
    hear([2, 1, 3], after: 4)
    #expect(beats.silent(for: 3) == 2, "8 seconds, the others 4")
    hear([3, 2, 3], after: 1)
    #expect(beats.silent(for: 3) == 3, "the others are heard again")
  }

  @Test mutating func whoHasLeftIsNotMissed() {
    hear([1, 1, 1], after: 1)
    hear([101, 101, 2], after: 1)
    hear([101, 101, 3], after: 50)
    #expect(beats.silent(for: 3) == nil)
  }

  /// Before it beats for the first time, a process is only missed for longer than the limit too.
  @Test mutating func whoNeverCameIsMissed() {
    hear([0, 1, 1], after: 1)
    hear([0, 2, 2], after: 4)
    #expect(beats.silent(for: 3) == 1)
  }
}

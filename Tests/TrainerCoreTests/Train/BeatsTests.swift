import Testing

@testable import TrainerCore

@Suite struct BeatsTests {
  @Test func theLongestSilentProcessIsLost() {
    var beats = Beats(size: 4)
    for rank in 1..<4 { beats.hear(rank, 1, departed: 100, at: 1000) }
    #expect(beats.silent(for: 3, at: 1002) == nil)
    beats.hear(1, 2, departed: 100, at: 1003)
    beats.hear(2, 101, departed: 100, at: 1003)
    beats.hear(3, 1, departed: 100, at: 1003)
    #expect(beats.silent(for: 3, at: 1004) == 3, "its number stands still")
    beats.hear(3, 2, departed: 100, at: 1005)
    #expect(beats.silent(for: 3, at: 1007) == 1)
    beats.hear(1, 3, departed: 100, at: 1008)
    beats.hear(3, 3, departed: 100, at: 1008)
    #expect(beats.silent(for: 3, at: 1010) == nil, "one has left")
  }
}

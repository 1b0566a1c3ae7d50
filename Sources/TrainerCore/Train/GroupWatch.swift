import Glibc
import ShardKit
import Synchronization

/// Watches the processes that train together, so that the end of one ends the others within seconds, with its name.
///
/// Each process raises its number in the group's store every second; the first process looks for numbers that stand
/// still. A process that fails says why, in the store. NCCL alone would wait for a lost process for ten minutes, and
/// gloo does not say which one it was.
final class GroupWatch: Sendable {
  struct Timing: Sendable {
    var beatSeconds = 1.0
    /// A process that says nothing for so long is lost.
    var silenceSeconds = 20.0
    /// The same once an exchange has failed in any process.
    var suspicionSeconds = 3.0
    /// How long a process whose exchange failed waits to be told the reason.
    var patienceSeconds = 10.0
    /// How long the training thread may take to end by itself after a loss is known.
    var graceSeconds = 5.0
  }

  private struct State {
    /// Why the training cannot go on.
    var verdict: String?
    var verdictAt = 0
    var isSuspicious = false
    /// What this process failed of.
    var ownFailure: String?
    var isEnding = false
    var isOver = false
  }

  private let place: ProcessRank
  private let timing: Timing
  private let store: GroupStore
  private let state = Mutex(State())
  /// Ends the process if its training thread waits for a lost one and cannot be reached.
  private let onLoss: @Sendable (TorchError) -> Void
  private let thread = Mutex<BackgroundThread?>(nil)

  private static let departed = 1 << 40

  /// Starts watching.
  init(
    _ engine: Engine, _ place: ProcessRank, timing: Timing = Timing(), onLoss: @escaping @Sendable (TorchError) -> Void
  ) throws(TorchError) {
    self.place = place
    self.timing = timing
    self.onLoss = onLoss
    store = try GroupStore(engine, host: place.host, port: place.port, timeoutSeconds: 30)
    try store.set("host/\(place.rank)", Self.hostName())
    _ = try store.add("beat/\(place.rank)", 1)
    let thread = BackgroundThread { [self] in watch() }
    self.thread.withLock { $0 = thread }
  }

  private static func hostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    return String(decoding: name.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
  }

  /// Ends watching: this process needs the others no more.
  func end() {
    state.withLock { $0.isEnding = true }
    thread.withLock { thread in
      thread?.join()
      thread = nil
    }
  }

  /// The reason of a failed exchange, once the first process has found it.
  func explain(_ error: TorchError) -> TorchError {
    state.withLock { $0.isSuspicious = true }
    let end = monotonicSeconds() + timing.patienceSeconds
    while monotonicSeconds() < end {
      if let verdict = state.withLock({ $0.verdict }) { return loss(verdict) }
      if state.withLock({ $0.isOver }) { break }
      usleep(20_000)
    }
    return error
  }

  /// Tells the others why this process fails.
  func fail(_ reason: String) { state.withLock { $0.ownFailure = $0.ownFailure ?? reason } }

  private func loss(_ verdict: String) -> TorchError {
    TorchError(
      .group, "process \(place.rank) of \(place.size)", "\(ProcessGroup.lossWords): \(verdict)",
      hint: "Run again: training resumes from the last checkpoint.")
  }

  // MARK: The watching thread

  private func watch() {
    var beats = Beats(size: place.size), last = monotonicSeconds()
    var toldSuspicion = false, isStoreLost = false
    defer { state.withLock { $0.isOver = true } }
    while true {
      let (isEnding, failure, isSuspicious) = state.withLock { ($0.isEnding, $0.ownFailure, $0.isSuspicious) }
      if !isStoreLost {
        do {
          if let failure { try tell(failure) }
          if isSuspicious, !toldSuspicion {
            _ = try store.add("suspicion", 1)
            toldSuspicion = true
          }
          // A machine that was suspended as a whole wakes up before it hears of the others.
          let now = monotonicSeconds(), elapsed = min(now - last, 2 * timing.beatSeconds)
          last = now
          try beat(isEnding: isEnding, &beats, elapsed: elapsed)
        } catch {
          // The first process serves the store.
          isStoreLost = true
          if place.rank != 0 { decide("process 0 of \(place.size), on \(place.host), has ended or cannot be reached") }
        }
      }
      guard !isEnding else { return linger() }
      endIfNeeded()
      pause()
    }
  }

  private func tell(_ failure: String) throws(TorchError) {
    guard try store.get("lost") == nil else { return }
    try store.set("lost", "process \(place.rank) of \(place.size) ended: \(failure)")
  }

  private func beat(isEnding: Bool, _ beats: inout Beats, elapsed: Double) throws(TorchError) {
    _ = try store.add("beat/\(place.rank)", isEnding ? Self.departed : 1)
    guard !isEnding else { return }
    if let verdict = try store.get("lost") {
      decide(verdict)
    } else if place.rank == 0 {
      try judge(&beats, elapsed: elapsed)
    }
  }

  /// The first process takes the store with it: others must have read the reason before.
  private func linger() {
    let hasVerdict = state.withLock { $0.verdict != nil || $0.ownFailure != nil }
    if place.rank == 0, hasVerdict { usleep(UInt32(2 * timing.beatSeconds * 1e6)) }
  }

  private func decide(_ verdict: String) {
    state.withLock { state in
      guard state.verdict == nil else { return }
      state.verdict = verdict
      state.verdictAt = monotonicNanoseconds()
    }
  }

  private func judge(_ beats: inout Beats, elapsed: Double) throws(TorchError) {
    let limit = try store.add("suspicion", 0) > 0 ? timing.suspicionSeconds : timing.silenceSeconds
    for rank in 1..<place.size {
      beats.hear(rank, try store.add("beat/\(rank)", 0), departed: Self.departed, elapsed: elapsed)
    }
    guard let silent = beats.silent(for: limit) else { return }
    let host = try store.get("host/\(silent)").map { ", on \($0)," } ?? ""
    let verdict = "process \(silent) of \(place.size)\(host) has ended or cannot be reached"
    try store.set("lost", verdict)
    decide(verdict)
  }

  /// The training thread waits in an exchange that does not end.
  private func endIfNeeded() {
    let (verdict, since, isEnding) = state.withLock { ($0.verdict, $0.verdictAt, $0.isEnding) }
    guard let verdict, !isEnding, Double(monotonicNanoseconds() - since) > timing.graceSeconds * 1e9 else { return }
    onLoss(loss(verdict))
  }

  private func pause() {
    let end = monotonicSeconds() + timing.beatSeconds
    while monotonicSeconds() < end {
      if state.withLock({ $0.isEnding || ($0.isSuspicious && $0.verdict == nil) }) {
        usleep(100_000)
        return
      }
      usleep(20_000)
    }
  }
}

/// What the first process hears of the others.
struct Beats {
  private var last: [Int]
  /// Seconds since the number changed, while the first process listened.
  private var silence: [Double]
  private var hasLeft: [Bool]

  init(size: Int) {
    last = Array(repeating: -1, count: size)
    silence = Array(repeating: 0, count: size)
    hasLeft = Array(repeating: false, count: size)
  }

  /// - Parameter elapsed: seconds since the last call for this rank.
  mutating func hear(_ rank: Int, _ beat: Int, departed: Int, elapsed: Double) {
    if beat >= departed { hasLeft[rank] = true }
    silence[rank] = beat == last[rank] ? silence[rank] + elapsed : 0
    last[rank] = beat
  }

  /// The process that has said nothing for the longest, if longer than the limit.
  func silent(for seconds: Double) -> Int? {
    let others = silence.indices.dropFirst().filter { !hasLeft[$0] && silence[$0] > seconds }
    return others.min { (-silence[$0], $0) < (-silence[$1], $1) }
  }
}

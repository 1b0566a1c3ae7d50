import ShardKit

/// The open shards of a data set, up to a number of bytes. The least recently used ones are evicted first.
///
/// A thread opens shards that are needed soon. An evicted shard stays readable for those who still hold it.
final class ShardCache: Sendable {
  private enum Slot {
    case absent
    /// In the cache folder, not open.
    case stored
    case opening
    case open(MDSShardReader)
  }

  private enum Found {
    case open(MDSShardReader)
    /// The slot is now `opening`, and the caller has to open it.
    case toOpen
  }

  private enum Wish {
    case shard(Int)
    case end
  }

  private struct State {
    var slots: [Slot]
    var lastUse: [Int]
    /// Shards whose hashes this process has compared.
    var isVerified: [Bool]
    var clock = 0
    var bytes = 0
    var opened = 0
    /// Shards needed soon, soonest first, and the number of those looked at.
    var wanted: [Int] = []
    var nextWanted = 0
    var closing = false
  }

  private let shards: [MDSShard]
  private let place: ShardLocation
  private let limitBytes: Int
  private let monitor: Monitor<State>
  /// nil if no thread can be started: then shards are opened when they are requested.
  private let prefetching: BackgroundThread?
  /// The system limits the number of mappings (65,530 by default).
  private static let maximumOpen = 8192

  init(_ shards: [MDSShard], _ place: ShardLocation, limitBytes: Int) {
    self.shards = shards
    self.place = place
    self.limitBytes = limitBytes
    var state = State(
      slots: shards.map { place.isStored($0) ? .stored : .absent }, lastUse: shards.map { _ in 0 },
      isVerified: shards.map { _ in false })
    for (slot, shard) in zip(state.slots, shards) {
      if case .stored = slot { state.bytes += place.cost(shard) }
    }
    monitor = Monitor(state)
    prefetching = BackgroundThread { [shards, place, limitBytes, monitor] in
      while case .shard(let next) = Self.nextWanted(shards, place, limitBytes, monitor) {
        // An error here occurs again, and is reported, when the shard is requested.
        _ = try? Self.open(next, shards, place, limitBytes, monitor)
      }
    }
  }

  deinit {
    monitor.with { $0.closing = true }
    prefetching?.join()
  }

  /// The shard, opened or fetched if necessary.
  func shard(_ number: Int) throws(ShardError) -> MDSShardReader {
    let found = monitor.wait(wake: false) { state -> Found? in
      state.clock += 1
      state.lastUse[number] = state.clock
      switch state.slots[number] {
      case .open(let reader): return .open(reader)
      case .opening: return nil
      case .absent, .stored:
        Self.begin(number, &state, shards, place)
        return .toOpen
      }
    }
    switch found {
    case .open(let reader): return reader
    case .toOpen: return try Self.open(number, shards, place, limitBytes, monitor)
    }
  }

  /// Announces the shards that are needed next, soonest first, in place of earlier announcements.
  func prefetch(_ numbers: [Int]) {
    monitor.with {
      guard $0.wanted != numbers else { return }
      $0.wanted = numbers
      $0.nextWanted = 0
    }
  }

  // MARK: Opening

  /// Waits for a wanted shard that is not open and fits.
  private static func nextWanted(
    _ shards: [MDSShard], _ place: ShardLocation, _ limitBytes: Int, _ monitor: Monitor<State>
  ) -> Wish {
    monitor.wait(wake: false) { (state) -> Wish? in
      if state.closing { return .end }
      while state.nextWanted < state.wanted.count {
        let number = state.wanted[state.nextWanted]
        state.nextWanted += 1
        switch state.slots[number] {
        case .open, .opening: continue
        case .absent, .stored: break
        }
        // Shards that are needed sooner are not evicted for later ones.
        let wanted = state.wanted.reduce(0) { $0 + ($1 == number ? 0 : place.cost(shards[$1])) }
        guard wanted + place.cost(shards[number]) <= limitBytes else { continue }
        state.clock += 1
        state.lastUse[number] = state.clock
        begin(number, &state, shards, place)
        return .shard(number)
      }
      return nil
    }
  }

  private static func begin(_ number: Int, _ state: inout State, _ shards: [MDSShard], _ place: ShardLocation) {
    if case .absent = state.slots[number] { state.bytes += place.cost(shards[number]) }
    state.slots[number] = .opening
  }

  /// Opens a shard whose slot is `opening`.
  private static func open(
    _ number: Int, _ shards: [MDSShard], _ place: ShardLocation, _ limitBytes: Int, _ monitor: Monitor<State>
  ) throws(ShardError) -> MDSShardReader {
    let verify = monitor.with(wake: false) { state in
      evict(&state, shards, place, limitBytes)
      return !state.isVerified[number]
    }
    do throws(ShardError) {
      let reader = try place.open(shards[number], verify: verify)
      monitor.with {
        $0.slots[number] = .open(reader)
        $0.isVerified[number] = true
        $0.opened += 1
      }
      return reader
    } catch {
      monitor.with {
        $0.slots[number] = .absent
        $0.bytes -= place.cost(shards[number])
      }
      throw error
    }
  }

  /// Makes room; the shard that is being opened stays even if it alone exceeds the limit.
  private static func evict(_ state: inout State, _ shards: [MDSShard], _ place: ShardLocation, _ limitBytes: Int) {
    while state.bytes > limitBytes || state.opened >= maximumOpen {
      let overLimit = state.bytes > limitBytes
      var oldest: Int?
      for (number, slot) in state.slots.enumerated() {
        switch slot {
        case .absent, .opening: continue
        case .stored where !overLimit: continue
        case .stored, .open: break
        }
        if overLimit && place.cost(shards[number]) == 0 { continue }
        if state.lastUse[number] < oldest.map({ state.lastUse[$0] }) ?? .max { oldest = number }
      }
      guard let oldest else { return }
      if case .open = state.slots[oldest] { state.opened -= 1 }
      if overLimit {
        state.slots[oldest] = .absent
        state.bytes -= place.cost(shards[oldest])
        state.isVerified[oldest] = false
        place.remove(shards[oldest])
      } else {
        close(oldest, &state, shards, place)
      }
    }
  }

  private static func close(_ number: Int, _ state: inout State, _ shards: [MDSShard], _ place: ShardLocation) {
    if case .cache = place {
      state.slots[number] = .stored
    } else {
      state.slots[number] = .absent
      state.bytes -= place.cost(shards[number])
    }
  }
}

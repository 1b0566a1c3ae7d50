import ShardKit

/// A sample of a batch.
struct PlacedSample: Equatable, Sendable {
  /// Its number across all data sets.
  var number: Int
  /// How often its data set, or its source in a mixture, was read before.
  var epoch: Int
  /// In a mixture: the place of its source.
  var source = 0
}

/// Finds the samples of steps. Keeps the orders of the epochs that are being read.
struct SampleReading {
  private let plan: BatchPlan
  /// By source; without a mixture there is one.
  private var orders: [[(epoch: Int, order: [UInt32]?)]]
  /// Of the last steps that were asked for, each dealt once for all its microbatches.
  private var dealt: [(begin: Int, draws: [(source: Int, position: Int)])] = []
  /// More than are announced at a time.
  private static let dealtSteps = 8
  /// How often a step was dealt.
  private(set) var deals = 0

  init(_ plan: BatchPlan) {
    self.plan = plan
    orders = [[(epoch: Int, order: [UInt32]?)]](repeating: [], count: plan.sets.count)
  }

  /// The samples at places of the epoch, or of the training of a mixture: all of one step.
  mutating func samples(_ places: Range<Int>, _ cursor: BatchCursor) throws(ShardError) -> [PlacedSample] {
    guard let mixture = plan.mixture else {
      let order = try order(0, cursor.epoch)
      return places.map { PlacedSample(number: plan.sample(at: $0, order), epoch: cursor.epoch) }
    }
    let draws = draws(mixture, cursor)
    var samples: [PlacedSample] = []
    samples.reserveCapacity(places.count)
    for place in places {
      let (source, position) = draws[place - cursor.sampleInEpoch]
      let set = plan.sets[source]
      let (epoch, index) = position.quotientAndRemainder(dividingBy: set.samples)
      let own = try order(source, epoch).map { Int($0[index]) } ?? index
      samples.append(PlacedSample(number: set.first + own, epoch: epoch, source: source))
    }
    return samples
  }

  /// The numbers of samples of a later step, without those of epochs whose order is not known yet.
  mutating func announced(_ places: Range<Int>, _ cursor: BatchCursor) -> [Int] {
    guard let mixture = plan.mixture else {
      guard let entry = known(0, cursor.epoch) else { return [] }
      return places.map { plan.sample(at: $0, entry.order) }
    }
    let draws = draws(mixture, cursor)
    guard !draws.isEmpty else { return [] }
    return places.compactMap { place in
      let (source, position) = draws[place - cursor.sampleInEpoch]
      let set = plan.sets[source]
      let (epoch, index) = position.quotientAndRemainder(dividingBy: set.samples)
      guard let entry = known(source, epoch) else { return nil }
      return set.first + (entry.order.map { Int($0[index]) } ?? index)
    }
  }

  private func known(_ source: Int, _ epoch: Int) -> (epoch: Int, order: [UInt32]?)? {
    orders[source].first { $0.epoch == epoch }
  }

  private mutating func draws(_ mixture: TokenMixture, _ cursor: BatchCursor) -> [(source: Int, position: Int)] {
    let begin = cursor.sampleInEpoch
    if let step = dealt.first(where: { $0.begin == begin }) { return step.draws }
    if dealt.count == Self.dealtSteps { dealt.removeFirst() }
    deals += 1
    let draws = mixture.draws(from: begin, count: plan.sizes.size(after: cursor.step), plan.sizes)
    dealt.append((begin, draws))
    return draws
  }

  private mutating func order(_ source: Int, _ epoch: Int) throws(ShardError) -> [UInt32]? {
    if let known = orders[source].first(where: { $0.epoch == epoch }) { return known.order }
    // Without a mixture, the old order is freed before the new one is computed. In one, a step may end an epoch of a
    // source and begin the next one.
    orders[source].removeAll { plan.mixture == nil || $0.epoch != epoch - 1 }
    let order = try plan.order(of: source, epoch: epoch)
    orders[source].append((epoch, order))
    return order
  }
}

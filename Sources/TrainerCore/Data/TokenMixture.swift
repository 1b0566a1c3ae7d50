import ShardKit

/// Named sets of tokens that a training reads side by side, and how many samples of each it takes, phase by phase.
///
/// Which set each sample of the training is from follows from these numbers alone: not from processes, microbatches or
/// where a training was interrupted.
public struct TokenMixture: Codable, Equatable, Sendable {
  /// A set of tokens.
  public struct Source: Codable, Equatable, Sendable {
    public var name: String
    /// Of its data sets, which are read as one.
    public var folders: [String]
    /// Shards of all its data sets together.
    public var shards: Int
    public var samples: Int
    /// Identifies its data, wherever they are stored.
    public var digest: String
    /// Samples of it that a training which this one continues has taken.
    public var start = 0

    public init(name: String, folders: [String], shards: Int, samples: Int, digest: String, start: Int = 0) {
      self.name = name
      self.folders = folders
      self.shards = shards
      self.samples = samples
      self.digest = digest
      self.start = start
    }
  }

  /// Steps with the same shares.
  public struct Phase: Codable, Equatable, Sendable {
    /// Its last step; it begins after the phase before.
    public var until: Int
    /// Samples of each source that its steps take, in the order of the sources: together the steps times the batch size.
    public var amounts: [Int]

    public init(until: Int, amounts: [Int]) {
      self.until = until
      self.amounts = amounts
    }
  }

  /// In the order in which samples are numbered.
  public var sources: [Source]
  /// In order; the last one ends at the last step of the training.
  public var phases: [Phase]
  /// The step of the training that this one continues, where the sources' starts are counted; 0: none.
  public var firstStep: Int

  public init(sources: [Source], phases: [Phase], firstStep: Int = 0) {
    self.sources = sources
    self.phases = phases
    self.firstStep = firstStep
  }

  public var folders: [String] { sources.flatMap(\.folders) }

  /// Whether phases that end after a step take any samples of a source.
  public func isRead(_ source: Int, after step: Int = 0) -> Bool {
    phases.contains { $0.until > step && $0.amounts[source] > 0 }
  }

  /// Identifies the data of all sources.
  public var digest: String {
    var digester = Digester()
    for source in sources {
      for field in [source.name, source.digest] { digester.update(field: field) }
    }
    return digester.finish().hex
  }

  /// The same without places on this machine.
  var withoutPlaces: TokenMixture {
    var mixture = self
    for place in mixture.sources.indices { mixture.sources[place].folders = [] }
    return mixture
  }

  /// Whether the phases are those of a training.
  func fits(steps: Int, _ sizes: StepSizes) -> Bool {
    var last = 0
    for phase in phases {
      let samples = phase.amounts.reduce(0) { $0 + max(0, $1) }
      guard phase.amounts.count == sources.count, phase.amounts.allSatisfy({ $0 >= 0 }), phase.until > last,
        samples == sizes.samples(of: last..<phase.until)
      else { return false }
      last = phase.until
    }
    return last == steps && sources.allSatisfy { $0.samples > 0 && $0.start >= 0 } && 0..<steps ~= firstStep
  }

  /// Memory for the decompressed shards of each data set: together as much as that of a single one. The smallest have room
  /// for all that they decompress, as far as an equal share goes; the others divide the rest. Sources that are not read
  /// have none.
  /// - Parameter indices: of the data sets, in their order.
  func memory(_ indices: [MDSIndex], of bytes: Int = 4 << 30) -> [Int] {
    let owners = sources.indices.flatMap { source in sources[source].folders.map { _ in source } }
    let sizes = zip(indices, owners).map { index, source in
      isRead(source, after: firstStep)
        ? index.shards.reduce(0) { $0 + ($1.zip == nil ? 0 : Int($1.raw.bytes)) } : 0
    }
    var out = [Int](repeating: 0, count: sizes.count)
    let wanted = sizes.indices.filter { sizes[$0] > 0 }.sorted { (sizes[$0], $0) < (sizes[$1], $1) }
    var rest = bytes
    for (place, index) in wanted.enumerated() {
      let left = wanted.count - place
      out[index] = left == 1 ? rest : min(sizes[index], rest / left)
      rest -= out[index]
    }
    return out
  }

  // MARK: Amounts

  /// Samples of each source among the first ones of the training.
  /// - Parameter samples: a number from 0 to that of all steps.
  public func amounts(of samples: Int, _ sizes: StepSizes) -> [Int] {
    var sum = [Int](repeating: 0, count: sources.count)
    var begin = 0
    for phase in phases {
      let end = sizes.samples(of: phase.until)
      let part = samples < end ? Apportionment(phase.amounts).seats(samples - begin) : phase.amounts
      for (source, amount) in part.enumerated() { sum[source] += amount }
      guard samples >= end else { break }
      begin = end
    }
    return sum
  }

  /// Samples of each source that are taken up to a sample of the training, with those of the training that this one
  /// continues.
  public func positions(at samples: Int, _ sizes: StepSizes) -> [Int] {
    let before = amounts(of: sizes.samples(of: firstStep), sizes)
    let now = amounts(of: samples, sizes)
    return sources.indices.map { sources[$0].start + now[$0] - before[$0] }
  }

  /// The source of each sample of a step, and the sample's number in the source: counted on through the epochs.
  /// - Parameters:
  ///   - sample: the first one, of the training.
  ///   - count: of the step.
  func draws(from sample: Int, count: Int, _ sizes: StepSizes) -> [(source: Int, position: Int)] {
    var positions = positions(at: sample, sizes)
    guard let place = phases.firstIndex(where: { sample < sizes.samples(of: $0.until) }) else { return [] }
    let begin = place == 0 ? 0 : sizes.samples(of: phases[place - 1].until)
    var deal = Apportionment(phases[place].amounts)
    deal.give(sample - begin)
    return (0..<count).map { _ in
      let source = deal.giveNext()
      defer { positions[source] += 1 }
      return (source, positions[source])
    }
  }
}

/// Deals seats to parties one at a time, so that at every moment each has its share as nearly as whole numbers can be:
/// Webster's method (Sainte-Laguë). The seat number j of a party with the amount a is due at (j − ½) / a, and seats are
/// given in the order in which they are due, ties in the order of the parties.
///
/// Its state after any number of seats is found at once, without dealing those before. After as many seats as there are
/// amounts, each party has exactly its amount.
public struct Apportionment: Sendable {
  public let amounts: [Int]
  /// Seats of each party.
  public private(set) var given: [Int]

  /// - Parameter amounts: not negative, and not all 0.
  public init(_ amounts: [Int]) {
    self.amounts = amounts
    given = [Int](repeating: 0, count: amounts.count)
  }

  /// Each party's seats among the first ones.
  public func seats(_ count: Int) -> [Int] {
    var deal = Apportionment(amounts)
    deal.give(count)
    return deal.given
  }

  /// As if `giveNext` had been called as many times from the start.
  mutating func give(_ count: Int) {
    let total = amounts.reduce(0.0) { $0 + Double($1) }
    // Seats that are due by then are at most one fewer than `count`, whatever is rounded up: so all of them are among the
    // first ones, and few are left to be dealt.
    let time = max(0, (Double(count) - Double(amounts.count) / 2 - 1) / total)
    given = amounts.map { Int((time * Double($0) + (time > 0 ? 0.5 : 0)).rounded(.down)) }
    for _ in 0..<max(0, count - given.reduce(0, +)) { _ = giveNext() }
  }

  /// Gives the next seat.
  /// - Returns: the party.
  mutating func giveNext() -> Int {
    var next = 0
    var earliest = Double.infinity
    for (party, amount) in amounts.enumerated() where amount > 0 {
      let due = (Double(given[party]) + 0.5) / Double(amount)
      if due < earliest { (next, earliest) = (party, due) }
    }
    given[next] += 1
    return next
  }
}

import ShardKit
import TestKit
import Testing

@testable import TrainerCore

/// Which samples a mixture takes, against plain accounts of it: sample for sample, epoch for epoch.
@Suite final class TokenMixtureTests {
  private let folders: [String]
  private let samples: TokenSamples
  private var job: TrainingJob

  /// Sets of 60, 13 and 203 samples, the last one of two data sets.
  init() throws {
    folders = try [60, 13, 103, 100].map { try SampleData.tokens(samples: $0, perShard: 20) }
    samples = try TokenSamples(folders.map { try MDSDataset(folder: $0) })
    func source(_ name: String, _ places: Range<Int>, _ shards: Int, _ samples: Int, start: Int = 0)
      -> TokenMixture.Source
    {
      TokenMixture.Source(
        name: name, folders: Array(folders[places]), shards: shards, samples: samples, digest: "digest of \(name)",
        start: start)
    }
    job = TrainingJob()
    (job.sequenceLength, job.batchSize, job.microbatchSize, job.steps, job.seed) = (32, 16, 3, 40, 29)
    job.mixture = TokenMixture(
      sources: [source("web", 0..<1, 3, 60), source("books", 1..<2, 1, 13), source("news", 2..<4, 11, 203)],
      phases: [.init(until: 15, amounts: [120, 20, 100]), .init(until: 40, amounts: [50, 0, 350])])
  }

  deinit { for folder in folders { try? FileSystem.removeTree(folder) } }

  private func source(_ rank: Int = 0, of world: Int = 1, micro: Int = 3) throws -> BatchSource {
    var place = ProcessRank()
    (place.rank, place.size) = (rank, world)
    var job = job
    job.microbatchSize = micro
    let masking = try TokenMasking(seed: 5, maskID: 4, vocabulary: 100, specialIDs: [0, 1, 2, 3, 4])
    return try BatchSource(samples, masking: masking, job.batches(place))
  }

  private func take(_ source: BatchSource, _ count: Int) throws -> [Microbatch] {
    try (0..<count).map { _ in try #require(try source.next()) }
  }

  /// The seats are those of Webster's method, dealt one at a time; any number of them is found without dealing.
  @Test func sharesAreKeptAtEveryMoment() {
    for amounts in [[7, 3], [1, 1, 1], [0, 5, 0, 2], [1000, 1, 33, 333], [1], (1...40).map { $0 * $0 }] {
      let total = amounts.reduce(0, +)
      var seats = [Int](repeating: 0, count: amounts.count)
      for count in 0...total {
        if count > 0 {
          let next = amounts.indices.filter { amounts[$0] > 0 }.min {
            (2 * seats[$0] + 1) * amounts[$1] < (2 * seats[$1] + 1) * amounts[$0]
          }!
          seats[next] += 1
        }
        guard count % 7 == 0 || count > total - 50 else { continue }
        #expect(Apportionment(amounts).seats(count) == seats, "\(amounts) \(count)")
      }
      #expect(seats == amounts)
    }
    let huge = Apportionment([1 << 40, 1 << 39, 3]).seats(1 << 40)
    #expect(huge.reduce(0, +) == 1 << 40 && huge[1] == 366_503_875_925 && huge[2] == 2)
  }

  @Test func everySetIsReadInItsOrderEpochByEpoch() throws {
    let whole = try source(micro: 16)
    var read: [[Int]] = [[], [], []]
    var counts = [SourceCount](repeating: SourceCount(), count: 3)
    for step in 1...40 {
      let batch = try #require(try whole.next())
      #expect(batch.sampleCount == 16 && batch.sources.reduce(0) { $0 + $1.samples } == 16)
      for (sample, length) in zip(batch.sampleIDs, batch.lengths) {
        let set = sample < 60 ? 0 : sample < 73 ? 1 : 2
        read[set].append(sample - [0, 60, 73][set])
        counts[set] += SourceCount(samples: 1, tokens: Int(length))
      }
      for (place, count) in batch.sources.enumerated() {
        counts[place] += SourceCount(samples: -count.samples, tokens: -count.tokens)
      }
      #expect(counts.allSatisfy { $0 == SourceCount() }, "what a microbatch counts is what it has")
      if step == 15 { #expect(read.map(\.count) == [120, 20, 100]) }
    }
    #expect(try whole.next() == nil, "the mixture has no more steps")
    #expect(read.map(\.count) == [170, 20, 450])
    for (set, shards) in [[20, 20, 20], [13], [20, 20, 20, 20, 20, 3, 20, 20, 20, 20, 20]].enumerated() {
      var expected: [Int] = []
      var epoch = 0
      while expected.count < read[set].count {
        expected += try ShuffleOrder(seed: 29, canonicalNodes: 1).order(shardSamples: shards, epoch: epoch).map {
          Int($0)
        }
        epoch += 1
      }
      #expect(read[set] == Array(expected.prefix(read[set].count)))
    }
  }

  /// What is opened in advance is what is read then, and each step is dealt once.
  @Test func whatIsAnnouncedIsReadAndDealtOnce() throws {
    var place = ProcessRank()
    (place.rank, place.size) = (0, 1)
    let plan = try BatchPlan(samples.shardSamples, job.batches(place))
    var reading = SampleReading(plan)
    let first = BatchCursor(sampleInEpoch: 0), second = BatchCursor(sampleInEpoch: 16)
    #expect(reading.announced(16..<32, second) == [], "the order of no epoch is known")
    _ = try reading.samples(0..<16, first)
    #expect(
      reading.announced(16..<22, second) + reading.announced(22..<32, second)
        == (try reading.samples(16..<32, second).map(\.number)))
    #expect(reading.deals == 2)
    // Books begin their second epoch in the phase's step 10: 20 of 240 samples are theirs.
    let later = BatchCursor(sampleInEpoch: 13 * 16)
    #expect(reading.announced(13 * 16..<14 * 16, later).allSatisfy { !(60..<73).contains($0) })
    #expect(try reading.samples(13 * 16..<14 * 16, later).contains { $0.source == 1 && $0.epoch == 1 })
    for step in 0..<40 {
      for micro in 0..<4 {
        _ = reading.announced(step * 16 + micro * 4..<step * 16 + micro * 4 + 4, BatchCursor(sampleInEpoch: step * 16))
      }
    }
    #expect(reading.deals <= 43)
  }

  /// A set that the training leaves out does not hold its epochs at 0.
  @Test func setsThatAreNotReadHaveNoEpoch() throws {
    func epoch(_ job: TrainingJob, _ step: Int) throws -> Int {
      try StepSamples(ofStep: step, job, shardSamples: samples.shardSamples).epoch
    }
    var job = job
    job.mixture!.phases = [.init(until: 40, amounts: [440, 200, 0])]
    #expect(try epoch(job, 1) == 0 && epoch(job, 40) == 7, "429 of 60 samples, and 195 of 13")
    job.mixture!.phases = [.init(until: 40, amounts: [437, 200, 3])]
    #expect(try epoch(job, 40) == 0)
    let epochs = try StepSamples(ofStep: 40, job, shardSamples: samples.shardSamples).epochs
    #expect(Set(epochs).isSubset(of: [7, 14, 15, 0]) && epochs.contains(7))
    job.mixture!.phases = [.init(until: 9, amounts: [0, 0, 144]), .init(until: 40, amounts: [496, 0, 0])]
    #expect((0..<3).map { job.mixture!.isRead($0) } == [true, false, true])
    #expect((0..<3).map { job.mixture!.isRead($0, after: 9) } == [true, false, false])
  }

  /// Any number of processes, any microbatch, begun at any step: the same samples with the same masks.
  @Test(arguments: [(2, 4), (3, 4), (5, 2), (16, 1), (1, 5)])
  func stepsDoNotDependOnHowTheyAreShared(_ world: Int, _ micro: Int) throws {
    let alone = try take(source(micro: 16), 40)
    let sources = try (0..<world).map { try source($0, of: world, micro: micro) }
    for step in [0, 1, 2, 14, 15, 16, 17, 39] {
      for source in sources {
        if step % 2 == 0 { try source.seek(epoch: 0, sampleInEpoch: step * 16) }
        if step == 17 { source.skip(steps: 0) }
      }
      if step == 39 { for source in sources { source.skip(steps: 21) } }
      var parts: [Microbatch] = []
      for source in sources { parts += try take(source, source.microbatchesPerStep) }
      parts.sort { $0.number < $1.number }
      #expect(parts.flatMap(\.sampleIDs) == alone[step].sampleIDs)
      #expect(parts.flatMap(\.labels) == alone[step].labels)
      #expect(parts.reduce(0) { $0 + $1.sources[2].tokens } == alone[step].sources[2].tokens)
      let traced = try StepSamples(ofStep: step + 1, job, shardSamples: samples.shardSamples)
      #expect(traced.samples == alone[step].sampleIDs && traced.epoch == alone[step].epoch)
      #expect(sources[0].state.sampleInEpoch == (step + 1) * 16)
    }
  }

  /// A training that continues another one goes on in every set that both read, whatever the shares are now.
  @Test func aContinuedTrainingGoesOnInEachSet() throws {
    func state(_ order: String) -> CheckpointState {
      let positions = job.mixture!.positions(at: 20 * 16, StepSizes(batchSize: 16))
      return CheckpointState(
        step: 20, sampleInEpoch: 320, order: job.order,
        sources: zip(job.mixture!.sources, positions).map {
          SourceState(name: $0.name, data: $0.digest, order: order, position: $1, learned: SourceCount())
        })
    }
    var next = job
    next.mixture!.firstStep = 20
    for place in 0..<3 {
      next.mixture!.sources[place].start = next.start(of: job.mixture!.sources[place], continuing: state(job.setOrder))
    }
    for step in [21, 33, 40] {
      #expect(
        try StepSamples(ofStep: step, next, shardSamples: samples.shardSamples, continuing: state(job.setOrder))
          == StepSamples(ofStep: step, job, shardSamples: samples.shardSamples), "as if it had never stopped")
    }
    #expect(next.start(of: job.mixture!.sources[2], continuing: state("py1s, seed 1")) == 203, "the next epoch")
    var other = job.mixture!.sources[2]
    other.digest = "other"
    #expect(next.start(of: other, continuing: state(job.setOrder)) == 0, "new data")
    // The only set of a training without a mixture.
    var single = CheckpointState(step: 30, epoch: 2, sampleInEpoch: 32, data: "digest of web", order: job.order)
    #expect(next.start(of: job.mixture!.sources[0], continuing: single) == 2 * 60 + 32)
    single.order = "py1e, seed 30, batches of 16"
    #expect(next.start(of: job.mixture!.sources[0], continuing: single) == 3 * 60)
    #expect(next.start(of: job.mixture!.sources[1], continuing: single) == 0)
    #expect(next.dataStart(continuing: single, samples: 276).sampleInEpoch == 30 * 16)

    func warnings(_ job: TrainingJob, _ state: CheckpointState) -> [String] {
      job.warnings(of: job.dataStart(continuing: state, samples: 60), continuing: state)
    }
    #expect(warnings(next, state(job.setOrder)) == [])
    // After 20 steps: 130 of 60, 20 of 13, 170 of 203.
    var jumped = next
    for place in 0..<3 {
      jumped.mixture!.sources[place].start = next.start(
        of: job.mixture!.sources[place], continuing: state("py1s, seed 1"))
    }
    #expect(jumped.mixture!.sources.map(\.start) == [180, 26, 203])
    #expect(warnings(jumped, state("py1s, seed 1")).count == 3)
    #expect(warnings(jumped, state("py1s, seed 1"))[1].contains("'books' in another order"))
    #expect(warnings(jumped, state("py1s, seed 1"))[1].hasSuffix("of its next epoch, 2"))

    // One of its sets, without a name: 130 of 60 samples were taken.
    var alone = job
    (alone.mixture, alone.dataDigest) = (nil, "digest of web")
    var place = alone.dataStart(continuing: state(job.setOrder), samples: 60)
    #expect(place == (2, 10, false) && warnings(alone, state(job.setOrder)) == [])
    place = alone.dataStart(continuing: state("py1s, seed 1"), samples: 60)
    #expect(place == (3, 0, true) && warnings(alone, state("py1s, seed 1"))[0].hasSuffix("with the next epoch, 3"))
    let shards = Array(samples.shardSamples.prefix(3))
    let order = try ShuffleOrder(seed: 29, canonicalNodes: 1).order(shardSamples: shards, epoch: 2).map { Int($0) }
    #expect(
      try StepSamples(ofStep: 21, alone, shardSamples: shards, continuing: state(job.setOrder)).samples
        == Array(order[10..<26]))
    alone.dataDigest = "new"
    place = alone.dataStart(continuing: state(job.setOrder), samples: 60)
    #expect(
      place == (0, 0, false) && warnings(alone, state(job.setOrder))[0].contains("a mixture without these tokens"))
    #expect(warnings(alone, single) == [], "other data, as in a second phase")
  }

  @Test func memoryIsDividedByWhatIsDecompressed() throws {
    func index(_ bytes: Int, _ shards: Int, isCompressed: Bool = true) throws -> MDSIndex {
      let file = #"{"basename":"s","bytes":\#(bytes),"hashes":{}}"#
      let shard = #"""
        {"column_encodings":["int"],"column_names":["n"],"column_sizes":[8],"compression":null,"format":"mds","hashes":[],
        "raw_data":\#(file),"samples":1,"size_limit":9,"version":2,"zip_data":\#(isCompressed ? file : "null")}
        """#
      let list = [String](repeating: shard, count: shards).joined(separator: ",")
      return try MDSIndex(text: Array(#"{"shards":[\#(list)],"version":2}"#.utf8), name: "test")
    }
    let indices = try [index(100, 3), index(100, 1), index(50, 2), index(900, 1, isCompressed: false)]
    #expect(job.mixture!.memory(indices, of: 1000) == [800, 100, 100, 0])
    #expect(job.mixture!.memory(indices, of: 300) == [100, 100, 100, 0])
    #expect(job.mixture!.memory(indices, of: 420) == [220, 100, 100, 0], "small sets are held whole")
    var mixture = job.mixture!
    mixture.phases = [.init(until: 40, amounts: [0, 240, 400])]
    #expect(mixture.memory(indices, of: 1000) == [0, 100, 900, 0], "a set that is not read needs none")
    #expect(mixture.memory([indices[3], indices[3], indices[3], indices[3]], of: 1000) == [0, 0, 0, 0])
  }

  @Test func aMixtureIdentifiesATraining() throws {
    var moved = job
    moved.mixture!.sources[0].folders = ["/elsewhere"]
    #expect(moved.fingerprint == job.fingerprint)
    var changed = job
    changed.mixture!.phases[1].amounts = [51, 0, 349]
    #expect(changed.fingerprint != job.fingerprint)
    let path = temporaryDirectory() + "/job.json"
    try FileSystem.write(Array(job.json.prettyText().utf8), to: path)
    #expect(try TrainingJob(path: path) == job)
    changed.mixture!.phases[1].amounts = [51, 0, 350]
    try FileSystem.write(Array(changed.json.prettyText().utf8), to: path)
    #expect(throws: TorchError.self) { try TrainingJob(path: path) }
    // Trainings without these keep the identity that they had before there were any.
    var plain = TrainingJob()
    let members = plain.identity(keepingCourse: false).members?.map(\.key) ?? []
    #expect(!members.contains("mixture") && !members.contains("shuffleWindow"))
    plain.shuffleWindow = 3
    #expect(plain.fingerprint != TrainingJob().fingerprint)
  }

  @Test func ordersWithoutAShuffleAreThoseOfTheData() throws {
    let plain = try ShuffleOrder(.off, canonicalNodes: 1).order(shardSamples: [3, 0, 4], epoch: 2)
    #expect(plain == [0, 1, 2, 3, 4, 5, 6])
    func windows(_ epoch: Int) throws -> [UInt32] {
      try ShuffleOrder(.window, seed: 1, canonicalNodes: 1, blockSamples: 10).order(
        shardSamples: [30, 13], epoch: epoch)
    }
    for start in stride(from: 0, to: 43, by: 10) {
      let own = try windows(0)[start..<min(43, start + 10)]
      #expect(own.sorted() == Array(UInt32(start)..<UInt32(min(43, start + 10))) && own.sorted() != Array(own))
    }
    #expect(try windows(0) == windows(0) && windows(0) != windows(1))
  }
}

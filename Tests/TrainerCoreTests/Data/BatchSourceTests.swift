import ShardKit
import TestKit
import Testing
import TrainerCore

private func masking() throws -> TokenMasking {
  try TokenMasking(seed: 5, maskID: 4, vocabulary: 100, specialIDs: [0, 1, 2, 3, 4])
}

private func options(rank: Int = 0, world: Int = 1, batch: Int = 16, micro: Int = 4) -> BatchOptions {
  var options = BatchOptions(sequenceLength: 32, batchSize: batch, microbatchSize: micro)
  options.rank = rank
  options.world = world
  return options
}

private func take(_ source: BatchSource, _ count: Int) throws -> [Microbatch] {
  try (0..<count).map { _ in try #require(try source.next()) }
}

/// 203 samples in 11 shards.
private final class TokenFolder {
  let folder: String
  let samples: TokenSamples

  init() throws {
    folder = try SampleData.tokens(samples: 203, perShard: 20)
    samples = try TokenSamples([MDSDataset(folder: folder)])
  }
  deinit { try? FileSystem.removeTree(folder) }
}

@Suite struct BatchSourceTests {
  private let data: TokenFolder
  init() throws { data = try TokenFolder() }

  @Test func microbatchesHoldTheirSamples() throws {
    let source = try BatchSource(data.samples, masking: masking(), options())
    #expect(source.microbatchesPerStep == 4 && source.stepsPerEpoch == 12)
    for batch in try take(source, 9) {
      #expect(batch.sampleCount == 4 && batch.ids.count == 4 * batch.length && batch.length % 8 == 0)
      #expect(batch.length < Int(batch.lengths.max()!) + 8 && batch.tokens == Int(batch.lengths.reduce(0, +)))
      var restored = batch.ids
      for (place, label) in zip(batch.positions, batch.labels) { restored[Int(place)] = Int32(label) }
      #expect(batch.positions == batch.positions.sorted())
      for (i, sample) in batch.sampleIDs.enumerated() {
        let row = Array(restored[i * batch.length..<(i + 1) * batch.length])
        let ids = SampleData.tokens(sample)
        #expect(row == ids + [Int32](repeating: 0, count: batch.length - ids.count))
        #expect(Int(batch.lengths[i]) == ids.count)
      }
      let documents = try source.documents(of: batch)
      #expect(documents.prefix(2) == ["doc \(batch.sampleIDs[0])", "文書\(2 * batch.sampleIDs[0])"])
    }
  }

  /// Each step's microbatches, with ids and masks, must be those of one device.
  @Test(arguments: [2, 4])
  func devicesShareTheBatchesOfOne(_ world: Int) throws {
    let alone = try take(BatchSource(data.samples, masking: masking(), options()), 4 * 30)
    var shared: [[Microbatch]] = []
    for rank in 0..<world {
      let source = try BatchSource(data.samples, masking: masking(), options(rank: rank, world: world))
      shared.append(try take(source, 4 / world * 30))
    }
    for (i, batch) in alone.enumerated() {
      #expect(batch.number == i % 4)
      #expect(shared[i % world][i / world] == batch)
    }
  }

  /// Any number of devices, any microbatch: a step has the samples of one device, each once, with the same masks.
  @Test(arguments: [(3, 4), (5, 4), (16, 1), (1, 3), (2, 5), (4, 100), (7, 2)])
  func aStepIsSharedOutWhole(_ world: Int, _ micro: Int) throws {
    let alone = try take(BatchSource(data.samples, masking: masking(), options(micro: 16)), 20)
    let sources = try (0..<world).map {
      try BatchSource(data.samples, masking: masking(), options(rank: $0, world: world, micro: micro))
    }
    for step in alone {
      var parts: [Microbatch] = []
      for source in sources { parts += try take(source, source.microbatchesPerStep) }
      #expect(Set(sources.map(\.microbatchesPerStep)).count == 1)
      parts.sort { $0.number < $1.number }
      #expect(parts.map(\.number) == Array(parts.indices) && parts.allSatisfy { $0.sampleCount <= micro })
      #expect(parts.flatMap(\.sampleIDs) == step.sampleIDs)
      #expect(parts.flatMap(\.labels) == step.labels)
      #expect(parts.flatMap { part in (0..<part.sampleCount).map { part.firstInBatch + $0 } } == Array(0..<16))
    }
  }

  @Test func stepsAreLeftOut() throws {
    let all = try take(BatchSource(data.samples, masking: masking(), options()), 4 * 30)
    let source = try BatchSource(data.samples, masking: masking(), options())
    _ = try take(source, 4 * 3)
    source.skip(steps: 11)
    #expect(try take(source, 8) == Array(all[(4 * 14)..<(4 * 16)]), "over the end of an epoch")
    let state = source.state
    try source.seek(epoch: state.epoch, sampleInEpoch: state.sampleInEpoch)
    #expect(try take(source, 4) == Array(all[(4 * 16)..<(4 * 17)]))
  }

  @Test(arguments: ShuffleOrder.Algorithm.streamings)
  func anEpochHasEverySampleOnceButTheLast(_ algorithm: ShuffleOrder.Algorithm) throws {
    var options = options()
    options.shuffle = algorithm
    options.canonicalNodes = 1
    let source = try BatchSource(data.samples, masking: masking(), options)
    var orders: [[Int]] = []
    for epoch in 0..<3 {
      let batches = try take(source, 12 * 4)
      #expect(batches.allSatisfy { $0.epoch == epoch })
      orders.append(batches.flatMap(\.sampleIDs))
      #expect(Set(orders[epoch]).count == 12 * 16)
    }
    #expect(Set(orders).count == 3)
    let expected = try ShuffleOrder(algorithm, canonicalNodes: 1)
      .order(shardSamples: data.samples.shardSamples, epoch: 1)
    #expect(orders[1] == expected.prefix(192).map { Int($0) })
  }

  @Test func seekingGoesToAnyStep() throws {
    let whole = try take(BatchSource(data.samples, masking: masking(), options()), 4 * 40)
    let source = try BatchSource(data.samples, masking: masking(), options())
    for step in [7, 0, 11, 12, 39, 25] {
      try source.seek(sample: step * 16)
      #expect(source.state.epoch == step / 12 && source.state.sampleInEpoch == step % 12 * 16)
      if step < 39 { #expect(try take(source, 5) == Array(whole[4 * step..<4 * step + 5])) }
    }
    #expect { try source.seek(sample: 17) } throws: { "\($0)".contains("no step begins after 17 samples") }
  }

  @Test func aResumedRunGoesOnWhereItsStateSays() throws {
    var first = options()
    first.canonicalNodes = 2
    first.shuffleSeed = 77
    let source = try BatchSource(data.samples, masking: masking(), first)
    _ = try take(source, 4 * 17 + 1)
    let state = source.state
    #expect(state == DataPosition(epoch: 1, sampleInEpoch: 5 * 16, canonicalNodes: 2, shuffleSeed: 77))
    let rest = try take(source, 4 * 10)
    // Other devices, and options that the state overrules.
    for rank in 0..<2 {
      let resumed = try BatchSource(
        data.samples, masking: masking(), options(rank: rank, world: 2), from: state)
      let batches = try take(resumed, 10)
      #expect(Array(batches[2...]) == (0..<8).map { rest[3 + 2 * $0 + rank] })
      #expect(resumed.state.canonicalNodes == 2)
    }
  }

  @Test func aChangedGlobalBatchGoesOnInMidEpoch() throws {
    let source = try BatchSource(
      data.samples, masking: masking(), options(batch: 32), from: DataPosition(sampleInEpoch: 48, canonicalNodes: 1))
    let order = try ShuffleOrder(canonicalNodes: 1).order(shardSamples: data.samples.shardSamples, epoch: 0)
    #expect(try take(source, 8).flatMap(\.sampleIDs) == order[48..<80].map { Int($0) })
    #expect(source.state.sampleInEpoch == 80)
  }

  @Test func whatIsMadeAheadChangesNothing() throws {
    var far = options()
    far.prepared = 50
    var near = options()
    near.prepared = 1
    #expect(
      try take(BatchSource(data.samples, masking: masking(), far), 60)
        == take(BatchSource(data.samples, masking: masking(), near), 60))
  }

  @Test func evaluationIsOnePassWithFixedMasks() throws {
    for world in [1, 3] {
      var batches: [Microbatch] = []
      for rank in 0..<world {
        let source = try BatchSource.evaluation(
          data.samples, masking: masking(), options(rank: rank, world: world, micro: 10))
        while let batch = try source.next() { batches.append(batch) }
        #expect(try source.next() == nil)
      }
      batches.sort { $0.number < $1.number }
      #expect(batches.flatMap(\.sampleIDs) == Array(0..<203) && batches.last?.sampleCount == 3)
      #expect(batches.map(\.number) == Array(0..<21))
      let share =
        Double(batches.reduce(0) { $0 + $1.positions.count })
        / Double(batches.reduce(0) { $0 + $1.tokens } - 2 * 203)
      #expect(abs(share - 0.15) < 0.03)
      let again = try BatchSource.evaluation(data.samples, masking: masking(), options(micro: 10))
      #expect(try take(again, 21) == batches)
      try again.seek(sample: 20)
      #expect(try again.next() == batches[2])
    }
  }

  @Test func lengthsMayBeFixed() throws {
    var fixed = options()
    fixed.padding = .fixed
    #expect(try take(BatchSource(data.samples, masking: masking(), fixed), 6).allSatisfy { $0.length == 32 })
  }

  /// An error comes out of `next`, again each time, and names what to do.
  @Test func longSamplesStopTheSource() throws {
    var short = options()
    short.sequenceLength = 16
    let source = try BatchSource(data.samples, masking: masking(), short)
    for _ in 0..<2 {
      #expect {
        while true { _ = try source.next() }
      } throws: {
        "\($0)".contains("tokens, the sequence length is 16. Raise the sequence length")
      }
    }
  }

  @Test func impossibleBatchesAreRefused() throws {
    #expect {
      _ = try BatchSource(data.samples, masking: masking(), options(world: 17))
    } throws: {
      "\($0)" == "batches: a batch of 16 samples is too small for 17 devices. "
        + "Use a larger batch, or fewer devices."
    }
    #expect {
      _ = try BatchSource(data.samples, masking: masking(), options(batch: 512))
    } throws: {
      "\($0)".hasPrefix("batches: 203 samples do not fill a batch of 512.")
    }
  }

  @Test func distantDataGivesTheSameBatches() throws {
    let cache = temporaryDirectory()
    defer { try? FileSystem.removeTree(cache) }
    let distant = try TokenSamples([
      MDSDataset(source: FolderSource(data.folder), cache: cache, limitBytes: 3000)
    ])
    #expect(
      try take(BatchSource(distant, masking: masking(), options()), 60)
        == take(BatchSource(data.samples, masking: masking(), options()), 60))
  }
}

import ShardKit
import TestKit
import Testing
import TrainerCore

private let streaming = PeerScript("mosaicml_order.py")

/// How a run is spread out, as the peer's script takes it.
private struct Spread {
  var shards: [Int]
  var algorithm: ShuffleOrder.Algorithm?
  var canonical: Int
  var nodes = 1
  var ranks = 1
  var workers = 1
  var batch = 4
  var block = 1 << 18
  var epoch = 0
  var skip = 0
  var initial: Int?

  var json: JSONValue {
    [
      "shards": .list(shards.map { .integer($0) }), "algorithm": algorithm.map { .string($0.rawValue) } ?? .null,
      "canonical": .integer(canonical), "nodes": .integer(nodes), "ranks": .integer(ranks),
      "workers": .integer(workers), "batch": .integer(batch), "block": .integer(block), "seed": 9176,
      "epoch": .integer(epoch), "skip": .integer(skip), "initial": initial.map { .integer($0) } ?? .null,
    ]
  }

  func order() throws -> [UInt32] {
    guard let algorithm else { return Array(0..<UInt32(shards.reduce(0, +))) }
    return try ShuffleOrder(algorithm, canonicalNodes: canonical, blockSamples: block)
      .order(shardSamples: shards, epoch: epoch)
  }

  func partition() throws -> EpochPartition {
    try EpochPartition(
      samples: shards.reduce(0, +), canonicalNodes: canonical, physicalNodes: nodes, ranksPerNode: ranks,
      workersPerRank: workers, batchSize: batch, sampleInEpoch: skip, initialPhysicalNodes: initial)
  }
}

/// Every place of a partition, in streaming's order of axes.
private func taken(_ partition: EpochPartition, _ order: [UInt32]) -> [Int] {
  var out: [Int] = []
  for node in 0..<partition.physicalNodes {
    for rank in 0..<partition.ranksPerNode {
      for worker in 0..<partition.workersPerRank {
        for batch in 0..<partition.batchesPerWorker {
          for index in 0..<partition.batchSize {
            let place = partition[node: node, rank: rank, worker: worker, batch: batch, index: index]
            out.append(place < 0 ? -1 : Int(order[place]))
          }
        }
      }
    }
  }
  return out
}

@Suite struct ShuffleOrderTests {
  @Test(arguments: [
    (ShuffleOrder.Algorithm.py1s, [6, 7, 8, 5, 14, 13, 12, 15, 9, 10, 11, 2, 1, 0, 3, 4]),
    (.py1e, [7, 6, 8, 14, 5, 13, 12, 15, 10, 3, 11, 2, 9, 4, 1, 0]),
    (.py2s, [5, 10, 7, 8, 15, 14, 12, 13, 0, 2, 1, 3, 4, 9, 6, 11]),
    (.py1br, [7, 6, 8, 5, 12, 13, 14, 15, 2, 11, 4, 9, 3, 0, 1, 10]),
  ])
  func smallOrdersAreStreamings(_ algorithm: ShuffleOrder.Algorithm, _ expected: [UInt32]) throws {
    let order = ShuffleOrder(algorithm, canonicalNodes: 2, blockSamples: 8)
    #expect(try order.order(shardSamples: [5, 7, 4], epoch: 0) == expected)
  }

  @Test func defaultsAreStreamings() {
    #expect(ShuffleOrder(canonicalNodes: 1).blockSamples == 4_000_000)
    #expect(ShuffleOrder(canonicalNodes: 64).blockSamples == 262_144)
    #expect(ShuffleOrder.defaultCanonicalNodes(.py1e, physicalNodes: 2) == 2)
    #expect(ShuffleOrder.defaultCanonicalNodes(.py2s, physicalNodes: 2) == 128)
  }

  /// Windows that are emitted piece by piece must not lose or repeat a sample.
  @Test(arguments: ShuffleOrder.Algorithm.streamings)
  func everySampleComesOnce(_ algorithm: ShuffleOrder.Algorithm) throws {
    let shards = (0..<400).map { 500 + $0 * 37 % 700 }
    let order = try ShuffleOrder(algorithm, canonicalNodes: 2, blockSamples: 5000)
      .order(shardSamples: shards, epoch: 3)
    #expect(order.sorted() == Array(0..<UInt32(shards.reduce(0, +))))
    #expect(order != order.sorted())
  }

  @Test func nodesWithoutSamplesAreRefused() {
    #expect {
      _ = try ShuffleOrder(.py1e, canonicalNodes: 4).order(shardSamples: [2], epoch: 0)
    } throws: {
      "\($0)"
        == "shuffle: canonical node 0 of 4 gets none of the 2 samples. Use fewer canonical nodes."
    }
  }

  /// Nodes, ranks, workers, shuffles, epochs and places to resume at, each against streaming's own functions.
  @Test(.needs(streaming.isUsable, "mosaicml-streaming is not installed"))
  func ordersAndPartitionsAreStreamings() throws {
    let even = [Int](repeating: 50, count: 9)
    let uneven = [5, 7, 4, 61, 1, 30, 0, 12, 200, 3]
    let large = (0..<120).map { 700 + $0 * 37 % 500 }
    var cases: [Spread] = []
    for algorithm in ShuffleOrder.Algorithm.streamings {
      for epoch in [0, 1, 7] {
        cases += [
          Spread(shards: even, algorithm: algorithm, canonical: 1, block: 40, epoch: epoch),
          Spread(shards: uneven, algorithm: algorithm, canonical: 2, ranks: 8, workers: 2, block: 64, epoch: epoch),
          Spread(
            shards: uneven, algorithm: algorithm, canonical: 8, nodes: 2, ranks: 3, workers: 3, batch: 5, block: 32,
            epoch: epoch),
          Spread(shards: even, algorithm: algorithm, canonical: 2, nodes: 4, ranks: 2, batch: 6, epoch: epoch),
          Spread(
            shards: even, algorithm: algorithm, canonical: 4, nodes: 2, ranks: 2, workers: 2, batch: 8, block: 100,
            epoch: epoch, skip: 96, initial: 2),
          Spread(
            shards: even, algorithm: algorithm, canonical: 4, nodes: 3, ranks: 2, workers: 2, batch: 4, epoch: epoch,
            skip: 48, initial: 2),
          Spread(shards: uneven, algorithm: algorithm, canonical: 64, nodes: 1, ranks: 4, epoch: epoch, skip: 16),
        ]
      }
      cases.append(Spread(shards: large, algorithm: algorithm, canonical: 2, batch: 512, block: 3000, epoch: 2))
    }
    for nodes in [1, 2, 3, 6] {
      for ranks in [1, 3, 8] {
        for samples in [1, 5, 6, 7, 31, 100] {
          cases.append(Spread(shards: [samples], algorithm: nil, canonical: 3, nodes: nodes, ranks: ranks, workers: 2))
        }
      }
    }
    // The peer refuses some spreads of few samples; those that it takes must agree.
    var compared = 0
    for (spread, line) in zip(cases, try lines(cases)) {
      guard let expected = line else { continue }
      let order = try spread.order()
      let partition = try spread.partition()
      #expect(order.map { Int($0) } == expected["order"]?.array?.compactMap(\.integer), "\(spread)")
      #expect(taken(partition, order) == expected["taken"]?.array?.compactMap(\.integer), "\(spread)")
      compared += 1
    }
    #expect(compared > 120, "only \(compared) of \(cases.count)")
  }

  private func lines(_ cases: [Spread]) throws -> [JSONValue?] {
    let output = try #require(streaming.run(JSONValue.list(cases.map(\.json)).text()))
    return try output.split(separator: 0x0A).map {
      let value = try JSONValue.parse(Array($0)).value
      return value == .null ? nil : value
    }
  }
}

@Suite struct EpochPartitionTests {
  /// The samples of global batch `s` may not depend on how many devices share it.
  @Test func globalBatchesKeepTheirSamples() throws {
    func batch(_ number: Int, nodes: Int, ranks: Int) throws -> [Int] {
      let partition = try EpochPartition(
        samples: 1000, canonicalNodes: 8, physicalNodes: nodes, ranksPerNode: ranks, batchSize: 32 / nodes / ranks)
      var out: [Int] = []
      for node in 0..<nodes {
        for rank in 0..<ranks {
          for index in 0..<partition.batchSize {
            out.append(partition[node: node, rank: rank, worker: 0, batch: number, index: index])
          }
        }
      }
      return out.sorted()
    }
    for number in [0, 1, 17, 30] {
      let one = try batch(number, nodes: 1, ranks: 1)
      #expect(try one == batch(number, nodes: 2, ranks: 2) && one == batch(number, nodes: 1, ranks: 8))
      #expect(try one == batch(number, nodes: 8, ranks: 4))
    }
  }

  @Test func resumingDropsWhatIsDone() throws {
    let whole = try EpochPartition(samples: 103, canonicalNodes: 2, ranksPerNode: 2, batchSize: 4)
    let rest = try EpochPartition(samples: 103, canonicalNodes: 2, ranksPerNode: 2, batchSize: 4, sampleInEpoch: 40)
    for rank in 0..<2 {
      for batch in 0..<rest.batchesPerWorker {
        for i in 0..<4 {
          #expect(
            rest[node: 0, rank: rank, worker: 0, batch: batch, index: i]
              == whole[node: 0, rank: rank, worker: 0, batch: batch + 5, index: i])
        }
      }
    }
  }

  @Test func whatCannotBeDealtOutIsRefused() {
    #expect(throws: ShardError.self) {
      try EpochPartition(samples: 10, canonicalNodes: 4, physicalNodes: 3, batchSize: 1)
    }
    #expect(throws: ShardError.self) {
      try EpochPartition(samples: 10, canonicalNodes: 1, batchSize: 1, sampleInEpoch: 12)
    }
    #expect(throws: ShardError.self) { try EpochPartition(samples: 0, canonicalNodes: 1, batchSize: 1) }
  }
}

@Suite struct DataPositionTests {
  @Test func jsonIsStreamings() throws {
    let state = DataPosition(epoch: 2, sampleInEpoch: 4096, canonicalNodes: 8)
    #expect(
      state.json.text(sortedKeys: true)
        == #"{"epoch":2,"initial_physical_nodes":1,"num_canonical_nodes":8,"sample_in_epoch":4096,"shuffle_seed":9176}"#
    )
    #expect(try DataPosition(json: state.json) == state)
  }

  @Test func oldStatesHaveNoInitialNodes() throws {
    let json: JSONValue = ["epoch": 0, "num_canonical_nodes": 1, "sample_in_epoch": 5, "shuffle_seed": 1]
    #expect(try DataPosition(json: json).initialPhysicalNodes == nil)
  }

  @Test func whatIsMissingIsNamed() {
    #expect {
      _ = try DataPosition(json: ["epoch": 0])
    } throws: {
      "\($0)" == "the member 'sample_in_epoch' is missing"
    }
  }
}

import ShardKit
import TestKit
import Testing
import TrainerCore

private let streaming = PeerScript("mosaicml_order.py")

/// What mosaicml-streaming's own dataset gives out over a folder, from its start and resumed with a state of ours.
@Suite(.needs(streaming.isUsable, "mosaicml-streaming is not installed"))
struct StreamingDatasetTests {
  /// The samples of two epochs as the dataset gives them out.
  private func given(_ folder: String, _ algorithm: String, canonical: Int, state: JSONValue) throws -> [[Int]] {
    let arguments: JSONValue = [
      "algorithm": .string(algorithm), "batch": 16, "canonical": .integer(canonical), "seed": 31, "state": state,
    ]
    let output = try #require(streaming.run(folder, arguments.text()))
    return try output.split(separator: 0x0A).map {
      (try JSONValue.parse(Array($0)).value.array ?? []).compactMap(\.integer)
    }
  }

  @Test(arguments: ["py1e", "py2s"])
  func ordersAgreeFromTheStartAndResumed(_ algorithm: String) throws {
    let folder = try SampleData.numbers(samples: 103, perShard: 11)
    defer { try? FileSystem.removeTree(folder) }
    let shards = try MDSIndex(path: folder + "/index.json").shards.map(\.samples)
    let shuffle = ShuffleOrder(.init(rawValue: algorithm)!, seed: 31, canonicalNodes: 2)
    let orders = try (0..<3).map { epoch in
      let order = try shuffle.order(shardSamples: shards, epoch: epoch)
      let partition = try EpochPartition(samples: 103, canonicalNodes: 2, batchSize: 16)
      return (0..<partition.places).map { Int(order[partition[place: $0]]) }
    }
    #expect(try given(folder, algorithm, canonical: 2, state: .null) == Array(orders[..<2]))
    let state = DataPosition(epoch: 1, sampleInEpoch: 48, canonicalNodes: 2, shuffleSeed: 31)
    #expect(
      try given(folder, algorithm, canonical: 2, state: state.json) == [Array(orders[1][48...]), orders[2]])
  }
}

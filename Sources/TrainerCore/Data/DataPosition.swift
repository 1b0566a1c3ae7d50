public import ShardKit

/// The position of training in its data, in the form of mosaicml-streaming's `state_dict`.
public struct DataPosition: JSONRecord, Equatable, Sendable {
  public static let writesNull = true

  public var epoch: Int
  /// Samples of the epoch that all devices together have taken.
  public var sampleInEpoch: Int
  public var canonicalNodes: Int
  public var shuffleSeed: Int
  /// Nodes of the run that started; nil in states of old versions of streaming.
  public var initialPhysicalNodes: Int?

  public init(
    epoch: Int = 0, sampleInEpoch: Int = 0, canonicalNodes: Int,
    shuffleSeed: Int = ShuffleOrder.defaultSeed, initialPhysicalNodes: Int? = 1
  ) {
    self.epoch = epoch
    self.sampleInEpoch = sampleInEpoch
    self.canonicalNodes = canonicalNodes
    self.shuffleSeed = shuffleSeed
    self.initialPhysicalNodes = initialPhysicalNodes
  }

  private enum CodingKeys: String, CodingKey {
    case epoch
    case initialPhysicalNodes = "initial_physical_nodes"
    case canonicalNodes = "num_canonical_nodes"
    case sampleInEpoch = "sample_in_epoch"
    case shuffleSeed = "shuffle_seed"
  }

  /// - Throws: an error that names the member if one is missing, of another type, or too small.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    epoch = try container.decode(Int.self, forKey: .epoch, in: 0...Int.max)
    sampleInEpoch = try container.decode(Int.self, forKey: .sampleInEpoch, in: 0...Int.max)
    canonicalNodes = try container.decode(Int.self, forKey: .canonicalNodes, in: 1...Int.max)
    shuffleSeed = try container.decode(Int.self, forKey: .shuffleSeed, in: 0...Int.max)
    initialPhysicalNodes = try container.decodeIfPresent(Int.self, forKey: .initialPhysicalNodes)
  }
}

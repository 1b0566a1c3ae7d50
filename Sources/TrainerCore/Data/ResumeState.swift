public import ShardKit

/// Where training stands in its data, in the form of mosaicml-streaming's `state_dict`.
public struct ResumeState: Equatable, Sendable {
  public var epoch: Int
  /// Samples of the epoch that all devices together have taken.
  public var sampleInEpoch: Int
  public var canonicalNodes: Int
  public var shuffleSeed: Int
  /// Nodes of the run that began; nil in states of old versions of streaming.
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

  public var json: JSONValue {
    [
      "epoch": .integer(epoch), "initial_physical_nodes": initialPhysicalNodes.map { .integer($0) } ?? .null,
      "num_canonical_nodes": .integer(canonicalNodes), "sample_in_epoch": .integer(sampleInEpoch),
      "shuffle_seed": .integer(shuffleSeed),
    ]
  }

  /// - Parameter name: the file that the state comes from, for messages.
  public init(json: JSONValue, name: String) throws(ShardError) {
    func integer(_ key: String, least: Int) throws(ShardError) -> Int {
      guard let value = json[key]?.integer, value >= least else {
        throw ShardError(
          .malformed, name, "the data state has no '\(key)' of at least \(least)",
          hint: "Resume from an older checkpoint.")
      }
      return value
    }
    epoch = try integer("epoch", least: 0)
    sampleInEpoch = try integer("sample_in_epoch", least: 0)
    canonicalNodes = try integer("num_canonical_nodes", least: 1)
    shuffleSeed = try integer("shuffle_seed", least: 0)
    initialPhysicalNodes =
      switch json["initial_physical_nodes"] ?? .null {
      case .null: nil
      default: try integer("initial_physical_nodes", least: 1)
      }
  }
}

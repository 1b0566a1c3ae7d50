import ShardKit

/// The state of training: everything that a resumed run needs apart from the tensors.
///
/// Shuffling and masking use a generator keyed on (seed, epoch, sample), so there is no generator to save, and the
/// number of devices may change.
public struct CheckpointState: Codable, Equatable, Sendable {
  /// Optimizer steps done.
  public var step: Int
  public var epoch: Int
  /// Samples of the epoch that are done: the complete state of the data.
  public var sampleInEpoch: Int
  /// Samples and tokens of the steps that were taken, since the first one.
  public var samples: Int
  public var tokens: Int
  @JSONDigits public var seed: UInt64
  /// Steps of the learning-rate schedule that are done.
  public var schedulePosition: Int
  /// Of the options that determine the result: a checkpoint of others must not be resumed.
  public var fingerprint: String
  /// `TrainingCourse.text` of the steps that are done.
  public var course: String
  /// Steps that were passed over because their loss or gradient was not finite.
  public var badSteps: Int
  /// Digest of the index of the training data.
  public var data: String
  /// What else determines the order of the data: `epoch` and `sampleInEpoch` are a position in this order. Empty:
  /// unknown.
  public var order: String
  /// Of a mixture: the place in each of its sources, and what was learned from them; nil: there was none.
  public var sources: [SourceState]?
  /// The checkpoint with the lowest loss on held-out tokens up to this one; nil: none was measured.
  public var best: BestCheckpoint?

  public init(
    step: Int, epoch: Int = 0, sampleInEpoch: Int = 0, samples: Int = 0, tokens: Int = 0, seed: UInt64 = 0,
    schedulePosition: Int? = nil, fingerprint: String = "", course: String = "", badSteps: Int = 0, data: String = "",
    order: String = "", sources: [SourceState]? = nil, best: BestCheckpoint? = nil
  ) {
    self.sources = sources
    self.best = best
    self.step = step
    self.epoch = epoch
    self.sampleInEpoch = sampleInEpoch
    self.samples = samples
    self.tokens = tokens
    self.seed = seed
    self.schedulePosition = schedulePosition ?? step
    self.fingerprint = fingerprint
    self.course = course
    self.badSteps = badSteps
    self.data = data
    self.order = order
  }

  /// Members that format 1 did not have from the start may be missing.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func count(_ key: CodingKeys) throws -> Int { try container.decode(Int.self, forKey: key, in: 0...Int.max) }
    func text(_ key: CodingKeys) throws -> String { try container.decodeIfPresent(String.self, forKey: key) ?? "" }
    self.init(
      step: try count(.step), epoch: try count(.epoch), sampleInEpoch: try count(.sampleInEpoch),
      samples: try count(.samples), tokens: try count(.tokens),
      seed: try container.decode(JSONDigits.self, forKey: .seed).wrappedValue,
      schedulePosition: try count(.schedulePosition),
      fingerprint: try container.decode(String.self, forKey: .fingerprint), course: try text(.course),
      badSteps: try container.decodeIfPresent(Int.self, forKey: .badSteps) ?? 0, data: try text(.data),
      order: try text(.order), sources: try container.decodeIfPresent([SourceState].self, forKey: .sources),
      best: try container.decodeIfPresent(BestCheckpoint.self, forKey: .best))
  }
}

/// How far a training has read a source of its mixture.
public struct SourceState: Codable, Equatable, Sendable {
  public var name: String
  /// Digest of its data.
  public var data: String
  /// What determines the order of its samples.
  public var order: String
  /// Samples that were taken, counted on through the epochs.
  public var position: Int
  /// Of the steps that were taken; those that were passed over are left out.
  public var learned: SourceCount

  public init(name: String, data: String, order: String, position: Int, learned: SourceCount) {
    self.name = name
    self.data = data
    self.order = order
    self.position = position
    self.learned = learned
  }
}

/// A number as a string of digits, since many readers of JSON store numbers as doubles.
@propertyWrapper
public struct JSONDigits: Codable, Equatable, Sendable {
  public var wrappedValue: UInt64

  public init(wrappedValue: UInt64) { self.wrappedValue = wrappedValue }

  public init(from decoder: any Decoder) throws {
    let text = try decoder.singleValueContainer().decode(String.self)
    guard let value = UInt64(text) else {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "is not a number"))
    }
    wrappedValue = value
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(String(wrappedValue))
  }
}

/// The contents of a checkpoint. The sources' bytes must not change until the write has ended.
public struct CheckpointContents: Sendable {
  public var state: CheckpointState
  public var weights: [TensorSource]
  /// Both moments of every weight.
  public var optimizer: [TensorSource]

  public init(state: CheckpointState, weights: [TensorSource], optimizer: [TensorSource]) {
    self.state = state
    self.weights = weights
    self.optimizer = optimizer
  }
}

/// `state.json`: the state, and what the other files must be.
struct CheckpointManifest: JSONRecord, Equatable, Sendable {
  struct File: Codable, Equatable, Sendable {
    var bytes: Int
    var digest: Digest
  }

  private struct Files: Codable {
    var weights: File
    var optimizer: File

    enum CodingKeys: String, CodingKey {
      case weights = "weights.safetensors"
      case optimizer = "optimizer.safetensors"
    }
  }

  static let fileName = "state.json"
  static let weightsName = Files.CodingKeys.weights.rawValue
  static let optimizerName = Files.CodingKeys.optimizer.rawValue
  static let format = 1

  var state: CheckpointState
  var weights: File
  var optimizer: File
  /// Of the weights, by name; for people and other programs.
  var shapes: JSONValue

  init(state: CheckpointState, weights: File, optimizer: File, shapes: [(name: String, shape: [Int])] = []) {
    self.state = state
    self.weights = weights
    self.optimizer = optimizer
    self.shapes = .object(shapes.map { JSONMember($0.name, .list($0.shape.map { .integer($0) })) })
  }

  private enum CodingKeys: String, CodingKey { case format, files, shapes }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.format, forKey: .format)
    try state.encode(to: encoder)
    try container.encode(Files(weights: weights, optimizer: optimizer), forKey: .files)
    try container.encode(shapes, forKey: .shapes)
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let format = try container.decode(Int.self, forKey: .format)
    guard format == Self.format else {
      throw DecodingError.dataCorruptedError(
        forKey: .format, in: container,
        debugDescription: "is \(format), this program reads \(Self.format): resume with the program that wrote it")
    }
    state = try CheckpointState(from: decoder)
    let files = try container.decode(Files.self, forKey: .files)
    (weights, optimizer) = (files.weights, files.optimizer)
    shapes = try container.decodeIfPresent(JSONValue.self, forKey: .shapes) ?? .object([])
  }

  init(path: String) throws(ShardError) { try self.init(jsonFile: path, limit: Safetensors.maximumHeaderBytes) }
}

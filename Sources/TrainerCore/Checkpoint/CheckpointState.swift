import ShardKit

/// Where training stands: all that a resumed run needs besides the tensors.
///
/// Shuffling and masking draw from a generator keyed on (seed, epoch, sample), so there is no generator to save, and the
/// number of devices may change.
public struct CheckpointState: Equatable, Sendable {
  /// Optimizer steps done.
  public var step: Int
  public var epoch: Int
  /// Samples of the epoch that are behind: the whole state of the data.
  public var sampleInEpoch: Int
  /// Samples and tokens of the steps that were taken, since the first one.
  public var samples: Int
  public var tokens: Int
  public var seed: UInt64
  /// Steps of the learning rate's schedule that are behind.
  public var schedulePosition: Int
  /// Of the options that decide the result: a checkpoint of others must not be taken up.
  public var fingerprint: String
  /// `TrainingCourse.text` of the steps that are behind.
  public var course: String
  /// Steps that were passed over because their loss or gradient was no number.
  public var badSteps: Int
  /// Of the index of the data that were trained on.
  public var data: String
  /// What else decides the order of the data: `epoch` and `sampleInEpoch` are a place in this one alone. Empty where it is
  /// not known.
  public var order: String

  public init(
    step: Int, epoch: Int = 0, sampleInEpoch: Int = 0, samples: Int = 0, tokens: Int = 0, seed: UInt64 = 0,
    schedulePosition: Int? = nil, fingerprint: String = "", course: String = "", badSteps: Int = 0, data: String = "",
    order: String = ""
  ) {
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
}

/// What is to be saved. The sources' bytes must not change until the write has ended.
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
struct CheckpointManifest: Equatable, Sendable {
  struct File: Equatable, Sendable {
    var bytes: Int
    var digest: Digest
  }

  static let fileName = "state.json"
  static let weightsName = "weights.safetensors"
  static let optimizerName = "optimizer.safetensors"
  static let format = 1

  var state: CheckpointState
  var weights: File
  var optimizer: File

  /// - Parameter shapes: of the weights; for people and other programs.
  func text(shapes: [(name: String, shape: [Int])]) -> String {
    let json: JSONValue = [
      "format": .integer(Self.format), "step": .integer(state.step), "epoch": .integer(state.epoch),
      "sampleInEpoch": .integer(state.sampleInEpoch), "samples": .integer(state.samples),
      "tokens": .integer(state.tokens),
      // As text: many readers of JSON hold numbers as doubles.
      "seed": .string(String(state.seed)), "schedulePosition": .integer(state.schedulePosition),
      "fingerprint": .string(state.fingerprint), "course": .string(state.course),
      "badSteps": .integer(state.badSteps), "data": .string(state.data),
      "order": .string(state.order),
      "files": [Self.weightsName: Self.json(weights), Self.optimizerName: Self.json(optimizer)],
      "shapes": .object(shapes.map { JSONMember($0.name, .list($0.shape.map { .integer($0) })) }),
    ]
    return json.text() + "\n"
  }

  private static func json(_ file: File) -> JSONValue {
    ["bytes": .integer(file.bytes), "digest": .string(file.digest.hex)]
  }

  init(state: CheckpointState, weights: File, optimizer: File) {
    self.state = state
    self.weights = weights
    self.optimizer = optimizer
  }

  init(path: String) throws(ShardError) {
    let text = try FileSystem.read(path, limit: Safetensors.maximumHeaderBytes)
    let json: JSONValue
    do { json = try JSONValue.parse(text).value } catch {
      throw ShardError(.malformed, path, "is no JSON at byte \(error.offset): \(error.message)")
    }
    guard json["format"]?.integer == Self.format else {
      throw ShardError(
        .unsupported, path, "is of format \(json["format"]?.text() ?? "none"), this program reads \(Self.format)",
        hint: "Go on with the program that wrote it.")
    }
    func integer(_ key: String) throws(ShardError) -> Int {
      guard let value = json[key]?.integer, value >= 0 else { throw Self.lacks(key, path) }
      return value
    }
    guard let seed = json["seed"]?.string.flatMap({ UInt64($0) }) else { throw Self.lacks("seed", path) }
    guard let fingerprint = json["fingerprint"]?.string else { throw Self.lacks("fingerprint", path) }
    state = CheckpointState(
      step: try integer("step"), epoch: try integer("epoch"), sampleInEpoch: try integer("sampleInEpoch"),
      samples: try integer("samples"), tokens: try integer("tokens"), seed: seed,
      schedulePosition: try integer("schedulePosition"), fingerprint: fingerprint,
      course: json["course"]?.string ?? "", badSteps: json["badSteps"]?.integer ?? 0,
      data: json["data"]?.string ?? "", order: json["order"]?.string ?? "")
    weights = try Self.file(Self.weightsName, json, path)
    optimizer = try Self.file(Self.optimizerName, json, path)
  }

  private static func file(_ name: String, _ json: JSONValue, _ path: String) throws(ShardError) -> File {
    let entry = json["files"]?[name]
    guard let bytes = entry?["bytes"]?.integer, let digest = entry?["digest"]?.string.flatMap({ Digest(hex: $0) })
    else { throw lacks("files.\(name)", path) }
    return File(bytes: bytes, digest: digest)
  }

  private static func lacks(_ key: String, _ path: String) -> ShardError {
    ShardError(.malformed, path, "lacks '\(key)' or has a value there that it cannot have")
  }
}

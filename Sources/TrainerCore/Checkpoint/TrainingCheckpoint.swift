public import ShardKit

/// A complete checkpoint: its files have the sizes and digests that its state names.
public struct TrainingCheckpoint: Sendable {
  public let folder: String
  public let state: CheckpointState
  public let weights: SafetensorsFile
  public let optimizer: SafetensorsFile

  /// Opens a checkpoint and reads every byte of it once, to verify that it is complete.
  /// - Throws: `ShardError` if a file is missing, damaged, or of another format.
  public init(folder: String) throws(ShardError) {
    self.folder = folder
    let manifest = try CheckpointManifest(path: "\(folder)/\(CheckpointManifest.fileName)")
    state = manifest.state
    weights = try Self.open(CheckpointManifest.weightsName, manifest.weights, in: folder)
    optimizer = try Self.open(CheckpointManifest.optimizerName, manifest.optimizer, in: folder)
  }

  private static func open(
    _ name: String, _ file: CheckpointManifest.File, in folder: String
  ) throws(ShardError) -> SafetensorsFile {
    let path = "\(folder)/\(name)"
    let bytes = Int(FileSystem.status(path)?.bytes ?? 0)
    guard bytes == file.bytes else {
      throw ShardError(.truncated, path, "has \(bytes) bytes, its state.json says \(file.bytes)")
    }
    guard try Digester.digest(file: path) == file.digest else {
      throw ShardError(.malformed, path, "does not have the digest that its state.json names")
    }
    return try SafetensorsFile(path)
  }

  /// The step of a checkpoint folder by its name; nil for other names.
  public static func step(ofFolder name: String) -> Int? { CheckpointNames.step(ofFolder: name) }

  /// The checkpoint folders in `root`, ascending by step.
  /// - Throws: `ShardError` if the folder cannot be read.
  public static func folders(in root: String) throws(ShardError) -> [(step: Int, folder: String)] {
    try CheckpointNames.steps(in: root).map { ($0, "\(root)/\(CheckpointNames.folder(step: $0))") }
  }

  /// A checkpoint's state, without checking its tensors; nil if it cannot be read.
  public static func state(in folder: String) -> CheckpointState? {
    (try? CheckpointManifest(path: "\(folder)/\(CheckpointManifest.fileName)"))?.state
  }

  /// The name of the folder of a checkpoint.
  public static func folderName(step: Int) -> String { CheckpointNames.folder(step: step) }

  /// The name of the file with the optimizer's state.
  public static let optimizerName = CheckpointManifest.optimizerName

  /// Names of a checkpoint's files.
  public static let fileNames = [
    CheckpointManifest.fileName, CheckpointManifest.weightsName, CheckpointManifest.optimizerName,
  ]

  /// Whether training may be resumed from here.
  /// - Parameter fingerprint: of the options that training runs with now.
  /// - Throws: `TorchError` (`file`) if the checkpoint has another one.
  public func check(fingerprint: String) throws(TorchError) {
    guard state.fingerprint != fingerprint else { return }
    throw TorchError(
      .file, folder,
      "is of a training with other options (\(state.fingerprint.prefix(16)), now \(fingerprint.prefix(16)))",
      hint: "Restore the earlier options, or train in another folder.")
  }

  /// The newest complete checkpoint in a folder; each damaged one on the way is passed over and named.
  /// - Parameter isWanted: others are counted, but not named.
  /// - Throws: `ShardError` if the folder cannot be read.
  public static func latest(
    in root: String, where isWanted: (CheckpointState) -> Bool = { _ in true }
  ) throws(ShardError) -> CheckpointSearch {
    var search = CheckpointSearch()
    guard FileSystem.exists(root) else { return search }
    for step in try CheckpointNames.steps(in: root).reversed() {
      let folder = "\(root)/\(CheckpointNames.folder(step: step))"
      do {
        guard isWanted(try CheckpointManifest(path: "\(folder)/\(CheckpointManifest.fileName)").state) else {
          search.unwanted.append(step)
          continue
        }
        search.found = try TrainingCheckpoint(folder: folder)
        return search
      } catch {
        search.passedOver.append(error)
      }
    }
    return search
  }
}

/// The result of a search for the newest checkpoint.
public struct CheckpointSearch: Sendable {
  /// nil if there is none, or none is complete.
  public var found: TrainingCheckpoint?
  /// What is wrong with newer ones, newest first.
  public var passedOver: [ShardError] = []
  /// Steps of newer ones that were not wanted.
  public var unwanted: [Int] = []

  /// One sentence per checkpoint that was passed over.
  public var warnings: [String] {
    let instead = found.map { "training resumes from step \($0.state.step)" } ?? "no older checkpoint is complete"
    return passedOver.map { "\($0.description) It is passed over: \(instead)." }
  }
}

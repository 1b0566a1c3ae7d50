public import ShardKit

/// A checkpoint that is durable.
public struct WrittenCheckpoint: Equatable, Sendable {
  public var step: Int
  public var folder: String
  public var bytes: Int
  /// From the start of the write to durability.
  public var seconds: Double
  /// Why older checkpoints that it supersedes were not removed.
  public var problem: ShardError?
}

/// The write of one checkpoint, from its first byte to the removal of those that it supersedes.
///
/// Killed at any moment, it leaves every complete checkpoint complete, and this one complete or invisible.
struct CheckpointWriting: Sendable {
  let root: String
  let keep: KeepRule
  let contents: CheckpointContents
  /// Steps of checkpoints of another course.
  let givenUp: Set<Int>

  private var step: Int { contents.state.step }
  private var folder: String { "\(root)/\(CheckpointNames.folder(step: step))" }
  private var partial: String { "\(root)/\(CheckpointNames.hidden(step: step, .partial))" }

  func run() throws(ShardError) -> WrittenCheckpoint {
    let began = monotonicSeconds()
    let bytes: Int
    do {
      bytes = try writeFiles()
      try publish()
    } catch {
      // Partial files take space that the next attempt may need.
      try? FileSystem.removeTree(partial)
      throw explained(error)
    }
    var written = WrittenCheckpoint(step: step, folder: folder, bytes: bytes, seconds: monotonicSeconds() - began)
    // The checkpoint is valid even if the older ones cannot be removed.
    do { try removeSuperseded() } catch { written.problem = error }
    return written
  }

  private func writeFiles() throws(ShardError) -> Int {
    try FileSystem.removeTree(partial)
    try FileSystem.makeDirectory(partial)
    let weights = try write(contents.weights, to: CheckpointManifest.weightsName, metadata: ["format": "pt"])
    let optimizer = try write(contents.optimizer, to: CheckpointManifest.optimizerName)
    let manifest = CheckpointManifest(
      state: contents.state, weights: weights, optimizer: optimizer,
      shapes: contents.weights.map { ($0.name, $0.shape) })
    let text = manifest.json.text() + "\n"
    try FileSystem.write(Array(text.utf8), to: "\(partial)/\(CheckpointManifest.fileName)")
    try FileSystem.syncDirectory(partial)
    FaultPoint.reach("checkpoint.files")
    return weights.bytes + optimizer.bytes + text.utf8.count
  }

  private func write(
    _ tensors: [TensorSource], to name: String, metadata: [String: String] = [:]
  ) throws(ShardError) -> CheckpointManifest.File {
    let path = "\(partial)/\(name)"
    let sink = try FileSink(path)
    try Safetensors.write(tensors, metadata: metadata, to: sink, name: path)
    try sink.commit()
    return .init(bytes: Int(sink.bytes), digest: sink.digest)
  }

  private func publish() throws(ShardError) {
    let replaced = "\(root)/\(CheckpointNames.hidden(step: step, .replaced))"
    if FileSystem.exists(folder) {
      try FileSystem.removeTree(replaced)
      try FileSystem.rename(folder, to: replaced)
      FaultPoint.reach("checkpoint.replaced")
    }
    try FileSystem.rename(partial, to: folder)
    FaultPoint.reach("checkpoint.renamed")
    try FileSystem.syncDirectory(root)
    try FileSystem.write(
      Array("\(CheckpointNames.folder(step: step))\n".utf8), to: "\(root)/\(CheckpointNames.latest)")
    try FileSystem.syncDirectory(root)
    FaultPoint.reach("checkpoint.latest")
    try FileSystem.removeTree(replaced)
  }

  /// Renames before it deletes, so that a partial checkpoint never looks complete.
  private func removeSuperseded() throws(ShardError) {
    let best = contents.state.best?.step
    for old in keep.superseded(try CheckpointNames.steps(in: root), newest: step, best: best, givenUp: givenUp) {
      let removed = "\(root)/\(CheckpointNames.hidden(step: old, .removed))"
      try FileSystem.removeTree(removed)
      try FileSystem.rename("\(root)/\(CheckpointNames.folder(step: old))", to: removed)
      FaultPoint.reach("checkpoint.removing")
      try FileSystem.removeTree(removed)
    }
  }

  private func explained(_ error: ShardError) -> ShardError {
    let others = ((try? CheckpointNames.steps(in: root)) ?? []).filter { $0 != step }
    let rest = others.last.map { "older ones are intact, the last of step \($0)" } ?? "there is no older one"
    return ShardError(
      error.code, error.subject, "\(error.message); the checkpoint of step \(step) is not kept, \(rest)",
      hint: error.hint)
  }
}

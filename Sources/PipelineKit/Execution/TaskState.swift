import ShardKit

/// The folder in which a task keeps its progress across attempts (`Workspace.stateDirectory`), and its transfer to
/// another node.
///
/// State belongs to a task with a fingerprint. A task with a `stateKey` takes over the state of any unfinished task of
/// its stage with the same key, so that a change that affects the output but not the work in progress does not restart
/// it.
struct TaskState {
  /// `artifacts/STAGE`.
  let stage: String
  /// Folder of the current node, within `stage`.
  let node: String
  let fingerprint: Digest
  let key: String

  /// Keyed by fingerprint: a task that another plan of the node gave the same key must not find this one's state.
  static func folder(node: String, fingerprint: Digest) -> String { "\(node)/.state/\(fingerprint.short)" }

  private static let keyName = ".key"
  private var folder: String { Self.folder(node: node, fingerprint: fingerprint) }

  /// Records which task a state folder belongs to.
  static func mark(_ folder: String, key: String) throws(ShardError) {
    guard !key.isEmpty else { return }
    try FileSystem.makeDirectory(folder)
    try FileSystem.write(Array(key.utf8), to: "\(folder)/\(keyName)")
  }

  /// If this task has no state yet, moves the most recently used matching state here.
  /// - Parameter beginsAnew: leaves the state of other tasks where it is.
  func find(beginsAnew: Bool) throws(ShardError) {
    guard !key.isEmpty, !FileSystem.exists(folder) else { return }
    if beginsAnew { return try Self.mark(folder, key: key) }
    guard let found = try others().max(by: { ($0.modified, $0.path) < ($1.modified, $1.path) }) else { return }
    try FileSystem.makeDirectory("\(node)/.state")
    try FileSystem.rename(found.path, to: folder)
    try FileSystem.syncDirectory("\(node)/.state")
  }

  private func others() throws(ShardError) -> [(path: String, modified: Int64)] {
    guard FileSystem.exists(stage) else { return [] }
    var found: [(path: String, modified: Int64)] = []
    for other in try FileSystem.list(stage, others: .passedOver) {
      let states = "\(stage)/\(other)/.state"
      guard FileSystem.isDirectory(states) else { continue }
      for name in try FileSystem.list(states, others: .passedOver) {
        let path = "\(states)/\(name)", mark = "\(path)/\(Self.keyName)"
        guard let status = FileSystem.status(mark), let text = try? FileSystem.read(mark, limit: 4096),
          text == Array(key.utf8)
        else { continue }
        found.append((path, status.modified))
      }
    }
    return found
  }
}

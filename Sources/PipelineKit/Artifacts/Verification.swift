public import ShardKit
import Synchronization

/// Digests every file of finished tasks again and compares (`pipeline verify`).
///
/// The task of a damaged file is marked as not done, on disk and in the database, so that the next run repeats only
/// that task. Files with several names (hard links) are read once: what was done in one pass lies beside the output of
/// the stage before too, and must not be taken from there again.
public struct Verification {
  public struct Finding: Sendable, Equatable {
    public enum Kind: String, Sendable { case missing, altered, extra }
    public var kind: Kind
    public var stage: String
    /// Path of the file.
    public var path: String
    public var message: String
  }

  public struct Result: Sendable {
    public var nodes = 0
    public var files = 0
    public var bytes: Int64 = 0
    public var findings: [Finding] = []
    /// Tasks that the next run repeats, by stage.
    public var reopened: [String: Int] = [:]
    public var isComplete = true
  }

  public let store: RunStore
  public let jobs: Int

  public init(store: RunStore, jobs: Int = availableProcessors()) {
    self.store = store
    self.jobs = jobs
  }

  private struct Item: Sendable {
    var path: String
    var file: PublishedFile
    var node: Int
    /// The folder of the record that the file is part of; nil: it is the node's own.
    var record: String?
  }

  private enum Answer: Sendable {
    case checked(item: Int, problem: (kind: Finding.Kind, message: String)?)
  }

  /// - Parameters:
  ///   - progress: bytes read so far, and the total.
  ///   - interruption: above 0, verification stops after the files being read.
  /// - Throws: `RunError` (`.locked`) if a runner holds the store; `RunError` or `ShardError` if it cannot be used.
  public func run(
    progress: (Int64, Int64) -> Void = { _, _ in }, interruption: () -> Int = { 0 }
  ) throws -> Result {
    let lock = store.isReadOnly ? nil : try StoreLock(root: store.root)
    defer { withExtendedLifetime(lock) {} }
    let nodes = try VerifiedNode.all(store)
    var result = Result()
    result.nodes = nodes.count
    let items =
      nodes.indices.flatMap { Self.items(of: nodes[$0], $0) } + nodes.indices.flatMap { Self.passed(in: nodes[$0], $0) }
    let problems = try check(items, progress, interruption, &result)
    if !store.isReadOnly {
      for record in Set(problems.keys.compactMap { items[$0].record }) { try PassRecord.withdraw(in: record) }
    }
    let told = Self.told(problems.keys.sorted(), items)
    for node in nodes.indices {
      for item in told where items[item].node == node {
        let (kind, message) = problems[item]!
        result.findings.append(
          Finding(kind: kind, stage: nodes[node].stage, path: items[item].path, message: message))
      }
      let own = problems.keys.filter { items[$0].node == node && items[$0].record == nil }.sorted()
      if !own.isEmpty, !store.isReadOnly {
        result.reopened[nodes[node].stage, default: 0] += try reopen(
          nodes[node], files: own.map { items[$0].file }, messages: own.map { problems[$0]!.message })
      }
      result.findings += try extras(nodes[node])
    }
    return result
  }

  private static func items(of node: VerifiedNode, _ number: Int) -> [Item] {
    node.files.map { Item(path: "\(node.folder)/\($0.port)/\($0.name)", file: $0, node: number) }
  }

  /// What lies beside the node's files for the stages that worked in its tasks.
  private static func passed(in node: VerifiedNode, _ number: Int) -> [Item] {
    node.records.flatMap { folder, record in
      record.manifest.files.map {
        Item(path: "\(folder)/\($0.port)/\($0.name)", file: $0, node: number, record: folder)
      }
    }
  }

  /// The problems to tell of: those of a stage's own files, and of a record's that are no stage's own. A record without
  /// its files is of no use and no damage.
  private static func told(_ problems: [Int], _ items: [Item]) -> [Int] {
    var seen: Set<UInt64> = []
    return problems.filter { item in
      guard let inode = FileSystem.status(items[item].path)?.inode else { return items[item].record == nil }
      return seen.insert(inode).inserted || items[item].record == nil
    }
  }

  private func check(
    _ items: [Item], _ progress: (Int64, Int64) -> Void, _ interruption: () -> Int, _ result: inout Result
  ) throws -> [Int: (kind: Finding.Kind, message: String)] {
    // Hard links to the same inode follow the first name.
    var first: [UInt64: Int] = [:]
    var followers: [Int: [Int]] = [:]
    var queue: [Int] = []
    for item in items.indices {
      guard let inode = FileSystem.status(items[item].path)?.inode, let leader = first[inode] else {
        if let inode = FileSystem.status(items[item].path)?.inode { first[inode] = item }
        queue.append(item)
        continue
      }
      followers[leader, default: []].append(item)
    }
    let all = queue.reduce(Int64(0)) { $0 + items[$1].file.bytes }
    var done: Int64 = 0
    var problems: [Int: (kind: Finding.Kind, message: String)] = [:]
    let pool = try WorkerPool<Answer>(threads: jobs)
    var isAbandoned = false
    defer { pool.close(wait: !isAbandoned) }
    var next = 0
    var open = 0
    while next < queue.count || open > 0 {
      while next < queue.count, open < jobs * 2, interruption() == 0 {
        let number = queue[next]
        let item = items[number]
        pool.submit { .checked(item: number, problem: Self.problem(item.path, item.file)) }
        next += 1
        open += 1
      }
      if open == 0 { break }
      for case .checked(let item, let problem) in pool.receive(timeoutNanoseconds: 200_000_000) {
        open -= 1
        done += items[item].file.bytes
        for name in [item] + (followers[item] ?? []) {
          if items[name].record == nil { result.files += 1 }
          problems[name] = problem
        }
      }
      progress(done, all)
      // After an interruption, the remainder of a large file is not read.
      isAbandoned = interruption() > 1
      if isAbandoned { break }
    }
    result.bytes = done
    result.isComplete = next == queue.count && open == 0
    return problems
  }

  private static func problem(_ path: String, _ file: PublishedFile) -> (kind: Finding.Kind, message: String)? {
    let name = "\(file.port)/\(file.name)"
    guard let status = FileSystem.status(path) else { return (.missing, "its file \(name) is missing") }
    guard status.bytes == file.bytes else {
      return (.altered, "its file \(name) has \(status.bytes) bytes, but its manifest says \(file.bytes)")
    }
    do throws(ShardError) {
      let digest = try Digester.digest(file: path)
      if digest == file.digest { return nil }
      return (.altered, "its file \(name) was modified: its digest is \(digest.short), not \(file.digest.short)")
    } catch {
      return (.altered, "its file \(name) cannot be read: \(error.message)")
    }
  }

  /// Marks the tasks that wrote damaged files as not done. The disk is updated first: otherwise a crash between the two
  /// would let the next run restore the damaged files from their manifests.
  private func reopen(_ node: VerifiedNode, files: [PublishedFile], messages: [String]) throws -> Int {
    let damaged = Set(files.map { ExactText("\($0.port)/\($0.name)") })
    var tasks = node.tasks.filter { $0.files.contains { damaged.contains(ExactText("\($0.port)/\($0.name)")) } }
    // If no task claims a damaged file, all tasks are repeated.
    let owned = Set(tasks.flatMap { $0.files.map { ExactText("\($0.port)/\($0.name)") } })
    if !damaged.isSubset(of: owned) { tasks = node.tasks }
    try FileSystem.remove(node.folder + "/manifest.json")
    for task in tasks {
      try FileSystem.remove(ArtifactStore.taskManifestPath(in: node.folder, phase: task.phase, key: task.key))
    }
    if let row = node.row {
      try store.markDamaged(node: row, tasks: tasks.map { ($0.phase, $0.key) }, messages: messages)
    }
    return tasks.count
  }

  /// Files in the folder of a sealed node that its manifest does not list.
  private func extras(_ node: VerifiedNode) throws -> [Finding] {
    guard node.isSealed, FileSystem.isDirectory(node.folder) else { return [] }
    let known = Set(node.files.map { ExactText("\($0.port)/\($0.name)") })
    return try FileSystem.walk(node.folder, others: .repaired)
      .filter { $0 != "manifest.json" && !$0.utf8.starts(with: "tasks/".utf8) && !known.contains(ExactText($0)) }
      .map {
        Finding(
          kind: .extra, stage: node.stage, path: "\(node.folder)/\($0)",
          message: "the file \($0) is not in its manifest and is never read")
      }
  }
}

import ShardKit

/// The logs of a store's tasks: `logs/RUN/STAGE/PHASE-KEY.ATTEMPT.log`.
public struct TaskLogs {
  public struct Log: Sendable, Equatable {
    public var path: String
    public var run: Int64
    /// `PHASE-KEY`.
    public var task: String
    public var attempt: Int
    public var bytes: Int64
  }

  let root: String

  public init(store: String) { root = "\(store)/logs" }

  /// The runs that left logs of a stage, newest first.
  public func runs(stage: String) -> [Int64] {
    names(root).compactMap { Int64($0) }.filter { FileSystem.isDirectory("\(root)/\($0)/\(stage)") }.sorted(by: >)
  }

  /// In the order of tasks and attempts.
  public func logs(stage: String, run: Int64) -> [Log] {
    let folder = "\(root)/\(run)/\(stage)"
    return names(folder).compactMap { name -> Log? in
      let parts = name.split(separator: ".")
      guard parts.count >= 3, parts.last == "log", let attempt = Int(parts[parts.count - 2]) else { return nil }
      let path = "\(folder)/\(name)"
      return Log(
        path: path, run: run, task: parts.dropLast(2).joined(separator: "."), attempt: attempt,
        bytes: FileSystem.status(path)?.bytes ?? 0)
    }.sorted { ($0.task, $0.attempt) < ($1.task, $1.attempt) }
  }

  private func names(_ folder: String) -> [String] {
    FileSystem.isDirectory(folder) ? (try? FileSystem.list(folder, hidden: false, others: .passedOver)) ?? [] : []
  }
}

/// The growing end of a text file.
public struct FollowedFile {
  public let path: String
  private var offset: Int

  /// - Parameter lines: how many of the lines that are there already come first; nil for all of them.
  public init(_ path: String, lines: Int? = nil) {
    self.path = path
    offset = 0
    guard let lines else { return }
    offset = FileTail.start(path, ofLast: lines)
  }

  /// What was added since the last call, as whole lines.
  public mutating func read() -> [String] {
    guard let fresh = try? FileTail.read(path, from: offset), let end = fresh.lastIndex(of: 10) else { return [] }
    offset += end + 1
    return fresh[..<end].split(separator: 10, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}

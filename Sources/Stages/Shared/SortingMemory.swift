import PipelineKit

/// The memory of a task that sorts on disk: its stage's option `memory` allows it for everything that the process holds.
struct SortingMemory {
  /// For all else that a task holds: texts, mapped pages, files that are read and written. Tasks never ask for less.
  static let otherBytes = 64 << 20
  /// The program itself, once per process. Every task leaves room for it, since it may be alone.
  static let programBytes = 48 << 20
  /// Pages of mapped files, at most.
  static let mappedBytes = 16 << 20
  /// For all sorters of the task together.
  let bytes: Int

  init(_ option: ByteCount, _ workspace: Workspace) {
    bytes = Self.bytes(option, of: workspace.memoryBytes)
  }

  /// - Parameter declared: what the task has declared.
  static func bytes(_ option: ByteCount, of declared: Int) -> Int {
    let whole = option.bytes - min(otherBytes + programBytes, option.bytes / 2)
    return min(whole, declared - min(otherBytes, declared / 2))
  }

  /// What a task declares.
  /// - Parameter bytes: what it sorts, and as much again for sorting.
  static func planned(_ option: ByteCount, sorting bytes: Int) -> Int {
    max(otherBytes, min(option.bytes, bytes + otherBytes))
  }
}

/// Counts pages of mapped files that are read here and there, to release them before they use too much memory.
struct PageCount {
  /// The kernel maps the pages around the one that is read as well, if it has them.
  private static let bytesPerTouch = 64 << 10
  let limit: Int
  private var bytes = 0

  init(limit: Int) { self.limit = limit }

  /// True when it is time to release pages.
  /// - Parameter places: places that are read, each within a page.
  mutating func touch(_ places: Int) -> Bool {
    bytes += places * Self.bytesPerTouch
    guard bytes > limit else { return false }
    bytes = 0
    return true
  }
}

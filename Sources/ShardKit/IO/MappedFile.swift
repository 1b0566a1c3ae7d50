import CKernels
import Glibc
import Synchronization

/// A memory-mapped file, for random access.
///
/// If the file is truncated meanwhile, the missing part reads as zeros and the file is listed in `losses`; callers that
/// rely on the data check it afterwards.
///
/// The kernel counts touched pages as memory of the process until `release`, which drops them cheaply: they stay in the
/// page cache.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  /// The complete file; valid as long as this object.
  public let bytes: UnsafeRawBufferPointer
  private let slot: Int32

  private struct Registry {
    /// By slot.
    var open: [Int32: String] = [:]
    /// Pages lost in mappings that are closed.
    var losses: [ExactText: Int] = [:]
  }

  private static let registry = Mutex(Registry())

  /// Files with unreadable pages, in this process so far, and their number.
  public static var losses: [ExactText: Int] {
    if pl_all_mapping_losses() == 0 { return [:] }
    return registry.withLock { registry in
      var all = registry.losses
      for (slot, path) in registry.open {
        let lost = Int(pl_mapping_losses(slot))
        if lost > 0 { all[ExactText(path), default: 0] += lost }
      }
      return all
    }
  }

  /// Maps a file into memory.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if it is not a regular file.
  public init(_ path: String) throws(ShardError) {
    self.path = path
    let (descriptor, size) = try RegularFile.open(path)
    defer { close(descriptor) }
    let count = Int(size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      slot = -1
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      throw FileSystem.error(path, "cannot be mapped into memory")
    }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
    let slot = pl_guard_mapping(start, count)
    self.slot = slot
    if slot >= 0 { Self.registry.withLock { $0.open[slot] = path } }
  }

  deinit {
    if slot >= 0 {
      Self.registry.withLock { registry in
        registry.open[slot] = nil
        let lost = Int(pl_mapping_losses(slot))
        if lost > 0 { registry.losses[ExactText(path), default: 0] += lost }
      }
    }
    pl_release_mapping(slot)
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }

  /// Releases the pages touched so far from the process's memory.
  public func release() {
    guard let start = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
  }
}

import CKernels
import Glibc
import Synchronization

/// A file's bytes in the address space, for reading at random.
///
/// Should the file be cut meanwhile, what is gone reads as zeros, and it is among the `losses`: whoever trusts what was
/// read looks at them afterwards.
///
/// The kernel counts touched pages as the process's memory until `release`, which forgets them cheaply: they
/// stay in the page cache.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  /// The whole file; valid as long as this object.
  public let bytes: UnsafeRawBufferPointer
  private let slot: Int32

  private struct Registry {
    /// By slot.
    var open: [Int32: String] = [:]
    /// Pages lost under mappings that are closed.
    var losses: [ExactText: Int] = [:]
  }

  private static let registry = Mutex(Registry())

  /// Files of which pages could not be read, in the whole process so far, and how many.
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

  /// Takes the pages touched so far off the process's memory.
  public func release() {
    guard let start = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
  }
}

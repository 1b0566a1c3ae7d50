import CKernels
import Glibc

/// A file's bytes in the address space, for reading at random.
///
/// Should the file be cut meanwhile, what is gone reads as zeros, and `losses` grows: whoever trusts what was read looks
/// at it afterwards.
///
/// The kernel counts touched pages as the process's memory until `release`, which forgets them cheaply: they
/// stay in the page cache.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  /// The whole file; valid as long as this object.
  public let bytes: UnsafeRawBufferPointer
  private let slot: Int32

  /// Pages of files that could not be read so far, in the whole process.
  public static var losses: Int { Int(pl_mapping_losses()) }

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
    slot = pl_guard_mapping(start, count)
  }

  deinit {
    pl_release_mapping(slot)
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }

  /// Takes the pages touched so far off the process's memory.
  public func release() {
    guard let start = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
  }
}

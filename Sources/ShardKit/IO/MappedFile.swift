import Glibc

/// A file's bytes in the address space, for reading at random. The file must not change meanwhile.
///
/// The kernel counts touched pages as the process's memory until `release`, which forgets them cheaply: they
/// stay in the page cache.
public final class MappedFile: @unchecked Sendable {
  public let path: String
  /// The whole file; valid as long as this object.
  public let bytes: UnsafeRawBufferPointer

  public init(_ path: String) throws(ShardError) {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileSystem.error(path, "cannot be opened") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileSystem.error(path, "cannot be read") }
    let count = Int(status.st_size)
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let start = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, 0), start != MAP_FAILED else {
      throw FileSystem.error(path, "cannot be mapped into memory")
    }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
  }

  /// Takes the pages touched so far off the process's memory.
  public func release() {
    guard let start = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start), bytes.count, MADV_DONTNEED)
  }
}

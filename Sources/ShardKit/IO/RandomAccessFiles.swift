import Glibc

/// Reads small pieces here and there in files, of which it keeps a limited number open. For one thread.
///
/// Unlike pages of mapped files, what is read costs neither memory of the process nor the time to map the pages around it
/// and to release them.
public final class RandomAccessFiles {
  public let sizes: [Int64]
  private let paths: [String]
  /// By file; -1 if it is not open.
  private var descriptors: [Int32]
  /// The open files, at most `mostOpen`; the one at `next` is closed next.
  private var open: [Int] = []
  private var next = 0
  private let mostOpen: Int

  /// - Parameter mostOpen: files open at a time; nil: what the process's limit allows to each of its threads.
  /// - Throws: `ShardError`: `.notFound`, `.permission`, `.io`, or `.unsupported` if a file is not a regular one.
  public init(_ paths: [String], mostOpen: Int? = nil) throws(ShardError) {
    self.paths = paths
    self.mostOpen = max(1, mostOpen ?? Self.share())
    descriptors = Array(repeating: -1, count: paths.count)
    var sizes: [Int64] = []
    for path in paths {
      let (descriptor, bytes) = try RegularFile.open(path)
      close(descriptor)
      sizes.append(bytes)
    }
    self.sizes = sizes
  }

  deinit { for file in open { close(descriptors[file]) } }

  private static func share() -> Int {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return Int(clamping: min(256, limit.rlim_cur / 2 / rlim_t(max(1, availableProcessors()))))
  }

  /// Fills the buffer.
  /// - Throws: `ShardError`: `.malformed` if the file ends before, or what opening it throws.
  public func read(_ file: Int, at offset: Int64, into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) {
    let descriptor = try descriptor(of: file)
    var done = 0
    while done < buffer.count {
      let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset) + off_t(done))
      if count == 0 {
        throw ShardError(.malformed, paths[file], "is shorter than it was", hint: "Run 'pipeline verify'.")
      }
      if count > 0 {
        done += count
      } else if errno != EINTR {
        throw FileSystem.error(paths[file], "cannot be read")
      }
    }
  }

  @inline(__always)
  private func descriptor(of file: Int) throws(ShardError) -> Int32 {
    if descriptors[file] >= 0 { return descriptors[file] }
    return try opened(file)
  }

  private func opened(_ file: Int) throws(ShardError) -> Int32 {
    let (descriptor, _) = try RegularFile.open(paths[file])
    if open.count < mostOpen {
      open.append(file)
    } else {
      close(descriptors[open[next]])
      descriptors[open[next]] = -1
      open[next] = file
      next = (next + 1) % mostOpen
    }
    descriptors[file] = descriptor
    return descriptor
  }
}

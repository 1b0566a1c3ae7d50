import Glibc

/// Reads small pieces here and there in files, of which it keeps a limited number open. For one thread.
///
/// Unlike pages of mapped files, what is read costs neither memory of the process nor the time to map the pages around it
/// and to release them.
public final class RandomAccessFiles {
  /// In bytes.
  public let sizes: [Int64]
  private let paths: [String]
  /// By file; -1 if it is not open.
  private var descriptors: [Int32]
  /// The open files, at most `mostOpen`; the one at `next` is closed next.
  private var open: [Int] = []
  private var next = 0
  private let mostOpen: Int

  /// Opens nothing yet: millions of files may be given of which few are read.
  /// - Parameters:
  ///   - files: with their sizes in bytes.
  ///   - mostOpen: files open at a time; nil: what the process's limit allows to each of its threads.
  public init(_ files: [(path: String, bytes: Int64)], mostOpen: Int? = nil) {
    paths = files.map(\.path)
    sizes = files.map(\.bytes)
    self.mostOpen = max(1, mostOpen ?? OpenFiles.share())
    descriptors = Array(repeating: -1, count: paths.count)
  }

  deinit { for file in open { close(descriptors[file]) } }

  /// Fills the buffer.
  /// - Throws: `ShardError`: `.malformed` if the file ends before, or if it cannot be opened: `.notFound`, `.permission`,
  ///   `.io`, or `.unsupported` if it is not a regular file.
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

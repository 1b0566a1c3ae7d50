/// A copy of some JSON with the room behind it that `JSONObjectReader` reads, in memory that is used again.
final class PaddedCopy {
  private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 64)

  deinit { memory.deallocate() }

  /// Valid until the next call.
  func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let needed = bytes.count + JSONObjectReader.padding
    if memory.count < needed {
      memory.deallocate()
      memory = .allocate(byteCount: needed * 2, alignment: 64)
    }
    memory.copyMemory(from: bytes)
    for i in bytes.count..<needed { memory[i] = 0 }
    return UnsafeRawBufferPointer(rebasing: memory[..<bytes.count])
  }
}

import ShardKit

/// Looks for document ids in the sidecars that tasks write next to their files: 8 bytes per document, `recordHash` of
/// its id, little-endian, in file order.
///
/// A sidecar is memory-mapped and compared word by word, so that searching millions of documents takes milliseconds; a
/// hit is only a candidate until the record itself has been read.
struct IDSearch {
  struct Hit: Equatable {
    /// `PORT/FILE`
    var file: String
    /// 0 for the file's first record.
    var ordinal: Int
  }

  /// The node's folder.
  let directory: String
  let manifest: NodeManifest

  func hits(_ id: [UInt8]) throws -> [Hit] {
    let wanted = recordHash(id).littleEndian
    var hits: [Hit] = []
    for sidecar in manifest.files(of: Workspace.idsPort) {
      let path = "\(directory)/\(Workspace.idsPort)/\(sidecar.name)"
      let mapped = try MappedFile(path)
      let words = mapped.bytes.bindMemory(to: UInt64.self)
      var start = 0
      while let ordinal = Self.first(wanted, in: words, from: start) {
        hits.append(Hit(file: String(sidecar.name.dropLast(4)), ordinal: ordinal))
        start = ordinal + 1
      }
      withExtendedLifetime(mapped) {}
    }
    return hits
  }

  private static func first(_ wanted: UInt64, in words: UnsafeBufferPointer<UInt64>, from start: Int) -> Int? {
    var i = start
    let target = SIMD8(repeating: wanted)
    while i + 8 <= words.count {
      let eight = UnsafeRawPointer(words.baseAddress! + i).loadUnaligned(as: SIMD8<UInt64>.self)
      if any(eight .== target) { break }
      i += 8
    }
    while i < words.count {
      if words[i] == wanted { return i }
      i += 1
    }
    return nil
  }
}

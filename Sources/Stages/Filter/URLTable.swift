import PipelineKit
import ShardKit

/// Entries of many lists, by 64-bit hashes (XXH3) of their text in order, each with the number of its list: ten bytes
/// per entry in a file that the tasks of a machine map into memory and share.
///
/// The file: the number of entries, then the hashes, then the numbers of lists (little-endian, 64, 64 and 16 bits). Two
/// different texts have the same hash with a probability of 1 in 2⁶⁴ per pair.
final class URLTable {
  static let maximumLists = 1 << 16
  private let file: MappedFile
  private let count: Int

  /// - Throws: `ShardError` if the file cannot be read; `StageError` if it is no table.
  init(_ path: String) throws {
    file = try MappedFile(path)
    let stated = file.bytes.count >= 8 ? Int(file.bytes.loadUnaligned(as: UInt64.self).littleEndian) : -1
    guard stated >= 0, stated < 1 << 48, file.bytes.count == 8 + stated * 10 else {
      throw StageError(.input, path, "the table of URL lists is damaged", hint: "Run with --force.")
    }
    count = stated
  }

  private func hash(_ i: Int) -> UInt64 {
    file.bytes.loadUnaligned(fromByteOffset: 8 + i * 8, as: UInt64.self).littleEndian
  }

  /// Calls `body` with the number of each list that has the entry.
  func lists(of entry: URLListEntry, _ body: (Int) -> Void) {
    let wanted = recordHash(entry.key)
    var low = 0, high = count
    while low < high {
      let middle = (low + high) / 2
      if hash(middle) < wanted { low = middle + 1 } else { high = middle }
    }
    while low < count, hash(low) == wanted {
      body(Int(file.bytes.loadUnaligned(fromByteOffset: 8 + count * 8 + low * 2, as: UInt16.self).littleEndian))
      low += 1
    }
  }

  /// Collects entries and writes them in order. Sixteen bytes per entry in memory.
  struct Builder {
    private struct Entry: Comparable {
      var hash: UInt64
      var list: UInt16
      static func < (a: Entry, b: Entry) -> Bool { (a.hash, a.list) < (b.hash, b.list) }
    }

    private var entries: [Entry] = []

    private var key = Array("d:".utf8)

    mutating func add(_ entry: URLListEntry, list: Int) {
      entries.append(Entry(hash: recordHash(entry.key), list: UInt16(list)))
    }

    /// Adds the domain of such a line: see `URLListEntry.isPlainDomain`.
    mutating func add(plainDomain line: UnsafeRawBufferPointer, list: Int) {
      key.removeSubrange(2...)
      key.append(contentsOf: line)
      entries.append(Entry(hash: recordHash(key), list: UInt16(list)))
    }

    /// Writes the table. Returns the number of entries, each once per list.
    mutating func write(to sink: FileSink) throws -> Int {
      entries.sort()
      var kept = 0
      for i in entries.indices where i == 0 || entries[i] != entries[i - 1] {
        entries[kept] = entries[i]
        kept += 1
      }
      entries.removeSubrange(kept...)
      var buffer: [UInt8] = []
      func put<T: FixedWidthInteger>(_ value: T) throws {
        withUnsafeBytes(of: value.littleEndian) { buffer.append(contentsOf: $0) }
        if buffer.count >= 1 << 16 {
          try sink.write(buffer)
          buffer.removeAll(keepingCapacity: true)
        }
      }
      try put(UInt64(kept))
      for entry in entries { try put(entry.hash) }
      for entry in entries { try put(entry.list) }
      try sink.write(buffer)
      return kept
    }
  }
}

/// A list in a table: its name and what it is for.
struct URLList: Codable, Equatable {
  enum Role: String, Codable { case drop, optOut, keep }
  var name: String
  var role: Role
}

import CKernels
import ShardKit
import TrainerCore

/// Unit vectors of the documents of one file, by row: 32-bit numbers, each row filled up with zeros to whole groups.
struct VectorRows: Sendable {
  let count: Int
  /// Numbers of a row.
  let width: Int
  private let file: MappedFile

  /// - Parameter count: the documents of the file.
  init(_ path: String, count: Int) throws(ShardError) {
    file = try MappedFile(path)
    self.count = count
    width = count == 0 ? 0 : file.bytes.count / MemoryLayout<Float>.stride / count
    guard width % Int(PL_VECTOR_GROUP) == 0, width * count * MemoryLayout<Float>.stride == file.bytes.count else {
      throw ShardError(.malformed, path, "its vectors are incomplete", hint: "Run 'pipeline verify'.")
    }
  }

  subscript(row: Int) -> UnsafePointer<Float> {
    file.bytes.baseAddress!.assumingMemoryBound(to: Float.self) + row * width
  }

  func release() { file.release() }
}

/// The unit vectors of all documents, by number.
struct VectorTable: Sendable {
  let table: DocumentTable
  let width: Int
  private let parts: [VectorRows]

  init(_ table: DocumentTable, _ paths: [String]) throws {
    self.table = table
    parts = try zip(paths, table.parts).map { try VectorRows($0, count: $1.count) }
    width = parts.first { $0.count > 0 }?.width ?? 0
    for (part, path) in zip(parts, paths) where part.count > 0 && part.width != width {
      throw ShardError(
        .malformed, path, "has vectors of \(part.width) numbers, other files of \(width)",
        hint: "Run again with vectors of one model.")
    }
  }

  subscript(document: UInt32) -> UnsafePointer<Float> {
    let (part, row) = table.locate(document)
    return parts[part][row]
  }

  func release() {
    table.release()
    for part in parts { part.release() }
  }
}

/// Inner products, by the widest vectors of the processor; the same bits on all.
struct InnerProducts {
  private let level = pl_simd_widest()
  private(set) var values: [Float] = []

  /// With each of some vectors that stand one after the other.
  mutating func compute(_ vector: UnsafePointer<Float>, with others: UnsafePointer<Float>, rows: Int, width: Int) {
    if values.count < rows { values = [Float](repeating: 0, count: rows) }
    values.withUnsafeMutableBufferPointer { values in
      pl_inner_products(level, vector, others, rows, width, values.baseAddress!)
    }
  }
}

/// A file of `documents.embed`: reads the vectors of documents, of which others may stand between.
struct VectorFileReader {
  private let file: SafetensorsFile
  /// Numbers of a vector.
  let size: Int
  private let count: Int
  private var next = 0, reads = 0

  /// Vectors that it has; where documents were filtered, more than documents.
  var vectors: Int { count }

  init(_ path: String) throws(ShardError) {
    file = try SafetensorsFile(path)
    let vectors = try file.entry(VectorFile.vectors), ids = try file.entry(VectorFile.ids)
    guard vectors.type == .float32, vectors.shape.count == 2, ids.type == .int64, ids.shape == [vectors.shape[0]] else {
      throw ShardError(
        .malformed, path, "has no vectors of documents", hint: "Wire the vectors of a documents.embed.")
    }
    (count, size) = (vectors.shape[0], vectors.shape[1])
  }

  /// Ids that several vectors have: which of them a document has is not known where others are missing.
  func repeatedIDs() throws(ShardError) -> Set<UInt64> {
    try file.withBytes(of: VectorFile.ids) { _, bytes in
      let ids = (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) }.sorted()
      return Set(zip(ids, ids.dropFirst()).lazy.filter { $0 == $1 }.map(\.0))
    }
  }

  /// Copies the vector of the next document with this hash of its id.
  /// - Returns: false if there is none.
  mutating func read(_ id: UInt64, into vector: inout [Float]) throws(ShardError) -> Bool {
    let from = next
    let place = try file.withBytes(of: VectorFile.ids) { _, bytes in
      (from..<count).first { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) == id }
    }
    guard let place else { return false }
    next = place + 1
    let size = size
    try file.withBytes(of: VectorFile.vectors) { _, bytes in
      vector.withUnsafeMutableBytes { out in
        out.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[(place * size * 4)..<((place + 1) * size * 4)]))
      }
    }
    reads += 1
    if reads % 1024 == 0 { file.release() }
    return true
  }
}

/// The form of vectors beside documents: safetensors with `vectors`, a row per document, and `ids`, the hashes of their ids.
enum VectorFile {
  static let vectors = "vectors", ids = "ids", ending = ".safetensors"
}

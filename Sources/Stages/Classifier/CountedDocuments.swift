import PipelineKit
import ShardKit
import TextKit

/// Labelled documents as counted n-grams, in files that are mapped into memory.
///
/// Of each document a file has, in numbers of 4 bytes: the lower and the upper half of the text's hash, whether it is
/// positive, where the features of each part of the text end, counted from the first feature, the traits (floating
/// point), and the features: the number times 256 plus the count (at most 255).
final class CountedDocuments {
  struct Row {
    var file: Int
    /// Of the features, in numbers from the file's start.
    var features: Range<Int>
    var isPositive: Bool
    var hash: UInt64
  }

  private let files: [MappedFile]
  /// The parts of a text whose n-grams are told apart.
  let parts: Int
  let traitCount: Int
  let rows: [Row]

  /// - Parameter shape: of the n-grams that were counted.
  /// - Throws: `ShardError` if a file cannot be read or is damaged.
  init(_ files: [ArtifactFile], _ shape: GramShape) throws {
    let parts = shape.parts.count, traits = shape.traits.count
    (self.parts, traitCount) = (parts, traits)
    self.files = try files.map { try MappedFile($0.path) }
    var rows: [Row] = []
    for (number, file) in self.files.enumerated() {
      let numbers = Self.numbers(file)
      var at = 0
      while at < numbers.count {
        let start = at + 3 + parts + traits
        guard start <= numbers.count, Int(numbers[at + 2 + parts]) <= numbers.count - start else {
          throw ShardError(.malformed, file.path, "ends within a document", hint: "Run 'pipeline verify'.")
        }
        let ends = numbers[(at + 3)..<(at + 3 + parts)]
        guard zip(ends, ends.dropFirst()).allSatisfy({ $0 <= $1 }) else {
          throw ShardError(.malformed, file.path, "has parts that overlap", hint: "Run 'pipeline verify'.")
        }
        let features = start..<(start + Int(numbers[at + 2 + parts]))
        let hash = UInt64(numbers[at + 1]) << 32 | UInt64(numbers[at])
        rows.append(Row(file: number, features: features, isPositive: numbers[at + 2] != 0, hash: hash))
        at = features.upperBound
      }
    }
    self.rows = rows
  }

  private static func numbers(_ file: MappedFile) -> UnsafeBufferPointer<UInt32> {
    file.bytes.bindMemory(to: UInt32.self)
  }

  /// The features of a document; valid as long as this object.
  func features(_ row: Int) -> UnsafeBufferPointer<UInt32> {
    UnsafeBufferPointer(rebasing: Self.numbers(files[rows[row].file])[rows[row].features])
  }

  /// Calls `body` with the number of each part of a document and its features; valid as long as this object.
  @inline(__always)
  func forEachPart(_ row: Int, _ body: (Int, UnsafeBufferPointer<UInt32>) -> Void) {
    let numbers = Self.numbers(files[rows[row].file]), first = rows[row].features.lowerBound
    var start = first
    for part in 0..<parts {
      let end = first + Int(numbers[first - traitCount - parts + part])
      body(part, UnsafeBufferPointer(rebasing: numbers[start..<end]))
      start = end
    }
  }

  /// The traits of a document.
  func traits(_ row: Int) -> [Float] {
    let end = rows[row].features.lowerBound
    return Self.numbers(files[rows[row].file])[(end - traitCount)..<end].map { Float(bitPattern: $0) }
  }

  /// One of the traits of a document.
  func trait(_ trait: Int, of row: Int) -> Float {
    let start = rows[row].features.lowerBound - traitCount
    return Float(bitPattern: Self.numbers(files[rows[row].file])[start + trait])
  }

  /// What a file has of a document, which was counted last.
  static func record(hash: UInt64, isPositive: Bool, _ counter: GramCounter) -> [UInt32] {
    [UInt32(truncatingIfNeeded: hash), UInt32(hash >> 32), isPositive ? 1 : 0] + counter.ends.map { UInt32($0) }
      + counter.traits.map(\.bitPattern) + counter.found.map { $0 << 8 | min(counter.occurrences($0), 255) }
  }

  /// The fold of each document, 0 to `count` - 1: of each label, equally many distinct texts are in every fold, in an
  /// order that the seed decides. Equal texts are in one fold, so that none is judged by a model that has seen it.
  func folds(_ count: Int, seed: UInt64) -> [UInt8] {
    var folds = [UInt8](repeating: 0, count: rows.count)
    var known: [UInt64: UInt8] = [:]
    func order(_ row: Int) -> UInt64 {
      var mixed = (rows[row].hash ^ seed &* 0x9E37_79B9_7F4A_7C15) &* 0xD6E8_FEB8_6659_FD93
      mixed ^= mixed >> 32
      return mixed &* 0xA076_1D64_78BD_642F
    }
    for isPositive in [true, false] {
      var next = 0
      let members = rows.indices.filter { rows[$0].isPositive == isPositive }.map { (order: order($0), row: $0) }
      for member in members.sorted(by: { $0 < $1 }) {
        let hash = rows[member.row].hash
        if known[hash] == nil {
          known[hash] = UInt8(next % count)
          next += 1
        }
        folds[member.row] = known[hash]!
      }
    }
    return folds
  }
}

import PipelineKit
import ShardKit
import TextKit

/// What windows are counted in: the characters of a text. Memory is reused for the next text.
struct PassageUnits {
  private(set) var values: [UInt32] = []
  /// The byte at which each begins.
  private(set) var starts: [UInt32] = []
  private var bytes = 0

  var count: Int { values.count }

  /// - Throws: `StageError` for a text of more than 4 GiB.
  mutating func read(_ document: borrowing Document) throws(StageError) {
    guard document.text.count < Int(UInt32.max) else {
      throw StageError(
        .input, document.idString, "has \(document.text.count) bytes of text; at most 4 GiB are possible",
        hint: "Split it, or drop it in an earlier stage.")
    }
    values.removeAll(keepingCapacity: true)
    starts.removeAll(keepingCapacity: true)
    bytes = document.text.count
    document.text.withUnsafeBufferPointer { text in
      UTF8Scanning.forEachScalar(text) { scalar, start, _ in
        values.append(scalar)
        starts.append(UInt32(start))
      }
    }
  }

  /// The bytes of some units.
  func bytes(_ units: Range<Int>) -> Range<Int> { start(units.lowerBound)..<start(units.upperBound) }

  private func start(_ unit: Int) -> Int { unit < starts.count ? Int(starts[unit]) : bytes }
}

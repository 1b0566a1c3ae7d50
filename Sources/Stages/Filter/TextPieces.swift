import TextKit

/// A long text in pieces of similar size, so that measures do not depend on its total length.
enum TextPieces {
  /// Pieces of at least `bytes`, cut after line ends if there are any; the last one may be up to half as long again.
  static func of(_ text: UnsafeBufferPointer<UInt8>, bytes: Int) -> [UnsafeBufferPointer<UInt8>] {
    guard bytes > 0 else { return [text] }
    let bytes = max(bytes, 1 << 12)
    guard text.count > bytes + bytes / 2 else { return [text] }
    var pieces: [UnsafeBufferPointer<UInt8>] = []
    var start = 0
    while text.count - start > bytes + bytes / 2 {
      let end = end(text, start + bytes, limit: start + bytes + bytes / 2)
      pieces.append(UnsafeBufferPointer(rebasing: text[start..<end]))
      start = end
    }
    pieces.append(UnsafeBufferPointer(rebasing: text[start...]))
    return pieces
  }

  private static func end(_ text: UnsafeBufferPointer<UInt8>, _ wanted: Int, limit: Int) -> Int {
    if let feed = text[wanted..<limit].firstIndex(of: 0x0A) { return feed + 1 }
    return text[wanted - 3..<wanted + 1].lastIndex { $0 & 0xC0 != 0x80 } ?? wanted
  }
}

/// Measures of a text in pieces: sums of character counts, medians of all others.
struct PieceMeasures {
  private let values: [QualityMeasure: Double]

  init(_ pieces: [UnsafeBufferPointer<UInt8>], _ measures: [QualityMeasure], by measurer: QualityMeasurer) {
    var found: [QualityMeasure: [Double]] = [:]
    for piece in pieces {
      measurer.measuring(piece) {
        for measure in measures { found[measure, default: []].append(measurer.value(measure)) }
      }
    }
    values = Dictionary(uniqueKeysWithValues: found.map { ($0, Self.whole($0, $1)) })
  }

  subscript(measure: QualityMeasure) -> Double { values[measure] ?? 0 }

  private static func whole(_ measure: QualityMeasure, _ values: [Double]) -> Double {
    switch measure {
    case .characters, .japaneseCharacters: return values.reduce(0, +)
    case .leadingKana: return values[0]
    default:
      let sorted = values.sorted()
      return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
  }
}

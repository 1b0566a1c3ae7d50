import ShardKit
import TrainerCore

/// Vectors of texts, one after the other.
struct TextVectors {
  let width: Int
  var values: [Float]

  init(width: Int, values: [Float]) {
    self.width = width
    self.values = values
  }

  /// Reads what an embedding job has written.
  init(_ path: String) throws {
    let file = try SafetensorsFile(path)
    width = try file.entry("vectors").shape[1]
    values = try file.floats(of: "vectors")
  }

  var count: Int { width == 0 ? 0 : values.count / width }

  subscript(row: Int) -> ArraySlice<Float> { values[(row * width)..<((row + 1) * width)] }

  /// Of some rows.
  func rows(_ numbers: some Sequence<Int>) -> TextVectors {
    TextVectors(width: width, values: numbers.flatMap { self[$0] })
  }

  /// The sum of products, in double precision.
  static func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        var sum = 0.0
        for i in 0..<a.count { sum += Double(a[i]) * Double(b[i]) }
        return sum
      }
    }
  }
}

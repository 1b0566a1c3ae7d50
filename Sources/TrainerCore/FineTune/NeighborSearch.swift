/// The texts of the highest scores, collected while texts pass in order. Of equal ones the earlier stays.
struct NearestTexts {
  typealias Scored = (score: Float, text: Int)

  let top: Int
  /// Sorted, except what was added since `settle`.
  private var kept: [Scored] = []
  /// The score of the last one of a full list: scores that are not above it cannot be among the best.
  private var floor = -Float.infinity

  init(top: Int) { self.top = top }

  mutating func add(_ score: Float, text: Int) {
    guard score > floor else { return }
    kept.append((score, text))
    if kept.count >= 4 * top { settle() }
  }

  /// Sorts, and removes those that are not among the best.
  private mutating func settle() {
    kept = Array(kept.sorted { (-$0.score, $0.text) < (-$1.score, $1.text) }.prefix(top))
    if kept.count == top { floor = kept[top - 1].score }
  }

  /// The best first.
  mutating func best() -> [Scored] {
    settle()
    return kept
  }
}

/// The texts nearest to each query, collected while texts pass.
struct NeighborSearch {
  private let engine: Engine
  private let device: Device
  private let queries: Tensor
  private let count: Int
  private let size: Int
  private let top: Int
  private var found: [NearestTexts]

  init(_ path: String, top: Int, _ engine: Engine, _ device: Device) throws {
    let file = try SafetensorsFile(path)
    let entry = try file.entry("vectors")
    (count, size) = (entry.shape[0], entry.shape[1])
    queries = try engine.tensor(try file.floats(of: "vectors"), on: device, shape: [count, size])
    (self.engine, self.device, self.top) = (engine, device, top)
    found = [NearestTexts](repeating: NearestTexts(top: top), count: count)
  }

  mutating func add(_ vectors: [Float], from first: Int, count texts: Int) throws {
    let scores = try engine.withoutGradient { () throws(TorchError) in
      try queries.linear(try engine.tensor(vectors, on: device, shape: [texts, size])).floats()
    }
    for query in 0..<count {
      for text in 0..<texts { found[query].add(scores[query * texts + text], text: first + text) }
    }
  }

  /// `texts` and `scores`, [queries, places]; −1: there are fewer texts than places.
  mutating func tensors() -> [TensorSource] {
    var texts: [Int64] = [], scores: [Float] = []
    for query in 0..<count {
      let list = found[query].best()
      for place in 0..<top {
        texts.append(place < list.count ? Int64(list[place].text) : -1)
        scores.append(place < list.count ? list[place].score : 0)
      }
    }
    return [
      TensorSource("texts", .int64, shape: [count, top], bytes: texts.withUnsafeBytes { Array($0) }),
      TensorSource("scores", shape: [count, top], floats: scores),
    ]
  }
}

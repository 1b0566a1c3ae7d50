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

/// How near vectors are to one another in a search.
public enum SearchMeasure: String, CaseIterable, Codable, Sendable { case cosine, dot, euclidean }

/// The texts nearest to each query, collected while texts pass.
struct NeighborSearch {
  private let engine: Engine
  private let device: Device
  private let queries: Tensor
  private let count: Int
  private let size: Int
  /// nil: the sum of products.
  private let measure: SearchMeasure?
  private let top: Int
  private var found: [NearestTexts]

  init(
    _ path: String, top: Int, measure: SearchMeasure? = nil, _ engine: Engine, _ device: Device
  ) throws {
    let file = try SafetensorsFile(path)
    let entry = try file.entry("vectors")
    (count, size) = (entry.shape[0], entry.shape[1])
    let given = try engine.tensor(try file.floats(of: "vectors"), on: device, shape: [count, size])
    queries = measure == .cosine ? try given.unitRows() : given
    self.measure = measure
    (self.engine, self.device, self.top) = (engine, device, top)
    found = [NearestTexts](repeating: NearestTexts(top: top), count: count)
  }

  mutating func add(_ vectors: [Float], from first: Int, count texts: Int) throws {
    let scores = try engine.withoutGradient { () throws(TorchError) in
      let given = try engine.tensor(vectors, on: device, shape: [texts, size])
      switch measure {
      case nil, .dot: return try queries.linear(given).floats()
      case .cosine: return try queries.linear(given.unitRows()).floats()
      case .euclidean:
        // Of all texts in the order of -‖query - text‖², to which ‖query‖² is added.
        let squares = try given.times(given).sum(1).reshape(1, texts)
        return try queries.linear(given).scaled(2).plus(squares, scale: -1).floats()
      }
    }
    for query in 0..<count {
      for text in 0..<texts { found[query].add(scores[query * texts + text], text: first + text) }
    }
  }

  /// `texts` and `scores`, after the measure if one is named, [queries, places]; −1: there are fewer texts than places.
  mutating func tensors() -> [TensorSource] {
    var texts: [Int64] = [], scores: [Float] = []
    for query in 0..<count {
      let list = found[query].best()
      for place in 0..<top {
        texts.append(place < list.count ? Int64(list[place].text) : -1)
        scores.append(place < list.count ? list[place].score : 0)
      }
    }
    let prefix = measure.map { $0.rawValue + "/" } ?? ""
    return [
      TensorSource(prefix + "texts", .int64, shape: [count, top], bytes: texts.withUnsafeBytes { Array($0) }),
      TensorSource(prefix + "scores", shape: [count, top], floats: scores),
    ]
  }
}

/// The label of a text's nearest neighbors by cosine: `KNeighborsClassifier` of scikit-learn. Of labels that equally many
/// neighbors have, the first.
struct NearestLabels {
  private let vectors: TextVectors
  private let lengths: [Double]
  private let labels: [Int]
  private let neighbors: Int

  init(_ vectors: TextVectors, _ labels: [Int], neighbors: Int) {
    self.vectors = vectors
    self.labels = labels
    self.neighbors = neighbors
    lengths = (0..<vectors.count).map { Self.length(vectors[$0]) }
  }

  private static func length(_ vector: ArraySlice<Float>) -> Double {
    let length = TextVectors.dot(vector, vector).squareRoot()
    return length > 0 ? length : 1
  }

  func labels(of texts: TextVectors) -> [Int] { (0..<texts.count).map { label(of: texts[$0]) } }

  private func label(of vector: ArraySlice<Float>) -> Int {
    var nearest: [(cosine: Double, row: Int)] = []
    let length = Self.length(vector)
    for row in 0..<vectors.count {
      let cosine = TextVectors.dot(vector, vectors[row]) / (length * lengths[row])
      guard nearest.count < neighbors || cosine > nearest[nearest.count - 1].cosine else { continue }
      let place = nearest.firstIndex { $0.cosine < cosine } ?? nearest.count
      nearest.insert((cosine, row), at: place)
      if nearest.count > neighbors { nearest.removeLast() }
    }
    var votes: [Int: Int] = [:]
    for neighbor in nearest { votes[labels[neighbor.row], default: 0] += 1 }
    return votes.min { (-$0.value, $0.key) < (-$1.value, $1.key) }?.key ?? 0
  }
}

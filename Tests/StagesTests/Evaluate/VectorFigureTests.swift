import Glibc
import ShardKit
import TestKit
import Testing

@testable import Stages
@testable import TrainerCore

private let peer = PeerScript("vector_figures.py")

/// Classifiers, clusters and figures of vectors beside scikit-learn's.
@Suite(.needs(peer.isUsable, "needs Python with scikit-learn"))
struct VectorFigureTests {
  /// Clouds of vectors around as many places as there are labels, wide enough to overlap.
  private struct Clouds {
    var train, test: TextVectors
    var trainLabels: [Int] = [], testLabels: [Int] = []

    init(labels: Int, width: Int, count: Int, spread: Double, seed: Int) {
      var random = SeededShuffle(seed: seed, epoch: 0)
      func number() -> Double { (0..<6).reduce(-3) { sum, _ in sum + Double(random.next() >> 11) / Double(1 << 53) } }
      let centers = (0..<labels * width).map { _ in number() }
      func cloud(_ count: Int, _ labels: inout [Int]) -> TextVectors {
        var values: [Float] = []
        for row in 0..<count {
          let label = row * row % 7 % max(1, centers.count / width)
          labels.append(label)
          values += (0..<width).map { Float(centers[label * width + $0] + spread * number()) }
        }
        return TextVectors(width: width, values: values)
      }
      train = cloud(count, &trainLabels)
      test = cloud(count / 2, &testLabels)
    }

    func rows(_ vectors: TextVectors) -> JSONValue {
      .list((0..<vectors.count).map { row in .list(vectors[row].map { .number(Double($0)) }) })
    }
  }

  private func figures(_ clouds: Clouds, clusters: Int, pairs: PairThreshold) throws -> JSONValue {
    func numbers(_ values: [Int]) -> JSONValue { .list(values.map { .integer($0) }) }
    let given: JSONValue = [
      "train": clouds.rows(clouds.train), "test": clouds.rows(clouds.test), "trainLabels": numbers(clouds.trainLabels),
      "testLabels": numbers(clouds.testLabels), "clusters": .integer(clusters),
      "similarities": .list(pairs.similarities.map { .number($0) }),
      "isWanted": .list(pairs.isWanted.map { .integer($0 ? 1 : 0) }),
    ]
    let path = temporaryDirectory() + "/given.json"
    try FileSystem.write(Array(given.text().utf8), to: path)
    return try JSONValue.parse(try #require(peer.run(path))).value
  }

  private func integers(_ json: JSONValue?) throws -> [Int] {
    try #require(json?.array).map { try #require($0.integer) }
  }

  private func doubles(_ json: JSONValue?) throws -> [Double] {
    try #require(json?.array).map { try #require($0.double) }
  }

  /// Clusters under the numbers of their first members.
  private func named(_ clusters: [Int]) -> [Int] { clusters.map { own in clusters.firstIndex(of: own)! } }

  private func spread(_ vectors: TextVectors, _ clusters: [Int]) -> Double {
    Set(clusters).sorted().reduce(0) { sum, cluster in
      let members = clusters.indices.filter { clusters[$0] == cluster }
      let mean = (0..<vectors.width).map { i in
        members.reduce(0.0) { $0 + Double(vectors[$1][vectors[$1].startIndex + i]) } / Double(members.count)
      }
      return sum
        + members.reduce(0.0) { part, row in
          part + zip(vectors[row], mean).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        }
    }
  }

  @Test(arguments: [(2, 8, 0.9), (3, 5, 1.2), (5, 16, 1.0), (1, 4, 1.0)])
  func figuresEqualScikitLearns(_ labels: Int, _ width: Int, _ wide: Double) throws {
    let clouds = Clouds(labels: max(2, labels), width: width, count: 90, spread: wide, seed: labels)
    let similarities = (0..<45).map { Double(clouds.train[$0][$0 * width]) }
    let pairs = PairThreshold(
      similarities: similarities.map { ($0 * 4).rounded() / 4 },
      isWanted: (0..<45).map { similarities[$0] + Double($0 % 5) > 1.5 })
    let expected = try figures(clouds, clusters: max(2, labels), pairs: pairs)
    let count = max(2, labels)

    let near = NearestLabels(clouds.train, clouds.trainLabels, neighbors: 2).labels(of: clouds.test)
    #expect(near == (try integers(expected["neighbors"]?["labels"])))
    let regression = try VectorRegression(clouds.train, clouds.trainLabels, labels: count)
    let said = regression.labels(of: clouds.test)
    #expect(said == (try integers(expected["logistic"]?["labels"])))
    var confusion = LabelConfusion(labels: count)
    for (label, given) in zip(clouds.testLabels, said) { confusion.add(label: label, given: given) }
    #expect(abs(confusion.macroF1 - expected["logistic"]!["macroF1"]!.double!) < 1e-12)
    #expect(abs(confusion.accuracy - expected["logistic"]!["accuracy"]!.double!) < 1e-12)

    let ward = try VectorClusters.ward(clouds.train, count: count)
    #expect(named(ward) == named(try integers(expected["ward"]?["clusters"])))
    let agreement = ClusterAgreement(labels: clouds.trainLabels, clusters: ward)
    let theirs = try doubles(expected["ward"]?["agreement"])
    #expect(abs(agreement.homogeneity - theirs[0]) < 1e-9 && abs(agreement.completeness - theirs[1]) < 1e-9)
    #expect(abs(agreement.vMeasure - theirs[2]) < 1e-9)

    // Draws are others', and what they come to is about as good.
    let means = try VectorClusters.kMeans(clouds.train, count: count, seed: 1, draws: 20)
    #expect(spread(clouds.train, means) < expected["kMeans"]!["inertia"]!.double! * 1.02)
    let halves = try VectorClusters.bisectingKMeans(clouds.train, count: count, seed: 1)
    #expect(Set(halves) == Set(0..<count))
    #expect(spread(clouds.train, halves) < expected["bisecting"]!["inertia"]!.double! * 1.1)
    #expect(try means == VectorClusters.kMeans(clouds.train, count: count, seed: 1, draws: 20))

    #expect(abs(pairs.averagePrecision - expected["pairs"]!["averagePrecision"]!.double!) < 1e-12)
  }

  /// Thresholds between pairs of different similarity give what a search over all of them gives.
  @Test func thresholdsAreTheBest() throws {
    let clouds = Clouds(labels: 2, width: 4, count: 60, spread: 1, seed: 9)
    let similarities = (0..<60).map { Double(clouds.train[$0][$0 * 4]) + Double(clouds.trainLabels[$0]) }
    let pairs = PairThreshold(similarities: similarities, isWanted: clouds.trainLabels.map { $0 == 1 })
    let expected = try figures(clouds, clusters: 2, pairs: pairs)
    #expect(abs(pairs.bestF1.value - expected["pairs"]!["f1"]!.double!) < 1e-12)
    #expect(abs(pairs.f1(pairs.bestF1.threshold) - pairs.bestF1.value) < 1e-12)
    #expect(abs(pairs.bestAccuracy.value - expected["pairs"]!["accuracy"]!.double!) < 1e-12)
    #expect(abs(pairs.accuracy(pairs.bestAccuracy.threshold) - pairs.bestAccuracy.value) < 1e-12)
  }

  @Test func fewVectorsAreClustersToo() throws {
    let one = TextVectors(width: 2, values: [1, 2])
    #expect(try VectorClusters.ward(one, count: 1) == [0])
    #expect(try VectorClusters.kMeans(one, count: 3, seed: 1) == [0])
    let same = TextVectors(width: 1, values: [3, 3, 3])
    #expect(try VectorClusters.ward(same, count: 2).count == 3)
    #expect(try VectorClusters.bisectingKMeans(same, count: 3, seed: 1).count == 3)
    #expect(ClusterAgreement(labels: [0, 0], clusters: [0, 0]).vMeasure == 1)
    #expect(ClusterAgreement(labels: [0, 1], clusters: [0, 0]).vMeasure == 0)
  }
}

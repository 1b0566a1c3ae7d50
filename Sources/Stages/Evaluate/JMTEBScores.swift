import Glibc
import PipelineKit
import ShardKit
import TrainerCore

/// What a set's evaluation came to.
struct JMTEBScore: JSONRecord, Equatable {
  var name: String
  var kind: JMTEBKind
  @JSONFigure var score: Double
  /// Among several similarities, classifiers or algorithms, the one that is best on the validation records.
  var chosen: String
  /// Of each choice, the figure on the validation records.
  @JSONFigures var validation: [String: Double]
  /// Of the chosen one.
  @JSONFigures var test: [String: Double]
}

/// Evaluates vectors on JMTEB's sets as JMTEB does (sbintuitions/JMTEB, 2025): of each kind's choices, the best one on the
/// validation records is scored on the test records.
struct JMTEBEvaluation {
  /// Vectors of texts, as the model gives them.
  /// - Parameter isDocument: whether they are documents that are searched.
  let embed: (_ texts: [String], _ isDocument: Bool) throws -> TextVectors
  /// For each query the places of its nearest documents by each measure.
  let search: (_ queries: [String]) throws -> JMTEBSearch
  let seed: Int
  let check: () throws -> Void

  func score(_ set: JMTEBSet) throws -> JMTEBScore {
    switch set.kind {
    case .sts: try sts(set)
    case .classification: try classification(set)
    case .clustering: try clustering(set)
    case .pairClassification: try pairs(set)
    case .retrieval: try retrieval(set)
    case .reranking: try reranking(set)
    }
  }

  /// Scores the best of some choices; of equal ones, the first.
  private func best<Choice>(
    _ set: JMTEBSet, _ choices: [(name: String, choice: Choice)], validation: (Choice) throws -> Double,
    test: (Choice) throws -> (score: Double, figures: [String: Double])
  ) throws -> JMTEBScore {
    var figures: [String: Double] = [:]
    var best = (place: 0, value: -Double.infinity)
    for (place, (name, choice)) in choices.enumerated() {
      try check()
      let value = try validation(choice)
      figures[name] = value
      if value > best.value { best = (place, value) }
    }
    let (score, own) = try test(choices[best.place].choice)
    return JMTEBScore(
      name: set.name, kind: set.kind, score: score, chosen: choices[best.place].name, validation: figures, test: own)
  }

  // MARK: Pairs

  private func sentences(_ set: JMTEBSet, _ records: [JSONValue]) throws -> [String] {
    try records.flatMap { try [set.text($0, ["sentence1"]), set.text($0, ["sentence2"])] }
  }

  /// Vectors of the validation and of the test records' texts.
  private func vectors(_ validation: [String], _ test: [String]) throws -> (TextVectors, TextVectors) {
    let all = try embed(validation + test, false)
    return (all.rows(0..<validation.count), all.rows(validation.count..<all.count))
  }

  private func sts(_ set: JMTEBSet) throws -> JMTEBScore {
    let (validation, test) = try vectors(sentences(set, set.validation), sentences(set, set.test))
    func pairs(_ vectors: TextVectors, _ records: [JSONValue]) throws -> SentencePairs {
      let gold = try records.map { record in
        guard let label = record["label"]?.double else { throw set.lacks("label") }
        return label
      }
      return SentencePairs(vectors: vectors.values, size: vectors.width, gold: gold)
    }
    let known = try pairs(validation, set.validation), asked = try pairs(test, set.test)
    return try best(set, Similarity.choices.map { ($0.rawValue, $0) }) {
      known.correlations($0).spearman
    } test: {
      let found = asked.correlations($0)
      return (found.spearman, ["spearman": found.spearman, "pearson": found.pearson])
    }
  }

  /// JMTEB takes the cosine for a distance here, so that pairs below its threshold count as alike. Its choice and figure
  /// are kept; the figures of the cosine itself are told beside them.
  private enum PairMeasure: String, CaseIterable {
    case cosineAsDistance, manhattan, euclidean, dot

    var similarity: Similarity {
      switch self {
      case .cosineAsDistance: .cosine
      case .manhattan: .manhattan
      case .euclidean: .euclidean
      case .dot: .dot
      }
    }
  }

  private func pairs(_ set: JMTEBSet) throws -> JMTEBScore {
    let (count, labels) = try set.labels([set.validation, set.test])
    guard count == 2 else {
      throw StageError(.input, set.name, "has \(count) labels; pair classification needs two", hint: "Check 'kinds'.")
    }
    let (validation, test) = try vectors(sentences(set, set.validation), sentences(set, set.test))
    func threshold(_ vectors: TextVectors, _ labels: [Int], _ similarity: Similarity, turned: Bool) -> PairThreshold {
      let values = labels.indices.map { similarity(vectors[2 * $0], vectors[2 * $0 + 1]) }
      return PairThreshold(
        similarities: turned ? values.map { -$0 } : values, isWanted: labels.map { $0 == 1 },
        isStrict: turned || similarity == .manhattan || similarity == .euclidean)
    }
    func threshold(_ vectors: TextVectors, _ labels: [Int], _ measure: PairMeasure) -> PairThreshold {
      threshold(vectors, labels, measure.similarity, turned: measure == .cosineAsDistance)
    }
    return try best(set, PairMeasure.allCases.map { ($0.rawValue, $0) }) {
      threshold(validation, labels[0], $0).bestF1.value
    } test: { measure in
      let known = threshold(validation, labels[0], measure), asked = threshold(test, labels[1], measure)
      let cosineKnown = threshold(validation, labels[0], .cosine, turned: false)
      let cosine = threshold(test, labels[1], .cosine, turned: false)
      let f1 = asked.f1(known.bestF1.threshold)
      return (
        f1,
        [
          "f1": f1, "accuracy": asked.accuracy(known.bestAccuracy.threshold),
          "cosineF1": cosine.f1(cosineKnown.bestF1.threshold), "cosineAveragePrecision": cosine.averagePrecision,
        ]
      )
    }
  }

  // MARK: Labels

  private func texts(_ set: JMTEBSet, _ records: [JSONValue]) throws -> [String] {
    try records.map { try set.text($0, ["text", "sentence"]) }
  }

  private func classification(_ set: JMTEBSet) throws -> JMTEBScore {
    let (count, labels) = try set.labels([set.train, set.validation, set.test])
    guard !set.train.isEmpty else {
      throw StageError(.input, set.name, "has no training records", hint: "Give train.jsonl.")
    }
    let all = try embed(texts(set, set.train) + texts(set, set.validation) + texts(set, set.test), false)
    let first = set.train.count, second = first + set.validation.count
    let train = all.rows(0..<first), validation = all.rows(first..<second), test = all.rows(second..<all.count)
    let neighbors = NearestLabels(train, labels[0], neighbors: 2)
    let regression = try VectorRegression(train, labels[0], labels: count, check: check)
    let choices: [(name: String, choice: (TextVectors) -> [Int])] = [
      ("neighbors", neighbors.labels(of:)), ("logistic", regression.labels(of:)),
    ]
    func confusion(_ labels: [Int], _ given: [Int]) -> LabelConfusion {
      var confusion = LabelConfusion(labels: count)
      for (label, given) in zip(labels, given) { confusion.add(label: label, given: given) }
      return confusion
    }
    return try best(set, choices) {
      confusion(labels[1], $0(validation)).macroF1
    } test: {
      let found = confusion(labels[2], $0(test))
      return (found.macroF1, ["macroF1": found.macroF1, "accuracy": found.accuracy])
    }
  }

  private func clustering(_ set: JMTEBSet) throws -> JMTEBScore {
    let labels = try set.labels([set.validation, set.test]).places
    let (validation, test) = try vectors(texts(set, set.validation), texts(set, set.test))
    let count = Set(labels[1]).count
    let choices: [(name: String, choice: (TextVectors) throws -> [Int])] = [
      ("kMeans", { try VectorClusters.kMeans($0, count: count, seed: UInt64(seed), check: check) }),
      ("ward", { try VectorClusters.ward($0, count: count, check: check) }),
      ("bisectingKMeans", { try VectorClusters.bisectingKMeans($0, count: count, seed: UInt64(seed), check: check) }),
    ]
    return try best(set, choices) {
      ClusterAgreement(labels: labels[0], clusters: try $0(validation)).vMeasure
    } test: {
      let found = ClusterAgreement(labels: labels[1], clusters: try $0(test))
      return (
        found.vMeasure,
        ["vMeasure": found.vMeasure, "homogeneity": found.homogeneity, "completeness": found.completeness]
      )
    }
  }

  // MARK: Documents

  private static let questionNames = ["query", "question", "text"]

  private func retrieval(_ set: JMTEBSet) throws -> JMTEBScore {
    let records = set.validation + set.test
    let found = try search(records.map { try set.text($0, Self.questionNames) })
    let relevant = records.map { set.ids($0["relevant_docs"] ?? $0["answer"]) }
    func rankings(_ measure: SearchMeasure, _ rows: Range<Int>) -> [JMTEBRanking] {
      rows.map { JMTEBRanking(found.documents(measure, $0), relevant[$0]) }
    }
    return try best(set, SearchMeasure.allCases.map { ($0.rawValue, $0) }) {
      Correlation.mean(rankings($0, 0..<set.validation.count).map { $0.nDCG(10) })
    } test: { measure in
      let own = rankings(measure, set.validation.count..<records.count)
      var figures = [
        "nDCG@10": Correlation.mean(own.map { $0.nDCG(10) }),
        "MRR@10": Correlation.mean(own.map { $0.reciprocalRank(10) }),
      ]
      for cutoff in [1, 3, 5, 10] { figures["accuracy@\(cutoff)"] = Correlation.mean(own.map { $0.accuracy(cutoff) }) }
      return (figures["nDCG@10"] ?? .nan, figures)
    }
  }

  private func reranking(_ set: JMTEBSet) throws -> JMTEBScore {
    let records = set.validation + set.test
    let candidates = records.map { set.ids($0["retrieved_docs"]) }
    let documents = try documents(set, Set(candidates.flatMap { $0 }.map { ExactText($0) }))
    let queries = try embed(records.map { try set.text($0, Self.questionNames) }, false)
    let vectors = try embed(documents.texts, true)
    func nDCG(_ measure: SearchMeasure, _ row: Int, _ cutoff: Int) throws -> Double {
      guard let relevance = records[row]["relevance_scores"]?.array?.compactMap(\.double),
        relevance.count == candidates[row].count
      else { throw set.lacks("relevance_scores") }
      let scores = candidates[row].map {
        measure.similarity(queries[row], vectors[documents.places[ExactText($0)] ?? 0])
      }
      return JMTEBRanking.nDCG(candidates[row], relevance, scores, cutoff)
    }
    func mean(_ measure: SearchMeasure, _ rows: Range<Int>, _ cutoff: Int) throws -> Double {
      Correlation.mean(try rows.map { try nDCG(measure, $0, cutoff) })
    }
    return try best(set, SearchMeasure.allCases.map { ($0.rawValue, $0) }) {
      try mean($0, 0..<set.validation.count, 10)
    } test: { measure in
      var figures: [String: Double] = [:]
      for cutoff in [10, 20, 40] {
        figures["nDCG@\(cutoff)"] = try mean(measure, set.validation.count..<records.count, cutoff)
      }
      return (figures["nDCG@10"] ?? .nan, figures)
    }
  }

  /// The wanted documents of the corpus.
  private func documents(
    _ set: JMTEBSet, _ wanted: Set<ExactText>
  ) throws -> (texts: [String], places: [ExactText: Int]) {
    var texts: [String] = [], places: [ExactText: Int] = [:]
    try set.forEachDocument { id, text in
      guard wanted.contains(id) else { return }
      places[id] = texts.count
      texts.append(try text())
    }
    guard let missing = wanted.first(where: { places[$0] == nil }) else { return (texts, places) }
    throw StageError(
      .input, set.name, "the corpus has no document '\(missing.text)', which a query names",
      hint: "Give the whole corpus.")
  }
}

/// For each query the documents that a search has found, by measure.
struct JMTEBSearch {
  let ids: [ExactText]
  let places: [SearchMeasure: [[Int]]]

  func documents(_ measure: SearchMeasure, _ query: Int) -> [ExactText] {
    (places[measure]?[query] ?? []).map { ids[$0] }
  }
}

/// A query's documents in order, by JMTEB's definitions: a gain of 1 for each relevant document, and the best order is
/// summed over all relevant documents, however many places count. A document counts once, at its first place.
struct JMTEBRanking {
  private let isRelevant: [Bool]
  private let relevant: Int

  init(_ documents: [ExactText], _ relevant: [String]) {
    var wanted = Set(relevant.map { ExactText($0) })
    self.relevant = wanted.count
    isRelevant = documents.map { wanted.remove($0) != nil }
  }

  func nDCG(_ cutoff: Int) -> Double {
    guard relevant > 0 else { return 0 }
    let gains = isRelevant.prefix(cutoff).map { $0 ? 1.0 : 0 }
    return Self.gain(gains) / Self.gain([Double](repeating: 1, count: relevant))
  }

  func accuracy(_ cutoff: Int) -> Double { isRelevant.prefix(cutoff).contains(true) ? 1 : 0 }

  func reciprocalRank(_ cutoff: Int) -> Double {
    isRelevant.prefix(cutoff).firstIndex(of: true).map { 1 / Double($0 + 1) } ?? 0
  }

  /// Of a query's candidates in the order of their scores; of equal scores the first. The relevance of a candidate that is
  /// named twice is that of its first place.
  static func nDCG(_ candidates: [String], _ relevance: [Double], _ scores: [Double], _ cutoff: Int) -> Double {
    var known: [ExactText: Double] = [:]
    for (candidate, value) in zip(candidates, relevance) where known[ExactText(candidate)] == nil {
      known[ExactText(candidate)] = value
    }
    let order = scores.indices.sorted { (-scores[$0], $0) < (-scores[$1], $1) }
    let ideal = gain(Array(relevance.sorted(by: >).prefix(cutoff)))
    return ideal > 0 ? gain(order.prefix(cutoff).map { known[ExactText(candidates[$0])] ?? 0 }) / ideal : 0
  }

  private static func gain(_ relevance: [Double]) -> Double {
    relevance.enumerated().reduce(0) { $0 + $1.element / log2(Double($1.offset + 2)) }
  }
}

import ShardKit
import TextKit

/// One input of training or evaluation: an example, or a window of a long paragraph.
struct BenchmarkFeature: Sendable {
  /// Number of its example.
  var example: Int
  /// One, or one per choice.
  var inputs: [TokenSequence]
  /// A number, a label, 0 or 1 for each label, or the first and the last token of the answer.
  var targets: [Double]
  /// Of a window: where its context begins in the input, and the byte range of each of its tokens.
  var contextStart = 0
  var places: [Range<Int>] = []

  var length: Int { inputs.map(\.ids.count).max() ?? 0 }
}

extension JGLUEBenchmark {
  public var head: ModelHead {
    switch self {
    case .jsts: .regression
    case .jnli: .classification(labels: Self.entailments.count)
    case .jcommonsenseqa: .choice(of: Self.choices)
    case .jsquad: .span
    }
  }
}

/// Turns examples into the model's inputs.
struct FeatureMaker {
  let encoder: SequenceEncoder
  /// Tokens between the starts of two windows, and tokens of a question at most: SQuAD's own settings.
  static let windowStep = 128
  static let maximumQuestion = 64

  func features(_ examples: [BenchmarkExample]) throws -> [BenchmarkFeature] {
    var features: [BenchmarkFeature] = []
    for (number, example) in examples.enumerated() {
      switch example {
      case .pair(let a, let b, let score):
        features.append(BenchmarkFeature(example: number, inputs: [try encoder.pair(a, b)], targets: [score]))
      case .entailment(let a, let b, let label):
        features.append(BenchmarkFeature(example: number, inputs: [try encoder.pair(a, b)], targets: [Double(label)]))
      case .choice(let question, let choices, let label):
        let inputs = try choices.map { try encoder.pair(question, $0) }
        features.append(BenchmarkFeature(example: number, inputs: inputs, targets: [Double(label)]))
      case .text(let text, let pair, let targets):
        features.append(
          BenchmarkFeature(example: number, inputs: [try encoder.sequence(text, pair)], targets: targets))
      case .answer(let passage): features += try windows(passage, number)
      }
    }
    return features
  }

  /// Windows over a paragraph. If one does not contain the complete answer, its target is [CLS].
  private func windows(_ passage: BenchmarkExample.Passage, _ number: Int) throws -> [BenchmarkFeature] {
    let question = try encoder.ids(passage.question).prefix(Self.maximumQuestion)
    let tokens = try encoder.session.encodeWithPlaces(passage.context)
    let room = encoder.maximumLength - question.count - encoder.pairSpecials
    guard room > 0 else { return [] }
    let answer = Self.tokens(of: passage.answers[0].range, tokens)
    var out: [BenchmarkFeature] = []
    var start = 0
    while true {
      let window = start..<min(start + room, tokens.count)
      let ids = tokens[window].map { Int32($0.id) }
      let contextStart = question.count + encoder.secondOffset
      var targets = [0.0, 0.0]
      if let answer, window.contains(answer.lowerBound), window.contains(answer.upperBound) {
        targets = [answer.lowerBound, answer.upperBound].map { Double($0 - start + contextStart) }
      }
      out.append(
        BenchmarkFeature(
          example: number, inputs: [encoder.sequence(question, ids[...])], targets: targets,
          contextStart: contextStart, places: tokens[window].map(\.range)))
      if window.upperBound == tokens.count { return out }
      start += min(Self.windowStep, room)
    }
  }

  /// The first and the last token that contain bytes of the answer.
  static func tokens(of answer: Range<Int>, _ tokens: [TokenOffset]) -> ClosedRange<Int>? {
    guard let first = tokens.firstIndex(where: { $0.range.upperBound > answer.lowerBound }),
      let last = tokens.lastIndex(where: { $0.range.lowerBound < answer.upperBound }), first <= last
    else { return nil }
    return first...last
  }
}

/// The best answer over a paragraph's windows.
struct AnswerChoice {
  private(set) var score = -Double.infinity
  private(set) var range = 0..<0
  static let maximumTokens = 30
  private static let candidates = 20

  /// Adds a window's scores.
  /// - Parameters:
  ///   - first: scores of each token as the first of the answer.
  ///   - last: the same as the last.
  mutating func add(_ feature: BenchmarkFeature, first: [Float], last: [Float]) {
    let tokens = feature.contextStart..<(feature.contextStart + feature.places.count)
    let starts = tokens.sorted { (-first[$0], $0) < (-first[$1], $1) }.prefix(Self.candidates)
    let ends = tokens.sorted { (-last[$0], $0) < (-last[$1], $1) }.prefix(Self.candidates)
    for start in starts {
      for end in ends where end >= start && end - start < Self.maximumTokens {
        let sum = Double(first[start]) + Double(last[end])
        guard sum > score else { continue }
        score = sum
        let low = feature.places[start - feature.contextStart].lowerBound
        range = low..<max(low, feature.places[end - feature.contextStart].upperBound)
      }
    }
  }
}

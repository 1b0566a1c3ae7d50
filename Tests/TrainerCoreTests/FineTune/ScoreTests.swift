import TestKit
import Testing

@testable import TrainerCore

@Suite struct ScoreTests {
  private let a = [3.1, 0.5, 2.0, 2.0, 4.9, 1.1, 3.3, 2.0]
  private let b = [2.8, 1.0, 2.5, 1.9, 4.0, 1.0, 3.9, 0.2]

  /// Against scipy 1.17's pearsonr, spearmanr and rankdata; three values are equal.
  @Test func correlationsEqualSciPys() {
    #expect(abs(Correlation.pearson(a, b) - 0.8250300067870301) < 1e-12)
    #expect(abs(Correlation.spearman(a, b) - 0.8467691965873324) < 1e-12)
    #expect(Correlation.ranks(a) == [6, 1, 4, 4, 8, 2, 7, 4])
  }

  @Test func correlationsOfNothingAreZero() {
    #expect(Correlation.pearson([1, 1, 1], [1, 2, 3]) == 0)
    #expect(Correlation.spearman([], []) == 0)
    #expect(Correlation.accuracy([], []) == 0)
    #expect(Correlation.deviation([3]) == 0)
    #expect(abs(Correlation.deviation([0.8, 0.9, 0.7]) - 0.1) < 1e-12)
  }

  /// Against scikit-learn 1.9's ndcg_score, which has linear gains too.
  @Test func gainsEqualScikitLearns() {
    let relevance = ["b": 3.0, "c": 1, "e": 2]
    let ranked = ["a", "b", "d", "e", "f", "c"]
    let ranking = Ranking(ranked, relevance)
    #expect(abs(ranking.nDCG(3) - 0.3974895222916884) < 1e-12)
    #expect(abs(ranking.nDCG(10) - 0.6531796159259999) < 1e-12)
    #expect(Ranking(["x"], [:]).nDCG() == 0)
    #expect(ranking.recall(2) == 1 / 3.0)
  }

  @Test func answersAreComparedByCharacters() {
    #expect(AnswerScore.exactMatch("東京タワー。", ["東京タワー"]) == 1)
    #expect(AnswerScore.exactMatch(" ＡＢＣ  de ", ["ａｂｃ DE"]) == 1)
    #expect(AnswerScore.exactMatch("東京", ["大阪", "京都"]) == 0)
    // Two of three characters of the answer are among the four allowed: 2·(2/3)(2/4)/(2/3+2/4).
    #expect(abs(AnswerScore.f1("東京駅", ["東京大学"]) - 4 / 7.0) < 1e-12)
    #expect(AnswerScore.f1("ああ", ["あ"]) == 2 / 3.0, "a character counts as often as it stands there")
    #expect(AnswerScore.f1("大阪", ["東京", "大阪城"]) == 0.8, "the best of the answers")
    #expect(AnswerScore.f1("。", ["。"]) == 1 && AnswerScore.f1("", ["あ"]) == 0)
  }

  @Test func orderIsDecidedBySeedAndEpoch() {
    var one = SeededShuffle(seed: 3, epoch: 1), again = SeededShuffle(seed: 3, epoch: 1)
    var other = SeededShuffle(seed: 3, epoch: 2)
    let order = one.order(100)
    #expect(order == again.order(100) && order != other.order(100))
    #expect(order.sorted() == Array(0..<100))
    var first = [Int](repeating: 0, count: 4)
    for seed in 0..<4000 {
      var shuffle = SeededShuffle(seed: seed, epoch: 0)
      first[shuffle.order(4)[0]] += 1
    }
    #expect(first.allSatisfy { (900...1100).contains($0) }, "every place is as likely: \(first)")
  }

  @Test func publishedScoresAreComplete() {
    for baseline in PublishedScores.all {
      for task in JGLUEBenchmark.allCases {
        for metric in task.metrics { #expect(baseline[task, metric] != nil, "\(baseline.model) \(task) \(metric)") }
      }
    }
  }
}

import Glibc
import ShardKit
import Testing

@testable import TrainerCore

@Suite struct TrainingChartTests {
  @Test(arguments: [
    (0.0, 10.0, [0, 2, 4, 6, 8, 10]), (1.93, 10.51, [2, 4, 6, 8, 10]), (0, 3e-4, [0, 1e-4, 2e-4, 3e-4]),
    (-1, 1, [-1, -0.5, 0, 0.5, 1]),
  ])
  func ticksAreRoundNumbers(low: Double, high: Double, ticks: [Double]) {
    let axis = ChartAxis([low, high], count: low < 0 ? 4 : high < 1 ? 3 : 5)
    #expect(axis.ticks.map(ChartNumber.value) == ticks.map(ChartNumber.value))
  }

  @Test func axesTakeAnything() {
    for values in [[], [.nan], [5, 5], [0, 0], [-3], [.infinity, 1], [-1e308, 1e308], [1e-300, 2e-300]] as [[Double]] {
      let axis = ChartAxis(values, count: 5)
      #expect(
        axis.range.upperBound > axis.range.lowerBound && !axis.ticks.isEmpty && axis.ticks.count <= 20, "\(values)")
      #expect(axis.ticks.allSatisfy { axis.position($0) >= -0.001 && axis.position($0) <= 1.001 }, "\(values)")
    }
    #expect(ChartAxis(steps: 7...7, count: 7).ticks == [7])
    #expect(ChartAxis(steps: 1...3, count: 7).ticks == [1, 2, 3])
  }

  @Test func numbersAreShort() {
    #expect(
      ChartNumber.short(325_000) == "325k" && ChartNumber.short(1_500_000) == "1.5M" && ChartNumber.short(0) == "0")
    #expect(ChartNumber.value(2.31415) == "2.314" && ChartNumber.value(3e-4) == "3e-4" && ChartNumber.value(10) == "10")
    #expect(ChartNumber.value(-0.00999999) == "-1e-2" && ChartNumber.value(1.5e6) == "1.5e6")
    #expect(ChartNumber.value(.nan) == "not a number" && ChartNumber.value(123.456) == "123.5")
    #expect(grouped(1_234_567) == "1,234,567")
  }

  @Test func thinningKeepsSpikes() {
    var values = (0..<100_000).map { ChartSeries.Point(step: Double($0), value: sin(Double($0) / 9000)) }
    values[70_001].value = 50
    values[31_337].value = -50
    let thin = ChartSeries(values).thinned(to: 2000)
    #expect(thin.count <= 2000)
    #expect(thin.contains(values[70_001]) && thin.contains(values[31_337]))
    #expect(zip(thin, thin.dropFirst()).allSatisfy { $0.step < $1.step })
  }

  @Test func smoothingNeitherLagsNorCrossesGaps() {
    let line = ChartSeries((0..<1000).map { .init(step: Double($0), value: 3 * Double($0)) })
    #expect(line.smoothed(to: 100).allSatisfy { abs($0.value - 3 * $0.step) < 1e-6 }, "a straight line stays itself")
    var values = (0..<200).map { ChartSeries.Point(step: Double($0), value: $0 < 100 ? 1 : 2) }
    values[100].value = .infinity
    let smooth = ChartSeries(values).smoothed(to: 500)
    #expect(smooth.allSatisfy { $0.value.isNaN || $0.value == ($0.step < 100 ? 1 : 2) })
    #expect(smooth.count { $0.value.isNaN } == 1)
    #expect(ChartSeries(Array(values.prefix(19))).smoothed(to: 100).isEmpty)
  }

  private func points(_ count: Int) -> [TrainingPoint] {
    (1...max(1, count)).prefix(count).map {
      TrainingPoint(step: $0, loss: 10 / Double($0), learningRate: 1e-4, gradientNorm: $0 % 7 == 0 ? .nan : 1)
    }
  }

  @Test(arguments: [0, 1, 2, 25, 5000]) func everyLengthIsDrawn(count: Int) {
    var points = points(count)
    if count > 10 { points[5].loss = .nan }
    let svg = TrainingChart.svg(points, title: "A <small> & \"quoted\" model")
    #expect(svg.contains("<title>A &lt;small&gt; &amp; &quot;quoted&quot; model</title>"))
    #expect(!svg.contains("nan") && !svg.contains("inf"), "no path has a number that is none")
    #expect(svg.utf8.count < 200_000)
    if count > 10 { #expect(svg.contains("<title>step 6: not a finite number</title>")) }
    if count == 1 { #expect(svg.contains("The loss goes from 10 at step 1 to 10 at step 1, between 10 and 10.")) }
    #expect(isBalanced(svg))
  }

  /// Whether every element that is opened is closed, in order.
  private func isBalanced(_ xml: String) -> Bool {
    var open: [Substring] = []
    for piece in xml.split(separator: "<", omittingEmptySubsequences: false).dropFirst() {
      guard let end = piece.firstIndex(of: ">") else { return false }
      let tag = piece[..<end]
      if tag.hasPrefix("/") {
        guard open.popLast() == tag.dropFirst() else { return false }
      } else if !tag.hasSuffix("/") {
        open.append(tag.prefix { $0 != " " && $0 != "\n" })
      }
    }
    return open.isEmpty
  }
}

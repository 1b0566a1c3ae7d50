/// One curve: values by step. NaN and infinity are gaps.
struct ChartSeries {
  struct Point: Equatable {
    var step: Double
    /// NaN: the line breaks here.
    var value: Double
  }

  let points: [Point]

  init(_ points: [Point]) {
    self.points = points.map { Point(step: $0.step, value: $0.value.isFinite ? $0.value : .nan) }
  }

  /// Up to a number of points that show the shape of the curve: the lowest and highest of each interval of steps.
  func thinned(to count: Int) -> [Point] {
    guard points.count > count else { return points }
    let stretches = max(1, count / 2)
    var out: [Point] = []
    for stretch in 0..<stretches {
      let range = (stretch * points.count / stretches)..<((stretch + 1) * points.count / stretches)
      let known = range.filter { !points[$0].value.isNaN }
      guard let first = known.first else {
        out.append(points[range.lowerBound])
        continue
      }
      let low = known.reduce(first) { points[$1].value < points[$0].value ? $1 : $0 }
      let high = known.reduce(first) { points[$1].value > points[$0].value ? $1 : $0 }
      for place in low == high ? [low] : [min(low, high), max(low, high)] { out.append(points[place]) }
    }
    return out
  }

  /// The mean of each point and its neighbors, about a fortieth of the curve, near ones counting more; empty for short
  /// curves.
  ///
  /// Towards a gap or an end the neighborhood narrows evenly, so that the line does not lag. Linear.
  func smoothed(to count: Int) -> [Point] {
    guard points.count >= 20 else { return [] }
    let reach = max(1, points.count / 160)
    let every = max(1, points.count / max(1, count))
    var out: [Point] = []
    var run: [Double] = []
    for place in 0...points.count {
      if place < points.count, !points[place].value.isNaN {
        run.append(points[place].value)
        continue
      }
      let means = Self.means(Self.means(run, reach: reach), reach: reach)
      let start = place - run.count
      for i in means.indices where i % every == 0 || i == means.count - 1 {
        out.append(Point(step: points[start + i].step, value: means[i]))
      }
      if place < points.count, !run.isEmpty { out.append(points[place]) }
      run = []
    }
    return out
  }

  private static func means(_ values: [Double], reach: Int) -> [Double] {
    var sums = [0.0]
    for value in values { sums.append(sums.last! + value) }
    return values.indices.map { i in
      let around = min(reach, i, values.count - 1 - i)
      return (sums[i + around + 1] - sums[i - around]) / Double(2 * around + 1)
    }
  }

  /// The values without a number of thousandths at either end; all of them if they are few.
  func values(withoutPerMille share: Int) -> [Double] {
    let sorted = points.map(\.value).filter { !$0.isNaN }.sorted()
    let cut = sorted.count * share / 1000
    return Array(sorted.dropFirst(cut).dropLast(cut))
  }

  var last: Point? { points.last { !$0.value.isNaN } }
  var first: Point? { points.first { !$0.value.isNaN } }
  /// Steps whose value is not finite.
  var gaps: [Double] { points.filter { $0.value.isNaN }.map(\.step) }
}

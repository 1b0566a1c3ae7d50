import ShardKit

/// A measure's histogram with the thresholds of gates.
struct HistogramPicture {
  /// What a rule compares a measure with.
  struct Threshold: Equatable {
    var gate: String
    var rule: String
    /// Such as `>=`.
    var sign: String
    var value: Double

    var text: String { "\(gate): \(rule) \(sign) \(figure(value))" }
  }

  var stage: String
  var histogram: SignalHistograms.Histogram
  var thresholds: [Threshold]

  private static let left = 16.0
  private static let width = 640.0
  private static let height = 120.0

  /// A single bar that no rule looks at needs no picture.
  var isConstant: Bool { histogram.least == histogram.greatest && thresholds.isEmpty }

  /// What the picture shows, in words.
  var words: String {
    let cuts = thresholds.map { " Threshold \($0.text)." }.joined()
    return "\(histogram.name) (\(stage)): \(grouped(histogram.documents)) documents from \(figure(histogram.least)) to "
      + "\(figure(histogram.greatest)), mean \(figure(histogram.mean))"
      + (histogram.missing > 0 ? ", \(grouped(histogram.missing)) without." : ".") + cuts
  }

  /// Bars as characters, for Markdown.
  var line: String {
    let steps: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    let most = Double(max(1, histogram.bins.max() ?? 1))
    let bars = histogram.bins.map { $0 == 0 ? " " : steps[min(7, Int((Double($0) / most * 8).rounded(.up)) - 1)] }
    return "\(figure(histogram.low)) \(String(bars)) \(figure(histogram.high))"
  }

  var svg: String {
    let full = 44 + Self.height + 28 + 16 * Double(thresholds.count)
    var out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"672\" viewBox=\"0 0 672 \(Int(full))\">"
      + "<title>\(ReportPage.html(words))</title>"
      + "<text class=\"name\" x=\"\(Int(Self.left))\" y=\"18\">\(ReportPage.html(histogram.name))</text>"
      + "<text class=\"small\" x=\"\(Int(Self.left + Self.width))\" y=\"18\" text-anchor=\"end\">"
      + "\(ReportPage.html("\(stage), mean \(figure(histogram.mean))"))</text>"
    let bar = Self.width / Double(max(1, histogram.bins.count))
    let most = Double(max(1, histogram.bins.max() ?? 1))
    for (i, count) in histogram.bins.enumerated() where count > 0 {
      let tall = max(1, Double(count) / most * Self.height)
      let from = histogram.low + (histogram.high - histogram.low) * Double(i) / Double(histogram.bins.count)
      out +=
        "<rect class=\"bar\" x=\"\(rounded(Self.left + bar * Double(i), 1))\" y=\"\(rounded(32 + Self.height - tall, 1))\""
      out += " width=\"\(rounded(max(1, bar - 1), 1))\" height=\"\(rounded(tall, 1))\">"
      out += "<title>from \(figure(from)): \(grouped(count)) documents</title></rect>"
    }
    let base = Int(32 + Self.height)
    out += "<line class=\"axis\" x1=\"16\" x2=\"656\" y1=\"\(base)\" y2=\"\(base)\"/>"
    out += "<text class=\"small\" x=\"16\" y=\"\(base + 16)\">\(figure(histogram.low))</text>"
    out += "<text class=\"small\" x=\"656\" y=\"\(base + 16)\" text-anchor=\"end\">\(figure(histogram.high))</text>"
    for (i, threshold) in thresholds.enumerated() {
      out += cut(threshold, base)
      out += "<text class=\"cutName\" x=\"16\" y=\"\(base + 34 + 16 * i)\">\(ReportPage.html(threshold.text))</text>"
    }
    return out + "</svg>"
  }

  /// A line where the threshold is; at the edge if it is beyond.
  private func cut(_ threshold: Threshold, _ base: Int) -> String {
    let range = histogram.high - histogram.low
    let place = range > 0 ? min(1, max(0, (threshold.value - histogram.low) / range)) : 0.5
    let x = rounded(Self.left + Self.width * place, 1)
    return "<line class=\"cut\" x1=\"\(x)\" x2=\"\(x)\" y1=\"26\" y2=\"\(base)\"/>"
  }
}

/// A number for people: whole ones in groups, others with four digits.
func figure(_ value: Double) -> String {
  guard value.isFinite else { return "-" }
  if value == value.rounded(), abs(value) < 1e15 { return grouped(Int(value)) }
  let magnitude = abs(value)
  let places = magnitude >= 1000 ? 0 : magnitude >= 100 ? 1 : magnitude >= 10 ? 2 : magnitude >= 0.1 ? 3 : 6
  return fixed(value, places)
}

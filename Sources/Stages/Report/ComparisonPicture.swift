import ShardKit

/// One measure's histograms of several groups side by side, on the same scales, with the thresholds of rules.
struct ComparisonPicture {
  var measure: ComparedGroups.Compared
  var groups: [String]
  var thresholds: [HistogramPicture.Threshold]

  private static let perRow = 3
  private static let width = 200.0
  private static let height = 80.0
  private static let panel = (width: 224.0, height: 132.0)

  /// Of each group's documents, by bin.
  private func shares(_ group: Int) -> [Double] {
    let found = measure.groups[group]
    return found.bins.map { Double($0) / Double(max(1, found.documents)) }
  }

  /// What the picture shows, in words.
  var words: String {
    let medians = zip(groups, measure.groups).map { name, found in
      "\(name) \(found.quantiles.isEmpty ? "none" : figure(found.quantiles[found.quantiles.count / 2]))"
    }
    return "\(measure.name): medians, in the order of the pictures: \(medians.joined(separator: ", "))."
      + thresholds.map { " Threshold \($0.text)." }.joined()
  }

  /// Bars as characters, a line per group, for Markdown. Names, which may hold anything, stand in `words`.
  var lines: [String] {
    let steps: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
    let most = groups.indices.flatMap(shares).max() ?? 0
    return groups.indices.map { group in
      let bars = shares(group).map { share in
        share == 0 ? " " : steps[min(7, max(0, Int((share / most * 8).rounded(.up)) - 1))]
      }
      return "\(figure(measure.low)) \(String(bars)) \(figure(measure.high))"
    }
  }

  var svg: String {
    let rows = (groups.count + Self.perRow - 1) / Self.perRow
    let full = 28 + Int(Self.panel.height) * rows + 16 * thresholds.count
    var out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"672\" viewBox=\"0 0 672 \(full)\">"
      + "<title>\(ReportPage.html(words))</title>"
      + "<text class=\"name\" x=\"12\" y=\"18\">\(ReportPage.html(measure.name))</text>"
      + "<text class=\"small\" x=\"660\" y=\"18\" text-anchor=\"end\">difference \(fixed(measure.difference, 3))</text>"
    let most = groups.indices.flatMap(shares).max() ?? 0
    for group in groups.indices { out += panel(group, most) }
    for (place, threshold) in thresholds.enumerated() {
      let y = 28 + Int(Self.panel.height) * rows + 12 + 16 * place
      out += "<text class=\"cutName\" x=\"12\" y=\"\(y)\">\(ReportPage.html(threshold.text))</text>"
    }
    return out + "</svg>"
  }

  private func panel(_ group: Int, _ most: Double) -> String {
    let x = 12 + Self.panel.width * Double(group % Self.perRow)
    let y = 28 + Self.panel.height * Double(group / Self.perRow)
    let base = y + 20 + Self.height
    let name = groups[group].count > 30 ? groups[group].prefix(29) + "…" : groups[group][...]
    var out = "<text class=\"small\" x=\"\(Int(x))\" y=\"\(Int(y) + 14)\">\(ReportPage.html(String(name)))</text>"
    let bar = Self.width / Double(ComparedGroups.bins)
    for (bin, share) in shares(group).enumerated() where share > 0 && most > 0 {
      let tall = max(1, share / most * Self.height)
      let from = measure.low + (measure.high - measure.low) * Double(bin) / Double(ComparedGroups.bins)
      out += "<rect class=\"bar\" x=\"\(rounded(x + bar * Double(bin), 1))\" y=\"\(rounded(base - tall, 1))\""
      out += " width=\"\(rounded(max(1, bar - 1), 1))\" height=\"\(rounded(tall, 1))\">"
      out += "<title>from \(figure(from)): \(fixed(100 * share, 2)) % of documents</title></rect>"
    }
    out +=
      "<line class=\"axis\" x1=\"\(Int(x))\" x2=\"\(Int(x + Self.width))\" y1=\"\(Int(base))\" y2=\"\(Int(base))\"/>"
    out += "<text class=\"small\" x=\"\(Int(x))\" y=\"\(Int(base) + 16)\">\(figure(measure.low))</text>"
    out += "<text class=\"small\" x=\"\(Int(x + Self.width))\" y=\"\(Int(base) + 16)\" text-anchor=\"end\">"
    out += "\(figure(measure.high))</text>"
    for threshold in thresholds { out += cut(threshold, x, from: y + 18, to: base) }
    return out
  }

  /// A line where the threshold is; at the edge if it is beyond.
  private func cut(_ threshold: HistogramPicture.Threshold, _ left: Double, from top: Double, to base: Double) -> String
  {
    let range = measure.high - measure.low
    let place = range > 0 ? min(1, max(0, (threshold.value - measure.low) / range)) : 0.5
    let x = rounded(left + Self.width * place, 1)
    return "<line class=\"cut\" x1=\"\(x)\" x2=\"\(x)\" y1=\"\(Int(top))\" y2=\"\(Int(base))\"/>"
  }
}

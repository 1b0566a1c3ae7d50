import PipelineKit
import ShardKit

/// Histograms of all measures that a scoring stage took.
struct SignalHistograms: JSONRecord, Equatable {
  struct Histogram: Codable, Equatable {
    var name: String
    /// Documents with the measure, and without.
    var documents = 0
    var missing = 0
    var least = 0.0
    var greatest = 0.0
    var mean = 0.0
    /// The ends of the bins, which are of equal width; the first and the last one also have what is beyond.
    var low = 0.0
    var high = 0.0
    var bins: [Int] = []
  }

  var stage: String
  var histograms: [Histogram] = []

  static let bins = 40
  /// Of the values by which the ends of the bins are chosen.
  private static let sampleSize = 1 << 16

  /// - Parameter check: called between files; throws if the task is to stop.
  /// - Throws: `ShardError` if a file cannot be read.
  init(stage: String, files: [ArtifactFile], check: () throws -> Void) throws {
    self.stage = stage
    let readers = try files.map { try SignalsReader($0.path) }
    let rows = readers.reduce(0) { $0 + $1.rows }
    guard let first = readers.first else { return }
    for column in first.columns where column.kind == .number {
      var histogram = Histogram(name: column.name)
      var sample: [Double] = []
      let stride = max(1, rows / Self.sampleSize)
      var row = 0, sum = 0.0
      try Self.forEach(column.name, readers, check) { value in
        defer { row += 1 }
        guard value.isFinite else { return histogram.missing += 1 }
        if row % stride == 0 { sample.append(value) }
        histogram.least = histogram.documents == 0 ? value : min(histogram.least, value)
        histogram.greatest = histogram.documents == 0 ? value : max(histogram.greatest, value)
        histogram.documents += 1
        sum += value
      }
      guard histogram.documents > 0 else { continue }
      histogram.mean = sum / Double(histogram.documents)
      histogram.choose(sample)
      var bins = [Int](repeating: 0, count: Self.bins)
      let width = (histogram.high - histogram.low) / Double(Self.bins)
      try Self.forEach(column.name, readers, check) { value in
        guard value.isFinite else { return }
        let place = width > 0 ? (value - histogram.low) / width : 0
        bins[Int(min(Double(Self.bins - 1), max(0, place.rounded(.down))))] += 1
      }
      histogram.bins = bins
      histograms.append(histogram)
    }
  }

  private static func forEach(
    _ name: String, _ readers: [SignalsReader], _ check: () throws -> Void, _ body: (Double) -> Void
  ) throws {
    for reader in readers {
      try check()
      guard let column = reader.column(name), reader.columns[column].kind == .number else { continue }
      for block in reader.blocks.indices { for value in try reader.numbers(column, block: block) { body(value) } }
    }
  }
}

extension SignalHistograms.Histogram {
  /// From the 0.5th to the 99.5th percentile of the sample: a few extremes do not hide the rest.
  fileprivate mutating func choose(_ sample: [Double]) {
    let sorted = sample.isEmpty ? [least, greatest] : sample.sorted()
    low = sorted[(sorted.count - 1) / 200]
    high = sorted[sorted.count - 1 - (sorted.count - 1) / 200]
  }
}

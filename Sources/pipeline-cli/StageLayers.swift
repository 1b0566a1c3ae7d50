import PipelineKit

/// The layout of the stages in a diagram: columns by the longest path from a source, rows near their inputs.
struct StageLayers {
  /// The stages of each column, as indices into the report, top to bottom.
  private(set) var columns: [[Int]] = []
  private(set) var column: [Int]
  /// The stages that each stage reads, without repeats.
  let sources: [[Int]]

  init(_ report: LineageReport) {
    let index = Dictionary(report.stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
    sources = report.stages.map { stage in
      var seen: Set<Int> = []
      return stage.inputs.compactMap { index[$0.stage] }.filter { seen.insert($0).inserted }
    }
    column = [Int](repeating: 0, count: report.stages.count)
    // The report is in graph order, so the inputs of a stage already have columns.
    for stage in column.indices { column[stage] = (sources[stage].map { column[$0] + 1 }.max() ?? 0) }
    moveSourcesNearTheirReaders()
    columns = [[Int]](repeating: [], count: (column.max() ?? -1) + 1)
    for stage in column.indices { columns[column[stage]].append(stage) }
    order()
  }

  /// Moves a source that is read late to the column just before its reader.
  private mutating func moveSourcesNearTheirReaders() {
    for stage in column.indices where sources[stage].isEmpty {
      let readers = column.indices.filter { sources[$0].contains(stage) }
      if let nearest = readers.map({ column[$0] }).min() { column[stage] = max(0, nearest - 1) }
    }
  }

  /// By the mean row of each stage's inputs; ties keep the order of the pipeline file.
  private mutating func order() {
    var row = [Double](repeating: 0, count: column.count)
    for c in columns.indices {
      let wanted = columns[c].enumerated().map { place, stage -> (Double, Int, Int) in
        let rows = sources[stage].map { row[$0] }
        return (rows.isEmpty ? Double(place) : rows.reduce(0, +) / Double(rows.count), place, stage)
      }
      columns[c] = wanted.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map(\.2)
      for (place, stage) in columns[c].enumerated() { row[stage] = Double(place) }
    }
  }
}

import PipelineKit

/// Where stages stand in a picture: columns by the longest way from a source, rows near what they read.
struct StageLayers {
  /// Stages by column, as indices into the report, top to bottom.
  private(set) var columns: [[Int]] = []
  private(set) var column: [Int]
  /// Stages that each stage reads, once each.
  let sources: [[Int]]

  init(_ report: LineageReport) {
    let index = Dictionary(report.stages.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { a, _ in a })
    sources = report.stages.map { stage in
      var seen: Set<Int> = []
      return stage.inputs.compactMap { index[$0.stage] }.filter { seen.insert($0).inserted }
    }
    column = [Int](repeating: 0, count: report.stages.count)
    // The report is in the graph's order: what a stage reads has its column already.
    for stage in column.indices { column[stage] = (sources[stage].map { column[$0] + 1 }.max() ?? 0) }
    moveSourcesNearTheirReaders()
    columns = [[Int]](repeating: [], count: (column.max() ?? -1) + 1)
    for stage in column.indices { columns[column[stage]].append(stage) }
    order()
  }

  /// A source that is read late stands just before its reader.
  private mutating func moveSourcesNearTheirReaders() {
    for stage in column.indices where sources[stage].isEmpty {
      let readers = column.indices.filter { sources[$0].contains(stage) }
      if let nearest = readers.map({ column[$0] }).min() { column[stage] = max(0, nearest - 1) }
    }
  }

  /// By the mean row of what each stage reads; ties stay in the document's order.
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

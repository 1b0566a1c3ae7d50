import PipelineKit
import ShardKit

/// The measure of documents that a curriculum is ordered by.
struct OrderMeasure {
  static let builtIn = ["characters", "bytes"]

  private let name: String
  /// By row of the file; nil for measures of the text itself.
  private let values: [Double]?

  static func isBuiltIn(_ name: String) -> Bool { builtIn.contains(name) }

  /// - Throws: what `SignalTable` throws.
  init(_ name: String, _ documents: ArtifactFile, _ signals: [ArtifactFile]) throws {
    self.name = name
    guard !Self.isBuiltIn(name) else {
      values = nil
      return
    }
    values = try GateParts.File(documents: documents, signals: signals).table([name]).numbers(name)
  }

  /// NaN for a document without a value.
  func value(of document: borrowing Document, row: Int) -> Double {
    if let values { return row < values.count ? values[row] : .nan }
    return Double(name == "bytes" ? document.text.count : MixMeasure.characters(document.text))
  }
}

/// A document of a file, in the file's order: 32 bytes.
struct MeasuredRow: BitwiseCopyable {
  /// NaN: there is none.
  var value: Double
  /// Of its id with the seed.
  var hash: UInt64
  /// Of its text.
  var bytes: UInt64
  /// Of its JSON line, with the line break.
  var lineBytes: UInt64
}

/// The parts of an ordered corpus, each a file of the result.
struct OrderParts: JSONRecord {
  /// The position of each part's first document.
  var starts: [UInt64]
  /// JSON lines of each part.
  var bytes: [Int]
}

/// Finds each document's position in a curriculum, in memory that does not grow with the documents.
///
/// Documents are sorted three times on disk: by measure, which divides them into buckets of equal size; by bucket and hash,
/// which gives each its position; and by place, so that the positions can be written file by file.
struct OrderedPositions {
  static let suffix = ".positions"
  /// In place of a position.
  static let dropped = UInt64.max

  private let options: MixOrder.Options
  private let scratch: String
  private let memoryBytes: Int
  private let check: () throws -> Void
  private let places: ExternalSorter<PlacedPosition>
  private(set) var parts = OrderParts(starts: [], bytes: [])
  private var buckets: [Bucket] = []

  fileprivate struct Bucket {
    var number: UInt64
    var least: Double?
    var greatest: Double?
    var documents = 0
    var bytes = 0
  }

  init(
    _ options: MixOrder.Options, scratch: String, memoryBytes: Int, check: @escaping () throws -> Void
  ) {
    self.options = options
    self.scratch = scratch
    self.memoryBytes = memoryBytes
    self.check = check
    places = ExternalSorter(scratch: scratch + "/places", memoryBytes: memoryBytes / 3)
  }

  // MARK: Sorting

  mutating func find(_ files: [String]) throws {
    let byOrder = ExternalSorter<OrderedRow>(scratch: scratch + "/order", memoryBytes: memoryBytes / 3)
    if options.edges.isEmpty, options.buckets > 0 {
      try divide(files, into: byOrder)
    } else {
      try forEachRow(files) { row in
        var row = row
        row.key = bucket(of: row)
        try byOrder.append(row)
      }
    }
    var position: UInt64 = 0
    try byOrder.drain { row in
      if position & 0xFFFF == 0 { try check() }
      guard options.missing != .drop || !row.value.isNaN else {
        return try places.append(PlacedPosition(place: row.place, position: Self.dropped))
      }
      add(row, at: position)
      try places.append(PlacedPosition(place: row.place, position: position))
      position += 1
    }
  }

  /// Buckets of equally many documents; those without a value are before or after all.
  private func divide(_ files: [String], into byOrder: ExternalSorter<OrderedRow>) throws {
    let byValue = ExternalSorter<OrderedRow>(scratch: scratch + "/values", memoryBytes: memoryBytes / 3)
    var measured = 0
    try forEachRow(files) { row in
      var row = row
      row.key = rank(of: row)
      if !row.value.isNaN { measured += 1 }
      try byValue.append(row)
    }
    var seen = 0
    try byValue.drain { row in
      var row = row
      if row.value.isNaN {
        row.key = missingKey
      } else {
        // Of 10 documents in 3 buckets, the first one gets 4.
        row.key = 1 + UInt64(seen * options.buckets / measured)
        seen += 1
      }
      try byOrder.append(row)
    }
  }

  private var missingKey: UInt64 { options.missing == .first ? 0 : .max }

  /// Without buckets, each value is one of its own; documents of equal values are in the order of their hashes.
  private func bucket(of row: OrderedRow) -> UInt64 {
    guard !options.edges.isEmpty, !row.value.isNaN else { return rank(of: row) }
    var (low, high) = (0, options.edges.count)
    while low < high {
      let middle = (low + high) / 2
      if options.edges[middle] <= row.value { low = middle + 1 } else { high = middle }
    }
    return 1 + UInt64(options.direction == .ascending ? low : options.edges.count - low)
  }

  private func rank(of row: OrderedRow) -> UInt64 {
    guard !row.value.isNaN else { return missingKey }
    return ScoreRank.rank(of: row.value, higherIsBetter: options.direction == .descending)
  }

  private func forEachRow(_ files: [String], _ body: (OrderedRow) throws -> Void) throws {
    for (number, file) in files.enumerated() {
      try check()
      var rows: UInt64 = 0
      try forEachRecord(of: file, as: MeasuredRow.self) { row in
        try body(
          OrderedRow(
            key: 0, hash: row.hash, place: UInt64(number) << 32 | rows, value: row.value, bytes: row.bytes,
            lineBytes: row.lineBytes))
        rows += 1
      }
    }
  }

  private mutating func add(_ row: OrderedRow, at position: UInt64) {
    // A task holds whole lines: a document may have far more metadata than text.
    let line = Int(row.lineBytes)
    if let last = parts.bytes.last, last + line <= options.fileBytes.bytes {
      parts.bytes[parts.bytes.count - 1] += line
    } else {
      parts.starts.append(position)
      parts.bytes.append(line)
    }
    let hasBuckets = options.buckets > 0 || !options.edges.isEmpty
    let number = hasBuckets || row.value.isNaN ? row.key : 1
    if buckets.last?.number != number { buckets.append(Bucket(number: number)) }
    buckets[buckets.count - 1].add(row, Int(row.bytes))
  }

  /// Each file's positions, in the order of its documents.
  mutating func forEachFile(count: Int, _ body: ([UInt64]) throws -> Void) throws {
    var own: [UInt64] = []
    var file = 0
    func finish(upTo next: Int) throws {
      while file < next {
        try body(own)
        own.removeAll(keepingCapacity: true)
        file += 1
      }
    }
    try places.drain { placed in
      try finish(upTo: Int(placed.place >> 32))
      own.append(placed.position)
    }
    try finish(upTo: count)
  }

  var report: JSONValue {
    let list = buckets.map { bucket -> JSONValue in
      [
        "least": bucket.least.map { .number($0) } ?? .null, "greatest": bucket.greatest.map { .number($0) } ?? .null,
        "documents": .integer(bucket.documents), "bytes": .integer(bucket.bytes),
      ]
    }
    return [
      "by": .string(options.by), "direction": .string(options.direction.rawValue),
      "files": .integer(parts.starts.count),
      "buckets": .list(list),
    ]
  }
}

extension OrderedPositions.Bucket {
  fileprivate mutating func add(_ row: OrderedRow, _ size: Int) {
    documents += 1
    bytes += size
    guard !row.value.isNaN else { return }
    least = min(least ?? row.value, row.value)
    greatest = max(greatest ?? row.value, row.value)
  }
}

/// A document on its way to its position.
private struct OrderedRow: SortableRecord {
  var key: UInt64
  var hash: UInt64
  /// The number of its file, and in the lower half its row there.
  var place: UInt64
  var value: Double
  var bytes: UInt64
  var lineBytes: UInt64

  var prefix: UInt64 { key }

  static func < (a: OrderedRow, b: OrderedRow) -> Bool { (a.key, a.hash, a.place) < (b.key, b.hash, b.place) }
  static func == (a: OrderedRow, b: OrderedRow) -> Bool { (a.key, a.hash, a.place) == (b.key, b.hash, b.place) }
}

private struct PlacedPosition: SortableRecord {
  var place: UInt64
  var position: UInt64

  var prefix: UInt64 { place }

  static func < (a: PlacedPosition, b: PlacedPosition) -> Bool { a.place < b.place }
}

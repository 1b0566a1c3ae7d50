/// A record that competes for a budget: 24 bytes, spilled unchanged.
public struct RankedRow: BitwiseCopyable {
  /// Ascending: the lowest rank is kept first.
  public var rank: UInt64
  /// Identifies the record; breaks ties between equal ranks.
  public var record: UInt64
  /// How much of the budget the record uses: tokens, characters, or 1.
  public var weight: UInt32
  /// Free for use by the stage.
  public var label: UInt32

  public init(rank: UInt64, record: UInt64, weight: UInt32, label: UInt32) {
    self.rank = rank
    self.record = record
    self.weight = weight
    self.label = label
  }
}

/// Maps scores to integers that sort from best to worst, without loss.
public enum ScoreRank {
  public static func rank(of score: Double, higherIsBetter: Bool) -> UInt64 {
    // -0 and 0 are the same score.
    let bits = (score == 0 ? 0 : score).bitPattern
    let ascending = bits >> 63 == 1 ? ~bits : bits | 1 << 63
    return higherIsBetter ? ~ascending : ascending
  }

  public static func score(of rank: UInt64, higherIsBetter: Bool) -> Double {
    let ascending = higherIsBetter ? ~rank : rank
    return Double(bitPattern: ascending >> 63 == 1 ? ascending & ~(1 << 63) : ~ascending)
  }
}

/// Rows in a file, mapped.
public struct RankedRows {
  private let file: MappedFile

  /// Maps a file of rows.
  /// - Throws: what `MappedFile` throws.
  public init(_ path: String) throws(ShardError) { file = try MappedFile(path) }

  public func withRows<Result>(_ body: (UnsafeBufferPointer<RankedRow>) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(file) { try body(file.bytes.bindMemory(to: RankedRow.self)) }
  }
}

/// Rows that can be iterated repeatedly.
public protocol RankedRowSource {
  /// Calls `visit` with each row.
  /// - Throws: what keeps it from reading all rows, such as a missing file.
  func forEach(_ visit: (RankedRow) -> Void) throws
}

/// Rows in several files, mapped one after another.
public struct RankedRowFiles: RankedRowSource {
  /// Files, each with the selected rows; nil for all of them.
  var places: [(path: String, rows: Range<Int>?)]
  /// Called before each file; throws to stop the work.
  let check: () throws -> Void

  public init(places: [(path: String, rows: Range<Int>?)], check: @escaping () throws -> Void) {
    self.places = places
    self.check = check
  }

  /// Calls `visit` with each row of the files.
  /// - Throws: what `check` or `MappedFile` throws.
  public func forEach(_ visit: (RankedRow) -> Void) throws {
    for place in places {
      try check()
      try RankedRows(place.path).withRows { rows in
        for row in rows[place.rows ?? rows.indices] { visit(row) }
      }
    }
  }
}

/// The end of the kept rows: rows before `(rank, record)` are kept.
public struct RankCut: Equatable {
  /// nil if everything is kept.
  public var first: (rank: UInt64, record: UInt64)?
  public var keptRows = 0
  public var keptWeight: UInt64 = 0

  public init(first: (rank: UInt64, record: UInt64)? = nil, keptRows: Int = 0, keptWeight: UInt64 = 0) {
    self.first = first
    self.keptRows = keptRows
    self.keptWeight = keptWeight
  }

  public func keeps(_ row: RankedRow) -> Bool {
    guard let first else { return true }
    return row.rank < first.rank || (row.rank == first.rank && row.record < first.record)
  }

  public static func == (a: RankCut, b: RankCut) -> Bool {
    a.first?.rank == b.first?.rank && a.first?.record == b.first?.record && a.keptRows == b.keptRows
      && a.keptWeight == b.keptWeight
  }

  /// The longest prefix of rows with a total weight within the budget; equal ranks are ordered by record.
  ///
  /// Weighted radix selection: (rank, record) is a number of eight 16-bit digits; each pass over all rows determines
  /// one digit of the cut from the weights by digit, until the rows that share its digits fit `sortLimit`. Exact for
  /// any order of rows; 1.5 MiB and at most nine passes, in practice three.
  ///
  /// - Throws: what the source throws.
  public static func find(
    budget: UInt64, sortLimit: Int = 1 << 18, in source: some RankedRowSource
  ) throws -> RankCut {
    var cut = RankCut()
    var prefix = Prefix()
    while true {
      var weights = [UInt64](repeating: 0, count: 1 << 16)
      var rows = [UInt64](repeating: 0, count: 1 << 16)
      try source.forEach { row in
        guard prefix.matches(row) else { return }
        let digit = prefix.nextDigit(of: row)
        weights[digit] += UInt64(row.weight)
        rows[digit] += 1
      }
      let tooMuch = weights.indices.first { digit in
        guard cut.keptWeight + weights[digit] <= budget else { return true }
        cut.keptWeight += weights[digit]
        cut.keptRows += Int(rows[digit])
        return false
      }
      guard let tooMuch else { return cut }
      prefix.append(tooMuch)
      if prefix.digits == 8 || rows[tooMuch] <= UInt64(sortLimit) { break }
    }
    try cut.finish(within: prefix, budget, source)
    return cut
  }

  private mutating func finish(
    within prefix: Prefix, _ budget: UInt64, _ source: some RankedRowSource
  ) throws {
    var last: [RankedRow] = []
    try source.forEach { if prefix.matches($0) { last.append($0) } }
    last.sort { ($0.rank, $0.record) < ($1.rank, $1.record) }
    for (i, row) in last.enumerated() {
      guard keptWeight + UInt64(row.weight) <= budget else {
        first = (row.rank, row.record)
        // Rows that are equal in both cannot be distinguished, so all of them are left out.
        for equal in last[..<i].reversed() where equal.rank == row.rank && equal.record == row.record {
          keptWeight -= UInt64(equal.weight)
          keptRows -= 1
        }
        return
      }
      keptWeight += UInt64(row.weight)
      keptRows += 1
    }
  }

  /// The known leading digits of (rank, record) of the cut.
  private struct Prefix {
    private(set) var digits = 0
    private var rank: UInt64 = 0
    private var record: UInt64 = 0

    func matches(_ row: RankedRow) -> Bool {
      if digits == 0 { return true }
      if digits <= 4 { return (row.rank ^ rank) >> (64 - 16 * UInt64(digits)) == 0 }
      return row.rank == rank && (row.record ^ record) >> (128 - 16 * UInt64(digits)) == 0
    }

    func nextDigit(of row: RankedRow) -> Int {
      digits < 4
        ? Int(row.rank >> (48 - 16 * UInt64(digits)) & 0xFFFF)
        : Int(row.record >> (112 - 16 * UInt64(digits)) & 0xFFFF)
    }

    mutating func append(_ digit: Int) {
      if digits < 4 {
        rank |= UInt64(digit) << (48 - 16 * UInt64(digits))
      } else {
        record |= UInt64(digit) << (112 - 16 * UInt64(digits))
      }
      digits += 1
    }
  }
}

extension [RankedRow] {
  /// Sorts by record; of several rows for one record the first is kept.
  /// - Returns: how many rows were repeats.
  public mutating func sortByRecord() -> Int {
    if !zip(self, dropFirst()).allSatisfy({ $0.record <= $1.record }) { radixSort() }
    var kept = 0
    for i in indices where i == 0 || self[i].record != self[kept - 1].record {
      self[kept] = self[i]
      kept += 1
    }
    let repeats = count - kept
    removeLast(repeats)
    return repeats
  }

  /// Stable; digits that are equal in all rows cost one check.
  private mutating func radixSort() {
    var other = self
    for shift in stride(from: UInt64(0), to: 64, by: 16) {
      var starts = [Int](repeating: 0, count: 1 << 16)
      for row in self { starts[Int(row.record >> shift & 0xFFFF)] += 1 }
      if starts.contains(count) { continue }
      var sum = 0
      for digit in starts.indices { (starts[digit], sum) = (sum, sum + starts[digit]) }
      for row in self {
        let digit = Int(row.record >> shift & 0xFFFF)
        other[starts[digit]] = row
        starts[digit] += 1
      }
      swap(&self, &other)
    }
  }
}

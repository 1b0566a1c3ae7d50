import PipelineKit
import ShardKit

/// The measures of one corpus: for each file of documents, the files of its scoring stages.
struct ComparedCorpus {
  var name: String
  var files: [[ArtifactFile]]
}

/// What the measures of groups of documents are: of corpora, or of the values of a text within corpora.
struct ComparedGroups {
  /// One group's documents.
  struct Group {
    var name: String
    fileprivate var corpus: Int
    /// Of the text; nil: the whole corpus.
    fileprivate var value: String?
    var documents = 0
    var characters = 0.0
    /// That miss a rule, whatever else they miss, by the rule's place.
    var missed: [Int] = []
    var dropped = 0
    var droppedCharacters = 0.0
  }

  /// One measure of one group.
  struct Measure {
    /// Documents with it, and without.
    var documents = 0
    var missing = 0
    var sum = 0.0
    /// At `fractions`; empty without documents.
    var quantiles: [Double] = []
    var bins = [Int](repeating: 0, count: ComparedGroups.bins)

    var mean: Double { documents > 0 ? sum / Double(documents) : .nan }
  }

  /// One measure of all groups, in bins between the same ends; the outer bins also have what lies beyond.
  struct Compared {
    var name: String
    var low = 0.0
    var high = 0.0
    /// Whether all documents that have the measure have the same value.
    var isConstant = true
    var groups: [Measure]
  }

  static let fractions = [0.05, 0.25, 0.5, 0.75, 0.95]
  /// The least value, the ends of the bins, the greatest one: of the group that has the least and of the one that has the
  /// greatest.
  private static let outer = [0, 0.005, 0.995, 1]
  static let bins = 40

  private(set) var groups: [Group] = []
  private(set) var measures: [Compared] = []
  private(set) var rules: [String] = []
  private(set) var thresholds: [String: [HistogramPicture.Threshold]] = [:]
  /// Documents in groups that are left out.
  private(set) var others = 0
  private(set) var otherGroups = 0

  private let corpora: [ComparedCorpus]
  private let by: String
  private let limit: Int
  private let check: () throws -> Void

  /// - Parameters:
  ///   - by: the column of texts that makes groups; empty: none.
  ///   - check: called between files; throws if the task is to stop.
  init(_ corpora: [ComparedCorpus], by: String, limit: Int, check: @escaping () throws -> Void) {
    (self.corpora, self.by, self.limit, self.check) = (corpora, by, limit, check)
  }

  // MARK: Tables

  private static func hashes(_ files: [ArtifactFile]) throws -> [UInt64] {
    let reader = try SignalsReader(files[0].path)
    return try reader.blocks.indices.flatMap { try reader.hashes(block: $0) }
  }

  private func forEachTable(of corpus: Int, _ wanted: Set<String>, _ body: (SignalTable) throws -> Void) throws {
    for files in corpora[corpus].files {
      try check()
      try body(SignalTable(hashes: Self.hashes(files), files: files, wanted: wanted))
    }
  }

  /// The columns of each corpus, as its first files have them.
  private func columns() throws -> [[String: SignalColumn.Kind]] {
    try corpora.map { corpus in
      var columns: [String: SignalColumn.Kind] = [:]
      for file in corpus.files.first ?? [] {
        for column in try SignalsReader(file.path).columns where columns[column.name] == nil {
          columns[column.name] = column.kind
        }
      }
      return columns
    }
  }

  // MARK: Measuring

  /// - Parameter wanted: the measures; none: all.
  /// - Throws: `StageError` for a measure, a text or a rule that does not fit; what reading throws.
  mutating func measure(_ wanted: [String], _ rules: GateRules) throws {
    let columns = try columns()
    let names = try names(wanted, columns)
    for known in columns { try rules.check(columns: known, lists: []) }
    try findGroups()
    let cuts = try cuts(rules)
    self.rules = rules.rules.map(\.name)
    thresholds = GateThresholds.of(rules, named: "rules", cuts)
    measures = names.map { Compared(name: $0, groups: groups.map { _ in Measure() }) }
    try findQuantiles()
    try count(rules, cuts)
  }

  private func names(_ wanted: [String], _ columns: [[String: SignalColumn.Kind]]) throws(StageError) -> [String] {
    let known = columns.reduce(into: Set<String>()) { names, columns in
      names.formUnion(columns.filter { $0.value == .number }.keys)
    }
    for name in wanted where !known.contains(name) {
      throw StageError(
        .options, "measures",
        "no wired scoring stage writes a measure '\(name)'\(suggestion(for: name, among: known.sorted()))")
    }
    guard by.isEmpty || columns.allSatisfy({ $0[by] == .text }) else {
      let texts = columns.flatMap { $0.filter { $0.value == .text }.keys }
      throw StageError(
        .options, "by", "not every wired corpus has a text '\(by)'\(suggestion(for: by, among: Set(texts).sorted()))",
        hint: "Add it to \"fields\" of the scoring stages.")
    }
    return wanted.isEmpty ? known.sorted() : wanted
  }

  private mutating func findGroups() throws {
    var found: [Group] = []
    for corpus in corpora.indices {
      var places: [ExactText: Int] = [:]
      try forEachTable(of: corpus, [by, SignalsOutput.characters]) { table in
        let texts = by.isEmpty ? nil : table.texts(by)
        var own: [(documents: Int, characters: Double)] = Array(repeating: (0, 0), count: texts?.values.count ?? 1)
        let characters = table.numbers(SignalsOutput.characters)
        for row in 0..<table.rows {
          let code = texts.map { Int($0.codes[row]) } ?? 0
          own[code].documents += 1
          if let count = characters?[row], count.isFinite { own[code].characters += count }
        }
        for (code, amount) in own.enumerated() where amount.documents > 0 {
          let value = texts?.values[code]
          let place = places[ExactText(value ?? "")] ?? found.count
          if place == found.count {
            places[ExactText(value ?? "")] = place
            found.append(Group(name: name(corpus, value), corpus: corpus, value: value))
          }
          found[place].documents += amount.documents
          found[place].characters += amount.characters
        }
        guard found.count <= 100_000 else {
          throw StageError(
            .options, "by", "'\(by)' has more than 100,000 values",
            hint: "Compare by a text of few values, such as source.")
        }
      }
    }
    let largest = found.indices.sorted { (found[$1].documents, $0) < (found[$0].documents, $1) }.prefix(limit)
    groups = (by.isEmpty ? Array(largest.sorted()) : Array(largest)).map { found[$0] }
    otherGroups = found.count - groups.count
    others = found.reduce(0) { $0 + $1.documents } - groups.reduce(0) { $0 + $1.documents }
    guard groups.count > 1 else {
      throw StageError(
        .input, by.isEmpty ? "inputs.signals" : "by",
        "there is only \(groups.count == 1 ? "one group" : "nothing") to compare",
        hint: "Wire measures of more documents, or compare by another text.")
    }
  }

  private func name(_ corpus: Int, _ value: String?) -> String {
    guard let value else { return corpora[corpus].name }
    let text = value.isEmpty ? "(none)" : value
    return corpora.count > 1 ? "\(corpora[corpus].name): \(text)" : text
  }

  private func cuts(_ rules: GateRules) throws -> [GateQuantile: [ExactText: Double]] {
    let wanted = rules.quantiles.reduce(into: Set<String>()) { $0.formUnion($1.columns) }
    do {
      return try GateQuantiles.find(rules.quantiles) { body in
        for corpus in corpora.indices { try forEachTable(of: corpus, wanted, body) }
      }
    } catch let error as GateQuantiles.TooManyGroups {
      throw error.inRules
    }
  }

  private mutating func findQuantiles() throws {
    let fractions = Self.fractions + Self.outer
    for corpus in corpora.indices {
      let found = try quantiles(fractions, of: corpus)
      for (place, group) in groups.enumerated() where group.corpus == corpus {
        for number in measures.indices {
          let values = fractions.compactMap { found[quantile(number, $0)]?[ExactText(group.value ?? "")] }
          if values.count == fractions.count { measures[number].groups[place].quantiles = values }
        }
      }
    }
    for number in measures.indices { measures[number].chooseEnds(Self.fractions.count) }
  }

  private func quantile(_ measure: Int, _ fraction: Double) -> GateQuantile {
    GateQuantile(column: measures[measure].name, fraction: fraction, group: by.isEmpty ? nil : by, weight: nil)
  }

  /// Of every measure, for the groups of a corpus alone: of thousands of domains, only the largest are shown.
  private func quantiles(
    _ fractions: [Double], of corpus: Int
  ) throws -> [GateQuantile: [ExactText: Double]] {
    let wanted = Set(measures.indices.flatMap { measure in fractions.map { quantile(measure, $0) } })
    let chosen = Set(groups.filter { $0.corpus == corpus }.map { ExactText($0.value ?? "") })
    do {
      return try GateQuantiles.find(wanted, among: chosen) { body in
        try forEachTable(of: corpus, Set(measures.map(\.name) + [by]), body)
      }
    } catch is GateQuantiles.TooManyGroups {
      throw StageError(
        .options, "measures", "\(measures.count) measures of \(groups.count) groups are too many to compare",
        hint: "Name those to compare in \"measures\", or lower \"groups\".")
    }
  }

  private mutating func count(_ rules: GateRules, _ cuts: [GateQuantile: [ExactText: Double]]) throws {
    for place in groups.indices { groups[place].missed = [Int](repeating: 0, count: rules.rules.count) }
    let wanted = rules.columns.union(measures.map(\.name)).union([by, SignalsOutput.characters])
    for corpus in corpora.indices {
      let own = groups.indices.filter { groups[$0].corpus == corpus }
      var counted = (groups, measures)
      try forEachTable(of: corpus, wanted) { table in
        let places = groupOfRows(table, own)
        let evaluation = GateEvaluation(table: table, lists: [:], quantiles: cuts)
        Self.count(rules, evaluation, places, &counted.0)
        for number in counted.1.indices {
          guard let values = table.numbers(counted.1[number].name) else { continue }
          for (row, value) in values.enumerated() where places[row] >= 0 {
            counted.1[number].add(value, to: places[row])
          }
        }
      }
      (groups, measures) = counted
    }
  }

  /// The group of each row, or -1.
  private func groupOfRows(_ table: SignalTable, _ own: [Int]) -> [Int] {
    guard !by.isEmpty, let texts = table.texts(by) else {
      return Array(repeating: own.first ?? -1, count: table.rows)
    }
    let byCode = texts.values.map { value in own.first { groups[$0].value!.isExactly(value) } ?? -1 }
    return texts.codes.map { byCode[Int($0)] }
  }

  private static func count(
    _ rules: GateRules, _ evaluation: GateEvaluation, _ places: [Int], _ groups: inout [Group]
  ) {
    guard !rules.rules.isEmpty else { return }
    var isDropped = [Bool](repeating: false, count: places.count)
    for (number, rule) in rules.rules.enumerated() {
      let passes = evaluation.flags(rule.expression)
      for row in places.indices where !passes[row] && places[row] >= 0 {
        groups[places[row]].missed[number] += 1
        isDropped[row] = true
      }
    }
    let characters = evaluation.table.numbers(SignalsOutput.characters)
    for row in places.indices where isDropped[row] {
      groups[places[row]].dropped += 1
      groups[places[row]].droppedCharacters += characters.map { $0[row].isFinite ? $0[row] : 0 } ?? 0
    }
  }
}

extension ComparedGroups.Compared {
  /// From the outer quantiles, which follow the inner ones and are removed.
  fileprivate mutating func chooseEnds(_ inner: Int) {
    let known = groups.map(\.quantiles).filter { !$0.isEmpty }
    func least(_ place: Int) -> Double { known.map { $0[inner + place] }.min() ?? 0 }
    func greatest(_ place: Int) -> Double { known.map { $0[inner + place] }.max() ?? 0 }
    isConstant = least(0) == greatest(3)
    (low, high) = (least(1), greatest(2))
    // Where nearly all are the same, the few others are shown.
    if low == high { (low, high) = (least(0), greatest(3)) }
    for place in groups.indices { groups[place].quantiles = Array(groups[place].quantiles.prefix(inner)) }
  }

  fileprivate mutating func add(_ value: Double, to group: Int) {
    guard value.isFinite else {
      groups[group].missing += 1
      return
    }
    groups[group].documents += 1
    groups[group].sum += value
    let last = Double(ComparedGroups.bins - 1)
    let place = high > low ? (value - low) / (high - low) * Double(ComparedGroups.bins) : 0
    groups[group].bins[Int(min(last, max(0, place.rounded(.down))))] += 1
  }

  /// The largest difference between the groups' cumulative shares at the ends of bins, 0…1.
  var difference: Double {
    let known = groups.filter { $0.documents > 0 }
    var sums = known.map { _ in 0.0 }
    var largest = 0.0
    for bin in 0..<ComparedGroups.bins {
      for (place, group) in known.enumerated() { sums[place] += Double(group.bins[bin]) / Double(group.documents) }
      largest = max(largest, (sums.max() ?? 0) - (sums.min() ?? 0))
    }
    return largest
  }
}

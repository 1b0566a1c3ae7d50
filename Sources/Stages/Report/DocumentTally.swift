import PipelineKit
import ShardKit

/// What a corpus is made of.
struct DocumentTally: JSONRecord, Equatable {
  struct Amount: Codable, Equatable {
    var documents = 0
    var characters = 0

    static func += (a: inout Amount, b: Amount) {
      a.documents += b.documents
      a.characters += b.characters
    }
  }

  /// Days of a source.
  struct Days: Codable, Equatable {
    var oldest = 1 << 40
    var newest = -(1 << 40)
    var undated = 0

    static func += (a: inout Days, b: Days) {
      (a.oldest, a.newest) = (min(a.oldest, b.oldest), max(a.newest, b.newest))
      a.undated += b.undated
    }

    var text: String {
      guard oldest <= newest else { return "no dates" }
      func date(_ day: Int) -> String { CivilTime(secondsSince1970: day * 86400).date() }
      let range = oldest == newest ? date(oldest) : "\(date(oldest)) to \(date(newest))"
      return undated == 0 ? range : "\(range), \(grouped(undated)) undated"
    }
  }

  var all = Amount()
  var sources: [String: Amount] = [:]
  /// By source, then by license.
  var licenses: [String: [String: Amount]] = [:]
  var languages: [String: Amount] = [:]
  var domains: [String: Amount] = [:]
  var days: [String: Days] = [:]
  /// Documents with 2^n to 2^(n+1) - 1 characters.
  var lengths = [Int](repeating: 0, count: 40)

  /// Distinct values of a field, besides unknown ones; the others are counted together.
  static let mostNames = 1000
  static let others = "(others)"
  static let unknown = "unknown"

  static func += (a: inout DocumentTally, b: DocumentTally) {
    a.all += b.all
    Self.add(b.sources, to: &a.sources)
    Self.add(b.languages, to: &a.languages)
    Self.add(b.domains, to: &a.domains)
    for (source, licenses) in b.licenses { Self.add(licenses, to: &a.licenses[source, default: [:]]) }
    for (source, days) in b.days { a.days[source, default: Days()] += days }
    for i in a.lengths.indices { a.lengths[i] += b.lengths[i] }
  }

  private static func add(_ more: [String: Amount], to table: inout [String: Amount]) {
    for (name, amount) in more { table[name, default: Amount()] += amount }
  }

  /// Keeps the largest entries of each table, and what is unknown; the rest is counted together.
  mutating func limit(to most: Int = mostNames) {
    let kept = Self.largest(most, of: sources)
    func name(_ source: String) -> String { kept.contains(source) ? source : Self.others }
    sources = Self.limited(sources, most)
    languages = Self.limited(languages, most)
    domains = Self.limited(domains, most)
    var (licenses, days) = ([String: [String: Amount]](), [String: Days]())
    for (source, table) in self.licenses { Self.add(table, to: &licenses[name(source), default: [:]]) }
    for (source, range) in self.days { days[name(source), default: Days()] += range }
    self.licenses = licenses.mapValues { Self.limited($0, most) }
    self.days = days
  }

  private static func limited(_ table: [String: Amount], _ most: Int) -> [String: Amount] {
    let kept = largest(most, of: table)
    return table.reduce(into: [:]) { $0[kept.contains($1.key) ? $1.key : others, default: Amount()] += $1.value }
  }

  private static func largest(_ most: Int, of table: [String: Amount]) -> Set<String> {
    let named = table.filter { $0.key != unknown && $0.key != others }
    guard named.count > most else { return Set(table.keys) }
    let sorted = named.sorted {
      ($1.value.characters, $1.value.documents, ExactText($0.key))
        < ($0.value.characters, $0.value.documents, ExactText($1.key))
    }
    return Set(sorted.prefix(most).map(\.key) + [unknown, others])
  }

  /// Of all sources.
  var licensesOfAll: [String: Amount] {
    licenses.values.reduce(into: [:]) { Self.add($1, to: &$0) }
  }
}

/// Counts documents.
struct DocumentCounting {
  private(set) var tally = DocumentTally()
  private let reader: MetadataReader
  /// Where each kind of field begins among the reader's.
  private let licenses: Range<Int>
  private let languages: Range<Int>
  private let domains: Range<Int>
  private var facts: LicenseFacts
  private static let mostBytes = 200

  init(licenses: [String], languages: [String], domains: [String], dates: [String]) {
    reader = MetadataReader(licenses + languages + domains)
    self.licenses = 0..<licenses.count
    self.languages = licenses.count..<licenses.count + languages.count
    self.domains = self.languages.upperBound..<reader.paths.count
    facts = LicenseFacts(licenses: [], dates: dates)
  }

  mutating func add(_ document: borrowing Document) {
    var values = [String](repeating: "", count: reader.paths.count)
    reader.read(document.metadata) { path, value, kind in
      if kind != .null { values[path] = String(decoding: value.prefix(Self.mostBytes), as: UTF8.self) }
    }
    func first(_ range: Range<Int>) -> String {
      let stated = values[range].first { !$0.isEmpty } ?? ""
      return stated.isEmpty || stated.lowercased() == DocumentTally.unknown ? DocumentTally.unknown : stated
    }
    let fact = facts.fact(of: document)
    let amount = DocumentTally.Amount(documents: 1, characters: Int(fact.characters))
    let stated = String(decoding: document.source.prefix(Self.mostBytes), as: UTF8.self)
    let source = Self.name(stated.isEmpty ? DocumentTally.unknown : stated, in: tally.sources)
    tally.all += amount
    tally.sources[source, default: .init()] += amount
    let license = Self.name(first(licenses), in: tally.licenses[source] ?? [:])
    tally.licenses[source, default: [:]][license, default: .init()] += amount
    let language = Self.name(first(languages), in: tally.languages)
    tally.languages[language, default: .init()] += amount
    let domain = Self.name(first(domains), in: tally.domains)
    tally.domains[domain, default: .init()] += amount
    tally.days[source, default: .init()] += Self.days(fact.day)
    let length = max(1, Int(fact.characters))
    tally.lengths[Int.bitWidth - 1 - length.leadingZeroBitCount] += 1
  }

  private static func days(_ day: Int32) -> DocumentTally.Days {
    guard day != LicenseFact.unknownDay else { return DocumentTally.Days(undated: 1) }
    return DocumentTally.Days(oldest: Int(day), newest: Int(day))
  }

  private static func name(_ name: String, in table: [String: DocumentTally.Amount]) -> String {
    if name == DocumentTally.unknown || table[name] != nil { return name }
    return table.count < DocumentTally.mostNames ? name : DocumentTally.others
  }
}

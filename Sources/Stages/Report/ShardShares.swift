import PipelineKit
import ShardKit

/// Licenses and dates by shard.
struct ShardShares {
  struct Amount: Equatable {
    var documents = 0
    /// Tokens of samples of tokens, characters of others.
    var amount = 0
  }

  struct Share {
    var documents = 0
    var amount = 0
    var undated = 0
    var oldest = Int32.max
    var newest = Int32.min
    var licenses: [String: Amount] = [:]

    static func += (a: inout Share, b: Share) {
      a.documents += b.documents
      a.amount += b.amount
      a.undated += b.undated
      (a.oldest, a.newest) = (min(a.oldest, b.oldest), max(a.newest, b.newest))
      for (license, amount) in b.licenses {
        a.licenses[license, default: Amount()].documents += amount.documents
        a.licenses[license, default: Amount()].amount += amount.amount
      }
    }

    /// The first and the last day, as dates; nil if no document is dated.
    var days: (oldest: String, newest: String)? {
      guard oldest <= newest else { return nil }
      func date(_ day: Int32) -> String { CivilTime(secondsSince1970: Int(day) * 86400).date() }
      return (date(oldest), date(newest))
    }

    /// The largest first.
    var sorted: [(license: String, amount: Amount)] {
      licenses.sorted {
        ($1.value.amount, ExactText($0.key)) < ($0.value.amount, ExactText($1.key))
      }.map { ($0.key, $0.value) }
    }
  }

  static let unknown = "unknown"
  /// Shards that the page lists; the other files have all.
  private static let mostShown = 500

  private let names: [String]
  private var shares: [Share]
  /// Whether amounts are tokens.
  private var isOfTokens = false
  /// Documents of which nothing is known.
  private(set) var strangers = 0

  init(_ index: MDSIndex) {
    names = index.shards.map(\.stored.basename)
    shares = Array(repeating: Share(), count: names.count)
  }

  /// A document with parts in several shards counts in each of them.
  var total: Share { shares.reduce(into: Share()) { $0 += $1 } }

  /// Counts the documents of a shard that are of the table's pass.
  /// - Throws: `StageError` (`.input`) if samples do not name their documents; `ShardError` if the shard cannot be read.
  mutating func add(_ shard: Int, of reading: SampleReading, _ table: FactTable) throws {
    var seen: Set<UInt64> = []
    for sample in 0..<reading.index.shards[shard].samples {
      let parts = try reading.sample(sample, of: shard).parts
      guard !parts.isEmpty else {
        throw StageError(
          .input, names[shard], "does not tell which documents its samples are of",
          hint: "Wire a data set that 'mds.write' or 'tokenizer.encode' wrote.")
      }
      for part in parts where table.isOfPass(part.hash) {
        take(part, shard, isFirst: seen.insert(part.hash).inserted, table)
      }
    }
  }

  private mutating func take(_ part: SampleParts.Part, _ shard: Int, isFirst: Bool, _ table: FactTable) {
    let fact = table[part.hash]
    let license = fact?.license ?? Self.unknown
    let amount = part.count ?? Int(fact?.characters ?? 0)
    if part.count != nil { isOfTokens = true }
    shares[shard].amount += amount
    shares[shard].licenses[license, default: Amount()].amount += amount
    guard isFirst else { return }
    shares[shard].documents += 1
    shares[shard].licenses[license, default: Amount()].documents += 1
    if fact == nil { strangers += 1 }
    guard let day = fact?.day, day != LicenseFact.unknownDay else { return shares[shard].undated += 1 }
    shares[shard].oldest = min(shares[shard].oldest, day)
    shares[shard].newest = max(shares[shard].newest, day)
  }

  // MARK: Writing

  private var unit: String { isOfTokens ? "tokens" : "characters" }

  var json: JSONValue {
    let list = zip(names, shares).map { name, share in
      JSONValue.object([JSONMember("shard", .string(name))] + (json(share).members ?? []))
    }
    return ["total": json(total), "shards": .list(list)]
  }

  private func json(_ share: Share) -> JSONValue {
    let licenses = share.sorted.map { license, amount -> JSONValue in
      .object([
        JSONMember("license", .string(license)), JSONMember("documents", .integer(amount.documents)),
        JSONMember(unit, .integer(amount.amount)),
      ])
    }
    return .object([
      JSONMember("documents", .integer(share.documents)), JSONMember(unit, .integer(share.amount)),
      JSONMember("oldest", share.days.map { .string($0.oldest) } ?? .null),
      JSONMember("newest", share.days.map { .string($0.newest) } ?? .null),
      JSONMember("undated", .integer(share.undated)), JSONMember("licenses", .list(licenses)),
    ])
  }

  /// A line per shard and license.
  var csv: String {
    var out = "shard,license,documents,\(unit)\n"
    for (name, share) in zip(names, shares) {
      for (license, amount) in share.sorted {
        out += "\(Self.csv(name)),\(Self.csv(license)),\(amount.documents),\(amount.amount)\n"
      }
    }
    return out
  }

  /// A quoted value in one line that a spreadsheet takes for text, whatever it begins with. By scalars: a mark may form
  /// one character with a quotation mark.
  static func csv(_ text: String) -> String {
    var out = "\""
    if let first = text.unicodeScalars.first, "=+-@\t\r\n".unicodeScalars.contains(first) { out += "'" }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\"\""
      case _ where scalar.value < 0x20: out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }

  var markdown: String {
    let total = total
    var lines = ["# Licenses and dates", "", "| license | documents | \(unit) | share |", "|---|---:|---:|---:|"]
    for (license, amount) in total.sorted {
      let share = fixed(100 * Double(amount.amount) / Double(max(1, total.amount)), 2)
      lines.append("| \(ReportPage.markdown(license)) | \(amount.documents) | \(amount.amount) | \(share) % |")
    }
    lines += [
      "", "\(dates(total)); \(total.undated) of \(total.documents) documents state no date.", "", "## Shards", "",
    ]
    lines += ["| shard | documents | \(unit) | dates | undated | licenses |", "|---|---:|---:|---|---:|---|"]
    for (name, share) in zip(names, shares).prefix(Self.mostShown) {
      let licenses = share.sorted.map { "\(ReportPage.markdown($0.license)) \($0.amount.documents)" }
        .joined(separator: ", ")
      let cells = [
        ReportPage.markdown(name), "\(share.documents)", "\(share.amount)", dates(share), "\(share.undated)", licenses,
      ]
      lines.append("| \(cells.joined(separator: " | ")) |")
    }
    if names.count > Self.mostShown {
      lines += ["", "\(names.count - Self.mostShown) more shards in licenses.csv and licenses.json."]
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func dates(_ share: Share) -> String {
    share.days.map { $0.oldest == $0.newest ? $0.oldest : "\($0.oldest) to \($0.newest)" } ?? "no dates"
  }
}

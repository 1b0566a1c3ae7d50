import ShardKit

/// The domains' fractions before and after, as JSON (which the `sample` phase reads) and as a chart.
struct MixReport {
  var unit: String
  var selection: MixSelection

  private func share(_ part: UInt64, of whole: UInt64) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }

  var json: JSONValue {
    let domains = selection.domains.map { domain -> JSONValue in
      let cut = domain.cut?.first.map { [String($0.rank, radix: 16), String($0.record, radix: 16)] }
      return [
        "name": .string(domain.name), "documents": .integer(domain.documents), "amount": .integer(Int(domain.present)),
        "share": .number(share(domain.present, of: selection.present)), "target": .integer(Int(domain.target)),
        "keptDocuments": .integer(domain.keptDocuments), "keptAmount": .integer(Int(domain.kept)),
        "keptShare": .number(share(domain.kept, of: selection.kept)),
        "ratio": .number(share(domain.kept, of: domain.present)), "wholeCopies": .integer(domain.wholeCopies),
        "cut": domain.cut == nil ? .null : .strings(cut ?? []),
      ]
    }
    return [
      "unit": .string(unit), "amount": .integer(Int(selection.present)), "keptAmount": .integer(Int(selection.kept)),
      "domains": .list(domains),
    ]
  }

  /// What `sample` needs per domain: copies, cut, fractions before and after.
  static func rules(in path: String) throws -> [String: Rule] {
    let json = try JSONValue.parse(FileSystem.read(path)).value
    var rules: [String: Rule] = [:]
    for entry in json["domains"]?.array ?? [] {
      guard let name = entry["name"]?.string else { continue }
      var domain = MixSelection.Domain(name: name)
      domain.wholeCopies = entry["wholeCopies"]?.integer ?? 1
      if let numbers = entry["cut"]?.array?.compactMap({ $0.string.flatMap { UInt64($0, radix: 16) } }) {
        domain.cut = RankCut(first: numbers.count == 2 ? (numbers[0], numbers[1]) : nil)
      }
      rules[name] = Rule(
        domain: domain, share: entry["share"]?.double ?? 0, keptShare: entry["keptShare"]?.double ?? 0)
    }
    return rules
  }

  struct Rule {
    var domain: MixSelection.Domain
    var share: Double
    var keptShare: Double
  }

  /// Two bars per domain: its fraction before in grey, after in blue.
  var svg: String {
    let row = 44
    let height = 60 + row * selection.domains.count
    var out = """
      <svg xmlns="http://www.w3.org/2000/svg" width="720" height="\(height)" font-family="sans-serif" font-size="13">
      <rect width="720" height="\(height)" fill="#fff"/>
      <text x="16" y="24" font-size="15">Mix by \(unit): before \(selection.present), after \(selection.kept)</text>

      """
    for (i, domain) in selection.domains.enumerated() {
      let y = 44 + row * i
      out += "<text x=\"16\" y=\"\(y + 22)\">\(markupEscaped(domain.name, quotes: false))</text>\n"
      let shares = [
        (share(domain.present, of: selection.present), "#b8bec8"), (share(domain.kept, of: selection.kept), "#3566c8"),
      ]
      for (j, (share, color)) in shares.enumerated() {
        let width = rounded(share * 400, 2)
        let top = y + 4 + 16 * j
        out += "<rect x=\"200\" y=\"\(top)\" width=\"\(width)\" height=\"13\" fill=\"\(color)\"/>"
        out +=
          "<text x=\"\(rounded(share * 400 + 206, 2))\" y=\"\(top + 11)\">\(rounded(share * 100, 2)) %</text>\n"
      }
    }
    return out + "</svg>\n"
  }
}

import PipelineKit
import ShardKit

/// Which documents of each domain are kept, and how many times.
struct MixSelection {
  struct Domain {
    var name: String
    var documents = 0
    /// The present amount and the target, in the unit of the mix.
    var present: UInt64 = 0
    var target: UInt64 = 0
    /// Copies of every document; documents before the cut get one more.
    var wholeCopies = 0
    /// nil if there are only whole copies.
    var cut: RankCut?
    var kept: UInt64 = 0
    var keptDocuments = 0

    func copies(rank: UInt64, record: UInt64) -> Int {
      guard let cut else { return wholeCopies }
      return wholeCopies + (cut.keeps(RankedRow(rank: rank, record: record, weight: 0, label: 0)) ? 1 : 0)
    }
  }

  /// Sorted by name.
  private(set) var domains: [Domain]

  var present: UInt64 { domains.reduce(0) { $0 + $1.present } }
  var kept: UInt64 { domains.reduce(0) { $0 + $1.kept } }

  init(_ domains: [Domain]) { self.domains = domains.sorted { $0.name < $1.name } }

  /// Selects each domain's documents: the longest run by hash that does not exceed the domain's target.
  ///
  /// A run ends up to one document below its target, so other domains may exceed their caps as much: such domains are
  /// cut again, by the amount actually kept, until every cap holds.
  /// - Parameter rows: a domain's rows.
  mutating func select(_ targets: MixTargets, rows: (String) -> some RankedRowSource) throws {
    let present = Dictionary(uniqueKeysWithValues: domains.map { ($0.name, $0.present) })
    let amounts = try targets.amounts(of: present)
    for i in domains.indices { try cut(i, to: amounts[domains[i].name]!, rows) }
    guard case .caps(let caps) = targets.form else { return }
    while true {
      let mix = Double(kept)
      let limits = domains.indices.compactMap { i in
        caps[domains[i].name].map { (place: i, amount: UInt64(($0 * mix).rounded(.down))) }
      }
      let over = limits.filter { domains[$0.place].kept > $0.amount }
      if over.isEmpty { return }
      for limit in over { try cut(limit.place, to: limit.amount, rows) }
    }
  }

  private mutating func cut(_ i: Int, to target: UInt64, _ rows: (String) -> some RankedRowSource) throws {
    var domain = domains[i]
    domain.target = target
    let (whole, rest) = domain.present == 0 ? (1, 0) : target.quotientAndRemainder(dividingBy: domain.present)
    domain.wholeCopies = Int(whole)
    domain.kept = whole * domain.present
    domain.keptDocuments = Int(whole) * domain.documents
    domain.cut = nil
    if rest > 0 || whole == 0 {
      let cut = try RankCut.find(budget: rest, in: rows(domain.name))
      domain.cut = cut
      domain.kept += cut.keptWeight
      domain.keptDocuments += cut.keptRows
    }
    domains[i] = domain
  }
}

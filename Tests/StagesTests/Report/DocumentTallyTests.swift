import Testing

@testable import Stages

@Suite struct DocumentTallyTests {
  private func tally(_ names: [(String, Int)]) -> DocumentTally {
    var tally = DocumentTally()
    for (name, characters) in names {
      let amount = DocumentTally.Amount(documents: 1, characters: characters)
      tally.all += amount
      tally.sources[name] = amount
      tally.licenses[name] = [DocumentTally.unknown: amount]
      tally.domains[name] = amount
      tally.days[name] = DocumentTally.Days(oldest: characters, newest: characters)
    }
    return tally
  }

  @Test func theLargestNamesOfAllFilesStay() {
    let most = DocumentTally.mostNames
    var all = DocumentTally()
    for file in 0..<3 {
      all += tally((0..<most).map { ("\(file) \($0)", 10 + $0) } + [(DocumentTally.unknown, 1)])
    }
    all.limit()
    for table in [all.sources, all.domains] {
      #expect(table.count == most + 2)
      #expect(table.values.reduce(0) { $0 + $1.characters } == all.all.characters)
      #expect(table[DocumentTally.unknown]?.documents == 3, "what is unknown is a fact of its own")
      #expect(table[DocumentTally.others]?.documents == 2 * most)
      #expect(table["2 \(most - 1)"] != nil && table["2 0"] == nil)
    }
    #expect(Set(all.licenses.keys) == Set(all.sources.keys) && Set(all.days.keys) == Set(all.sources.keys))
    #expect(all.licensesOfAll[DocumentTally.unknown]?.documents == 3 * most + 3)
    #expect(all.days[DocumentTally.others]?.oldest == 10)
  }

  @Test func fewNamesStayAsTheyAre() {
    var few = tally([("a", 3), ("b", 5)])
    few.limit()
    #expect(few == tally([("a", 3), ("b", 5)]))
  }
}

/// Separates a page's main text from its boilerplate, block by block.
///
/// In the spirit of jusText (J. Pomikálek, Removing Boilerplate and Duplicate Content from Web Corpora, 2011) and
/// boilerpipe (C. Kohlschütter, P. Fankhauser, W. Nejdl, Boilerplate Detection using Shallow Text Features, WSDM 2010):
/// a block is first judged by its length, its link density and whether it reads like prose; undecided blocks are
/// decided by their neighbors. Lengths are in characters, since Japanese has no spaces, and prose is recognized by
/// hiragana and sentence marks instead of a list of stop words.
public struct BoilerplateRemoval: Sendable {
  var minimumParagraphCharacters = 30
  var longParagraphCharacters = 80
  var maximumLinkFraction = 0.33

  public init(
    minimumParagraphCharacters: Int = 30, longParagraphCharacters: Int = 80, maximumLinkFraction: Double = 0.33
  ) {
    self.minimumParagraphCharacters = minimumParagraphCharacters
    self.longParagraphCharacters = longParagraphCharacters
    self.maximumLinkFraction = maximumLinkFraction
  }

  /// Maximum distance of a heading before text, in characters.
  private static let headingDistance = 200

  enum Verdict: Equatable, Sendable { case bad, short, nearGood, good }

  /// Maximum link density of a long block: encyclopedias and leads of news have many links.
  private static let longLinkDensity = 0.5

  /// For each block, whether it is main text.
  public func kept(_ page: HTMLPage) -> [Bool] {
    let own = page.blocks.map { verdict($0, page) }
    let marks = BlockMarks(page, own)
    let first = withRuns(zip(page.blocks, own).map { marks.excludes($0) ? .bad : $1 }, page)
    var verdicts = first
    for number in headings(page, where: { first[$0] == .short }) where isGoodAhead(number, first, first, page) {
      verdicts[number] = .nearGood
    }
    verdicts = withNeighbors(verdicts, page)
    // Short pages: keeps blocks that read like prose and are not within anything marked.
    if !verdicts.contains(.good) {
      for number in first.indices where first[number] == .nearGood { verdicts[number] = .good }
    }
    // A heading that its neighbors made bad, but that precedes text.
    for number in headings(page, where: { first[$0] != .bad && verdicts[$0] == .bad }) {
      if isGoodAhead(number, verdicts, first, page) { verdicts[number] = .good }
    }
    return verdicts.map { $0 == .good }
  }

  private func headings(_ page: HTMLPage, where isMeant: (Int) -> Bool) -> [Int] {
    page.blocks.indices.filter { page.blocks[$0].kind == .heading && isMeant($0) }
  }

  // MARK: Single blocks

  func verdict(_ block: HTMLPage.Block, _ page: HTMLPage) -> Verdict {
    let density = Double(block.linkCharacters) / Double(max(1, block.characters))
    let isLong = block.characters >= longParagraphCharacters
    if density > (isLong ? max(maximumLinkFraction, Self.longLinkDensity) : maximumLinkFraction) { return .bad }
    let signs = page.text.withUnsafeBufferPointer { ProseSigns(UnsafeBufferPointer(rebasing: $0[block.range])) }
    if signs.isCopyright { return .bad }
    // A caption belongs to its surroundings; so does program text.
    if block.kind == .caption || block.kind == .preformatted && !(signs.isProse && signs.sentences > 0) {
      return .short
    }
    if block.characters < minimumParagraphCharacters {
      return density > 0 && !signs.endsSentence ? .bad : .short
    }
    if signs.isProse {
      // Two complete sentences without a link are not a label, however short they are.
      let isWhole = signs.sentences >= 2 && signs.endsSentence && block.linkCharacters == 0
      return isLong || isWhole ? .good : .nearGood
    }
    // Table rows and lists are not prose; they belong to their surroundings.
    return block.kind == .text && isLong ? .bad : .short
  }

  // MARK: Neighbors

  /// Several paragraphs of prose with nothing bad between them count as one of their total length.
  private func withRuns(_ verdicts: [Verdict], _ page: HTMLPage) -> [Verdict] {
    var out = verdicts
    var run: [Int] = []
    var characters = 0
    for number in 0...verdicts.count {
      let verdict = number < verdicts.count ? verdicts[number] : .bad
      if verdict == .nearGood {
        run.append(number)
        characters += page.blocks[number].characters
      } else if verdict == .bad {
        if run.count > 1, characters >= longParagraphCharacters { for member in run { out[member] = .good } }
        run.removeAll(keepingCapacity: true)
        characters = 0
      }
    }
    return out
  }

  /// Whether text follows before anything bad does.
  /// - Parameter first: verdicts before neighbors decided; blocks that became bad later do not stop the search.
  private func isGoodAhead(_ number: Int, _ verdicts: [Verdict], _ first: [Verdict], _ page: HTMLPage) -> Bool {
    var distance = 0
    var next = number + 1
    while next < verdicts.count, distance <= Self.headingDistance {
      if verdicts[next] == .good { return true }
      if first[next] == .bad { return false }
      distance += page.blocks[next].characters
      next += 1
    }
    return false
  }

  private func withNeighbors(_ verdicts: [Verdict], _ page: HTMLPage) -> [Verdict] {
    let before = Neighbors(verdicts.indices, verdicts)
    let after = Neighbors(verdicts.indices.reversed(), verdicts)
    return verdicts.indices.map { number in
      let isMain = page.blocks[number].isMain
      switch verdicts[number] {
      case .good, .bad: return verdicts[number]
      case .nearGood:
        return before.decided[number] == .good || after.decided[number] == .good || isMain ? .good : .bad
      case .short:
        let sides = [(before.decided[number], before.any[number]), (after.decided[number], after.any[number])]
        let good = sides.count { $0.0 == .good }
        if good == 2 { return .good }
        if isMain, sides.allSatisfy({ $0.1 != .bad }) { return .good }
        return good == 1 && sides.contains { $0.0 == .bad && $0.1 == .nearGood } ? .good : .bad
      }
    }
  }

  /// For each block, the nearest good or bad one on a side, and the nearest that is not short. Outside is bad.
  private struct Neighbors {
    var decided: [Verdict]
    var any: [Verdict]

    init(_ order: some Sequence<Int>, _ verdicts: [Verdict]) {
      decided = verdicts
      any = verdicts
      var (lastDecided, lastAny) = (Verdict.bad, Verdict.bad)
      for number in order {
        decided[number] = lastDecided
        any[number] = lastAny
        let verdict = verdicts[number]
        if verdict == .good || verdict == .bad { lastDecided = verdict }
        if verdict != .short { lastAny = verdict }
      }
    }
  }
}

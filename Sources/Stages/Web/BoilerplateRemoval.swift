/// Tells a page's text from what surrounds it, block by block.
///
/// In the spirit of jusText (J. Pomikálek, Removing Boilerplate and Duplicate Content from Web Corpora, 2011) and
/// boilerpipe (C. Kohlschütter, P. Fankhauser, W. Nejdl, Boilerplate Detection using Shallow Text Features, WSDM 2010):
/// a block is first judged by its length, its share of links and whether it reads like prose; what that leaves open is
/// decided by its neighbours. Lengths are in characters, since Japanese has no spaces, and prose is told by hiragana
/// and sentence marks rather than by a list of stop words.
struct BoilerplateRemoval {
  var minimumParagraphCharacters = 30
  var longParagraphCharacters = 80
  var maximumLinkDensity = 0.33

  /// How far ahead of text a heading may stand, in characters.
  private static let headingDistance = 200

  enum Verdict: Equatable, Sendable { case bad, short, nearGood, good }

  /// Which blocks are text.
  func kept(_ page: HTMLPage) -> [Bool] {
    let marks = Marks(page)
    let first = withRuns(page.blocks.map { marks.excludes($0) ? .bad : verdict($0, page) }, page)
    var verdicts = withHeadings(first, page, from: .short, to: .nearGood)
    verdicts = withNeighbours(verdicts, page)
    // A heading that its neighbours made bad, before text.
    for (number, block) in page.blocks.enumerated()
    where block.kind == .heading && first[number] != .bad && verdicts[number] == .bad {
      if isGoodAhead(number, verdicts, page) { verdicts[number] = .good }
    }
    return verdicts.map { $0 == .good }
  }

  /// What the page marks as no content is believed, unless that is nearly all of its text: some pages stand in one form
  /// or never close their navigation.
  private struct Marks {
    var ignoresChrome = false
    var ignoresForms = false

    init(_ page: HTMLPage) {
      var all = 0
      var chrome = 0
      var forms = 0
      for block in page.blocks where block.linkCharacters * 3 < block.characters && block.characters > 20 {
        all += block.characters
        chrome += block.mark >= 0 ? block.characters : 0
        forms += block.isForm ? block.characters : 0
      }
      ignoresChrome = chrome * 10 > all * 9
      ignoresForms = forms * 2 > all
    }

    func excludes(_ block: HTMLPage.Block) -> Bool {
      block.mark >= 0 && !ignoresChrome || block.isForm && !ignoresForms
    }
  }

  // MARK: By itself

  func verdict(_ block: HTMLPage.Block, _ page: HTMLPage) -> Verdict {
    let density = Double(block.linkCharacters) / Double(max(1, block.characters))
    let signs = page.text.withUnsafeBufferPointer { ProseSigns(UnsafeBufferPointer(rebasing: $0[block.range])) }
    if density > maximumLinkDensity || signs.isCopyright { return .bad }
    if block.kind == .preformatted { return .short }
    if block.characters < minimumParagraphCharacters {
      return density > 0 && !signs.endsSentence ? .bad : .short
    }
    if signs.isProse { return block.characters >= longParagraphCharacters ? .good : .nearGood }
    // A table's rows and lists are no prose; they belong to what stands around them.
    return block.kind == .text && block.characters >= longParagraphCharacters ? .bad : .short
  }

  // MARK: By its neighbours

  /// Several paragraphs of prose with nothing bad between them are as good as one of their length together.
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

  private func withHeadings(
    _ verdicts: [Verdict], _ page: HTMLPage, from: Verdict, to: Verdict
  ) -> [Verdict] {
    var out = verdicts
    for (number, block) in page.blocks.enumerated() where block.kind == .heading && verdicts[number] == from {
      if isGoodAhead(number, verdicts, page) { out[number] = to }
    }
    return out
  }

  private func isGoodAhead(_ number: Int, _ verdicts: [Verdict], _ page: HTMLPage) -> Bool {
    var distance = 0
    var next = number + 1
    while next < verdicts.count, distance <= Self.headingDistance {
      if verdicts[next] == .good { return true }
      distance += page.blocks[next].characters
      next += 1
    }
    return false
  }

  private func withNeighbours(_ verdicts: [Verdict], _ page: HTMLPage) -> [Verdict] {
    let before = Neighbours(verdicts.indices, verdicts)
    let after = Neighbours(verdicts.indices.reversed(), verdicts)
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
        if isMain, sides.contains(where: { $0.1 != .bad }) { return .good }
        return good == 1 && sides.contains { $0.0 == .bad && $0.1 == .nearGood } ? .good : .bad
      }
    }
  }

  /// For each block the nearest one on a side that is good or bad, and the nearest that is not short. Outside all is bad.
  private struct Neighbours {
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

/// Signs of running text in a block.
struct ProseSigns: Equatable {
  var isCopyright = false
  var isProse = false
  /// It ends as sentences do.
  var endsSentence = false

  init(_ text: UnsafeBufferPointer<UInt8>) {
    var characters = 0, hiragana = 0, marks = 0, words = 0, shortWords = 0, word = 0
    for at in text.indices {
      let byte = text[at]
      if byte & 0xC0 == 0x80 { continue }
      characters += byte > 32 ? 1 : 0
      if (byte | 0x20) &- 0x61 < 26 {
        word += 1
      } else if word > 0 {
        words += 1
        shortWords += word <= 3 ? 1 : 0
        word = 0
      }
      if byte == 0xE3, at + 2 < text.count {
        let (second, third) = (text[at + 1], text[at + 2])
        hiragana += second == 0x81 || second == 0x82 && third < 0xA0 ? 1 : 0
      }
      marks += Self.isMark(text, at) ? 1 : 0
    }
    endsSentence = text.indices.suffix(4).contains { Self.isMark(text, $0) }
    isProse =
      hiragana * 100 >= characters * 15 && characters > 0 || marks > 0 && hiragana + words < characters && words < 8
      || words >= 8 && (shortWords * 4 >= words || marks > 0)
    isCopyright = characters < 200 && Self.isCopyright(text)
  }

  /// 。 ！ ？, or their Latin forms before a space or the end.
  private static func isMark(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    switch text[at] {
    case 0x2E, 0x21, 0x3F: return at + 1 == text.count || text[at + 1] <= 32
    case 0xE3: return at + 2 < text.count && text[at + 1] == 0x80 && text[at + 2] == 0x82
    case 0xEF:
      return at + 2 < text.count && text[at + 1] == 0xBC && (text[at + 2] == 0x81 || text[at + 2] == 0x9F)
    default: return false
    }
  }

  /// ©, or the words by which it is claimed, in any case.
  private static func isCopyright(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    for at in text.indices {
      if text[at] == 0xC2, at + 1 < text.count, text[at + 1] == 0xA9 { return true }
      if text[at] | 0x20 == UInt8(ascii: "c"), folded(text, at, "copyright") { return true }
      if text[at] | 0x20 == UInt8(ascii: "a"), folded(text, at, "all rights reserved") { return true }
    }
    return false
  }

  private static func folded(_ text: UnsafeBufferPointer<UInt8>, _ at: Int, _ word: StaticString) -> Bool {
    guard at + word.utf8CodeUnitCount <= text.count else { return false }
    return (0..<word.utf8CodeUnitCount).allSatisfy { text[at + $0] | 0x20 == word.utf8Start[$0] }
  }
}

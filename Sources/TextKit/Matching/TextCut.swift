/// Cuts a passage out of a text so that what is left can be read: both ends move inwards to where characters, and words of
/// scripts with spaces, begin and end; and a line break or a blank stays where the passage had one and what is left
/// would run together.
///
/// What goes is always a part of the passage. It depends on the text and the passage alone.
public struct TextCut {
  /// A longer word, such as encoded data, is cut like text without words: in characters.
  public static let longestWord = 64
  private let text: [UInt32]
  private let cut: Range<Int>

  /// The parts of a passage that go, in order; none if it lies within a character or a word.
  /// - Parameter text: the scalars of the whole text.
  public static func parts(of passage: Range<Int>, in text: [UInt32]) -> [Range<Int>] {
    let start = TextCut(text: text, cut: passage).start
    let end = TextCut(text: text, cut: start..<passage.upperBound).end
    let cut = TextCut(text: text, cut: start..<end)
    guard let kept = cut.separator else { return start < end ? [start..<end] : [] }
    return [start..<kept.lowerBound, kept.upperBound..<end].filter { !$0.isEmpty }
  }

  private func traits(_ place: Int) -> CutTraits { CutTraits(of: text[place]) }

  private var start: Int {
    let near = cut.prefix(Self.longestWord + 1)
    return near.first(where: dividesWords) ?? (near.count < cut.count ? cut.first(where: dividesCharacters) : nil)
      ?? cut.upperBound
  }

  private var end: Int {
    let places = (cut.lowerBound + 1)..<(cut.upperBound + 1)
    let near = places.suffix(Self.longestWord + 1)
    return near.last(where: dividesWords) ?? (near.count < places.count ? places.last(where: dividesCharacters) : nil)
      ?? cut.lowerBound
  }

  /// Whether no character lies on both sides of a place.
  private func dividesCharacters(_ place: Int) -> Bool {
    guard place > 0, place < text.count else { return true }
    if traits(place).contains(.extends) || text[place - 1] == 0x200D { return false }
    if traits(place).contains(.regional), traits(place - 1).contains(.regional) { return false }
    return !(text[place] == 0x0A && text[place - 1] == 0x0D)
  }

  /// Whether neither a character nor a word lies on both sides of a place.
  private func dividesWords(_ place: Int) -> Bool {
    guard dividesCharacters(place) else { return false }
    return !(place < text.count && traits(place).contains(.spaced) && endsWord(place))
  }

  /// Whether a letter with its marks stands before a place.
  private func endsWord(_ place: Int) -> Bool {
    var last = place - 1
    while last >= 0, traits(last).contains(.extends) { last -= 1 }
    return last >= 0 && traits(last).contains(.spaced)
  }

  /// What stays of the passage between what stands before and behind it.
  private var separator: Range<Int>? {
    guard !cut.isEmpty, cut.lowerBound > 0, cut.upperBound < text.count else { return nil }
    let sides = [cut.lowerBound - 1, cut.upperBound]
    if sides.contains(where: { traits($0).contains(.lineBreak) }) { return nil }
    if let line = atEdge(.lineBreak) ?? cut.first(where: { traits($0).contains(.lineBreak) }) {
      return wholeBreak(line)
    }
    if sides.contains(where: { traits($0).contains(.blank) }) { return nil }
    let joinsWords = endsWord(cut.lowerBound) && traits(cut.upperBound).contains(.spaced)
    let blank = atEdge(.blank) ?? (joinsWords ? cut.first { traits($0).contains(.blank) } : nil)
    return blank.map { $0..<$0 + 1 }
  }

  /// The first or last scalar of the passage if it is such a one.
  private func atEdge(_ kind: CutTraits) -> Int? {
    [cut.lowerBound, cut.upperBound - 1].first { traits($0).contains(kind) }
  }

  /// A carriage return and a line feed are one line break.
  private func wholeBreak(_ place: Int) -> Range<Int> {
    if text[place] == 0x0D, place + 1 < cut.upperBound, text[place + 1] == 0x0A { return place..<place + 2 }
    if text[place] == 0x0A, place > cut.lowerBound, text[place - 1] == 0x0D { return place - 1..<place + 1 }
    return place..<place + 1
  }
}

import TextKit

/// Builds blocks from runs of text.
///
/// White space is collapsed as in a browser, except that line ends of the source between Japanese characters are
/// dropped, since they do not separate words. One `<br>` is a line end, two begin a new block. A table row is a line,
/// with cells separated by tabs, unless the cells differ in kind: layout tables have a column of links next to text.
struct HTMLBlocks {
  /// What surrounds the next text.
  struct Surroundings {
    var kind = HTMLPage.Block.Kind.text
    var isLink = false
    var isForm = false
    var isMain = false
    var mark = -1
  }

  private enum Space { case none, space, lineEnd }

  /// A cell of a row: where it begins, and what precedes it.
  private struct Cell {
    var start: Int
    var characters: Int
    var linkCharacters: Int
  }

  private(set) var text: [UInt8] = []
  private(set) var blocks: [HTMLPage.Block] = []
  private var start = 0
  private var characters = 0
  private var linkCharacters = 0
  private var space = Space.none
  private var breaks = 0
  private var awaitsCell = false
  private var cells: [Cell] = []

  init(reserving bytes: Int) { text.reserveCapacity(bytes) }

  mutating func lineBreak() { breaks += 1 }
  mutating func beginCell() { awaitsCell = text.count > start }
  /// Notes that something other than text is here.
  mutating func gap() { if space == .none { space = .lineEnd } }

  mutating func append(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ around: Surroundings) {
    if around.kind == .preformatted { return appendPreformatted(bytes, count, around) }
    var at = 0
    while at < count {
      let byte = bytes[at]
      if byte <= 0x20 {
        if byte == 10 || byte == 13 { space = .lineEnd } else if space == .none { space = .space }
        at += 1
      } else if byte == 0xC2, at + 1 < count, bytes[at + 1] == 0xA0 {
        if space == .none { space = .space }
        at += 2
      } else {
        var end = at + 1
        while end < count, bytes[end] > 0x20, bytes[end] != 0xC2 || end + 1 == count || bytes[end + 1] != 0xA0 {
          end += 1
        }
        append(UnsafeBufferPointer(start: bytes + at, count: end - at), around)
        at = end
      }
    }
  }

  mutating func append(_ text: StaticString, _ around: Surroundings) {
    append(text.utf8Start, text.utf8CodeUnitCount, around)
  }

  /// Appends a run without white space.
  private mutating func append(_ run: UnsafeBufferPointer<UInt8>, _ around: Surroundings) {
    if breaks > 1 { close(around) }
    if text.count > start {
      if awaitsCell {
        text.append(9)
        if cells.count < 1000 {
          cells.append(Cell(start: text.count, characters: characters, linkCharacters: linkCharacters))
        }
      } else if breaks == 1 {
        text.append(10)
      } else if space == .space || space == .lineEnd && !(endsWide && Self.isWide(run.baseAddress!, run.count)) {
        text.append(32)
      }
    }
    (space, breaks, awaitsCell) = (.none, 0, false)
    text.append(contentsOf: run)
    count(run, around)
  }

  private mutating func appendPreformatted(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ around: Surroundings) {
    let run = UnsafeBufferPointer(start: bytes, count: count)
    if breaks > 0 { text.append(10) }
    (space, breaks, awaitsCell) = (.none, 0, false)
    for (at, byte) in run.enumerated() {
      if byte == 13 { text.append(10) } else if byte != 10 || at == 0 || run[at - 1] != 13 { text.append(byte) }
    }
    self.count(run, around)
  }

  private mutating func count(_ run: UnsafeBufferPointer<UInt8>, _ around: Surroundings) {
    var count = 0
    for byte in run { count &+= byte & 0xC0 != 0x80 && byte > 32 ? 1 : 0 }
    characters += count
    if around.isLink { linkCharacters += count }
  }

  // MARK: Blocks

  mutating func close(_ around: Surroundings) {
    (space, breaks, awaitsCell) = (.none, 0, false)
    while text.count > start, text.last! <= 32 { text.removeLast() }
    if characters > 0 {
      if cells.isEmpty || !isLayout {
        add(start..<text.count, characters, linkCharacters, around)
      } else {
        addCells(around)
      }
    }
    start = text.count
    (characters, linkCharacters) = (0, 0)
    cells.removeAll(keepingCapacity: true)
  }

  private mutating func add(_ range: Range<Int>, _ characters: Int, _ linkCharacters: Int, _ around: Surroundings) {
    var first = range.lowerBound
    while first < range.upperBound, text[first] == 10 { first += 1 }
    guard characters > 0 else { return }
    blocks.append(
      HTMLPage.Block(
        range: first..<range.upperBound, kind: around.kind, characters: characters, linkCharacters: linkCharacters,
        mark: around.mark, isForm: around.isForm, isMain: around.isMain))
  }

  private mutating func addCells(_ around: Surroundings) {
    var around = around
    if around.kind == .row { around.kind = .text }
    forEachCell { blocks, range, characters, linkCharacters in
      blocks.add(range, characters, linkCharacters, around)
    }
  }

  private mutating func forEachCell(_ body: (inout HTMLBlocks, Range<Int>, Int, Int) -> Void) {
    var last = Cell(start: start, characters: 0, linkCharacters: 0)
    let ends = cells + [Cell(start: text.count + 1, characters: characters, linkCharacters: linkCharacters)]
    for next in ends {
      body(
        &self, last.start..<(next.start - 1), next.characters - last.characters,
        next.linkCharacters - last.linkCharacters)
      last = next
    }
  }

  /// Whether a row has a cell of links next to one of text.
  private var isLayout: Bool {
    var (links, prose) = (false, false)
    var last = Cell(start: start, characters: 0, linkCharacters: 0)
    for number in 0...cells.count {
      let next =
        number < cells.count
        ? cells[number] : Cell(start: text.count, characters: characters, linkCharacters: linkCharacters)
      let (count, linked) = (next.characters - last.characters, next.linkCharacters - last.linkCharacters)
      if count >= 20, linked * 2 > count { links = true }
      if count - linked >= 40, linked * 2 <= count { prose = true }
      last = next
    }
    return links && prose
  }

  // MARK: Japanese

  private var endsWide: Bool {
    var at = text.count - 1
    while at > start, text[at] & 0xC0 == 0x80 { at -= 1 }
    return text.withUnsafeBufferPointer { Self.isWide($0.baseAddress! + at, $0.count - at) }
  }

  /// Whether a text begins with a character that needs no space next to it: kana, kanji, full-width forms and marks.
  static func isWide(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    guard bytes[0] >= 0xE3, count >= 3 else { return false }
    let scalar = UTF8Scanning.scalar(at: 0, in: bytes, end: count).value
    switch scalar {
    case 0x3000...0x312F, 0x3190...0x9FFF, 0xF900...0xFAFF, 0xFF00...0xFFEF, 0x2_0000...0x3_FFFF: return true
    default: return false
    }
  }
}

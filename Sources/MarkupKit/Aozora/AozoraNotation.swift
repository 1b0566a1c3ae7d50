import ShardKit

/// Converts Aozora Bunko's notation to plain text: ruby, gaiji, accents, repeat marks and notes (［＃…］).
///
/// One pass over UTF-8 in linear time: a note is at most `maximumNoteBytes` long, and every other mark ends with its
/// line. Text that is not notation, such as 《 without a base before it, is kept unchanged.
/// Notation: https://www.aozora.gr.jp/annotation/
public struct AozoraNotation {
  public enum Ruby: String, CaseIterable, Sendable { case drop, keep }
  public enum UnresolvedGaiji: String, CaseIterable, Sendable { case description, geta, drop }

  public struct Counts: Equatable, Sendable {
    public var rubies = 0
    public var gaiji = 0
    public var unresolvedGaiji = 0
    public var notes = 0
    /// `［＃` without its `］`, kept as text.
    public var unclosedNotes = 0
  }

  let ruby: Ruby
  let unresolvedGaiji: UnresolvedGaiji
  public var counts = Counts()
  private(set) var out: [UInt8] = []

  /// Maximum number of spaces between a base and its 《.
  private static let maximumBaseSpaces = 64

  // State of the current line.
  private var lineStart = 0
  private var hadNote = false
  private var breaksPage = false
  private var hasBar = false
  private var accentsEnd = 0
  private var rubyEnds = AozoraSearch("》")
  private var noteEnds = AozoraSearch("］")
  /// State of the work: whether （ was written for an open 割り注.
  private var insetParentheses: [Bool] = []

  public init(ruby: Ruby = .drop, unresolvedGaiji: UnresolvedGaiji = .description) {
    self.ruby = ruby
    self.unresolvedGaiji = unresolvedGaiji
  }

  /// Renders lines (ended by LF, CRLF or CR) and returns the text, without blank lines at either end.
  public mutating func render(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
    out = []
    out.reserveCapacity(text.count)
    insetParentheses = []
    var lines = TextLines(text)
    while let line = lines.next() { render(line: UnsafeBufferPointer(rebasing: text[line])) }
    trimBlankEnds()
    let result = out
    out = []
    return result
  }

  /// Renders one line without counting its marks: for titles and names.
  public func renderTitle(_ line: UnsafeBufferPointer<UInt8>) -> String {
    var notation = AozoraNotation(unresolvedGaiji: unresolvedGaiji)
    return String(decoding: notation.render(line), as: UTF8.self)
  }

  private mutating func trimBlankEnds() {
    while let last = out.last, last == 10 || last == 32 { out.removeLast() }
    var blank = 0
    while blank < out.count && out[blank] == 10 { blank += 1 }
    out.removeFirst(blank)
  }

  // MARK: Lines

  private mutating func render(line: UnsafeBufferPointer<UInt8>) {
    lineStart = out.count
    (hadNote, breaksPage) = (false, false)
    inline(line)
    if hadNote && !line.isEmpty && isBlank(from: lineStart) {
      // A line of only notes is dropped, but a page break separates as an empty line does.
      out.removeSubrange(lineStart...)
      if breaksPage && !out.isEmpty && !out.ends(with: [10, 10]) { out.append(10) }
    } else {
      out.append(10)
    }
  }

  private func isBlank(from start: Int) -> Bool {
    out.withUnsafeBufferPointer { out in
      var at = start
      while at < out.count {
        if out[at] == 32 || out[at] == 9 { at += 1 } else if out.has("　", at: at) { at += 3 } else { return false }
      }
      return true
    }
  }

  /// Copies plain runs at once and stops only at the first bytes of a mark.
  private mutating func inline(_ line: UnsafeBufferPointer<UInt8>) {
    (hasBar, accentsEnd) = (false, 0)
    rubyEnds.restart()
    noteEnds.restart()
    var at = 0
    var run = 0
    while at < line.count {
      let byte = line[at]
      if byte < 0x80 && at >= accentsEnd || byte & 0xF0 == 0xE0 && !Self.mayMark(line, at) {
        at += byte < 0x80 ? 1 : 3
        continue
      }
      if run < at { out.append(contentsOf: line[run..<at]) }
      run = mark(in: line, at: at) ?? at
      at = run == at ? at + utf8Length(byte) : run
    }
    if run < line.count { out.append(contentsOf: line[run...]) }
  }

  /// Whether a three-byte character is one of ｜ ［ ／ 《 〔 〕 ※.
  @inline(__always)
  private static func mayMark(_ line: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    guard at + 2 < line.count else { return true }
    let rest = UInt16(line[at + 1]) << 8 | UInt16(line[at + 2])
    return switch line[at] {
    case 0xE3: rest == 0x808A || rest == 0x8094 || rest == 0x8095
    case 0xEF: rest == 0xBD9C || rest == 0xBCBB || rest == 0xBC8F
    case 0xE2: rest == 0x80BB
    default: false
    }
  }

  /// Handles the mark at `at` and returns where the text continues; nil if it is plain text.
  private mutating func mark(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    switch line[at] {
    case 0xE3 where line.has("《", at: at): return rubyMark(in: line, at: at)
    case 0xE3 where line.has("〔", at: at): return accentsOpen(in: line, at: at)
    case 0xE3 where line.has("〕", at: at): return at == accentsEnd && at > 0 ? at + 3 : nil
    case 0xEF where line.has("｜", at: at): return bar(in: line, at: at)
    case 0xEF where line.has("［＃", at: at): return note(in: line, at: at)
    case 0xEF where line.has("／", at: at): return repeatMark(in: line, at: at)
    case 0xE2 where line.has("※", at: at): return gaiji(in: line, at: at)
    case 0..<0x80:
      guard let (letter, length) = AozoraAccents.match(line, at: at, end: accentsEnd) else { return nil }
      out.append(contentsOf: letter)
      return at + length
    default: return nil
    }
  }

  // MARK: Ruby

  /// ｜ marks where a base begins, if its 《…》 follows on the line.
  private mutating func bar(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    var next = at + 3
    while next < line.count {
      if line[next] == 0xE3 && line.has("《", at: next) {
        guard rubyEnds.next(in: line, from: next) != nil else { return nil }
        hasBar = true
        return at + 3
      }
      if line[next] == 0xEF && line.has("｜", at: next) { return nil }
      next += 1
    }
    return nil
  }

  private mutating func rubyMark(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    guard hasBar || hasBase, let end = rubyEnds.next(in: line, from: at + 3) else { return nil }
    hasBar = false
    counts.rubies += 1
    hadNote = true
    if ruby == .keep {
      var reading = AozoraNotation(ruby: .drop, unresolvedGaiji: unresolvedGaiji)
      reading.inline(UnsafeBufferPointer(rebasing: line[(at + 3)..<end]))
      out.append(contentsOf: "（".utf8)
      out.append(contentsOf: reading.out)
      out.append(contentsOf: "）".utf8)
    }
    return end + 3
  }

  /// Whether readable text precedes the 《, so that it is ruby and not a quotation mark.
  private var hasBase: Bool {
    out.withUnsafeBufferPointer { out in
      let floor = max(lineStart, out.count - Self.maximumBaseSpaces)
      var end = out.count
      while end > floor && out[end - 1] == 32 { end -= 1 }
      guard end > floor else { return false }
      if out[end - 1] < 0x80 || end - lineStart < 3 { return true }
      return !Self.separators.contains { out.has($0, at: end - 3) }
    }
  }

  private static let separators: [StaticString] = [
    "　", "、", "。", "「", "『", "（", "〔", "［", "｛", "〈", "《", "》", "【",
  ]

  // MARK: Accents and repeat marks

  /// 〔…〕 with accents inside loses its brackets; any other is kept. Text quoted by a note inside does not count.
  private mutating func accentsOpen(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    var hasAccents = false
    var start = at + 3
    var end = start
    while end < line.count {
      if line[end] == 0xE3 {
        if line.has("〔", at: end) { return nil }
        if line.has("〕", at: end) { break }
      } else if line[end] == 0xEF, line.has("［＃", at: end), let close = noteEnd(line, from: end + 6) {
        hasAccents = hasAccents || AozoraAccents.appear(in: line, from: start, to: end)
        (start, end) = (close + 3, close + 3)
        continue
      }
      end += 1
    }
    guard end < line.count, hasAccents || AozoraAccents.appear(in: line, from: start, to: end) else { return nil }
    accentsEnd = end
    return at + 3
  }

  /// ／＼ is the vertical repeat mark 〳〵, ／″＼ the voiced one 〴〵.
  private mutating func repeatMark(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    if line.has("／＼", at: at) {
      out.append(contentsOf: "〳〵".utf8)
      return at + 6
    }
    var next = at + 3
    if line.has("″", at: next) || line.has("゛", at: next) { next += 3 } else { return nil }
    guard line.has("＼", at: next) else { return nil }
    out.append(contentsOf: "〴〵".utf8)
    return next + 3
  }

  // MARK: Notes

  private mutating func noteEnd(_ line: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    noteEnds.next(in: line, from: start) == nil ? nil : AozoraNote.end(line, from: start)
  }

  /// One ※ and its note, or a few of them with one note for all: `※※［＃前の「※」は「…」、後の「※」は「…」］`.
  private mutating func gaiji(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    var marks = 1
    while marks < AozoraNote.maximumMarks && line.has("※", at: at + 3 * marks) { marks += 1 }
    let start = at + 3 * marks + 6
    // A note without an end is counted when its ［＃ is reached.
    guard line.has("［＃", at: start - 6), let end = noteEnd(line, from: start) else { return nil }
    let inside = UnsafeBufferPointer(rebasing: line[start..<end])
    let descriptions = marks == 1 ? [inside] : AozoraNote.descriptions(in: inside)
    guard descriptions.count == marks else { return nil }
    for description in descriptions { writeGaiji(description) }
    return end + 3
  }

  private mutating func writeGaiji(_ note: UnsafeBufferPointer<UInt8>) {
    counts.gaiji += 1
    if let text = AozoraGaiji.resolve(note) {
      out.append(contentsOf: text.utf8)
      return
    }
    counts.unresolvedGaiji += 1
    switch unresolvedGaiji {
    case .drop: hadNote = true
    case .geta: out.append(contentsOf: "〓".utf8)
    case .description:
      let description = AozoraGaiji.description(of: note)
      let isQuoted = description.isOneQuotation
      out.append(contentsOf: "［".utf8)
      out.append(contentsOf: isQuoted ? description[3..<(description.count - 3)] : description[...])
      out.append(contentsOf: "］".utf8)
    }
  }

  private mutating func note(in line: UnsafeBufferPointer<UInt8>, at: Int) -> Int? {
    guard let end = noteEnd(line, from: at + 6) else {
      counts.unclosedNotes += 1
      return nil
    }
    let inside = UnsafeBufferPointer(rebasing: line[(at + 6)..<end])
    counts.notes += 1
    hadNote = true
    if inside.has("割り注", at: 0) || inside.has("ここから割り注", at: 0) || inside.has("ここで割り注", at: 0) {
      inset(inside, next: UnsafeBufferPointer(rebasing: line[(end + 3)...]))
    } else if inside.has("改行", at: 0) && inside.count == 6 {
      out.append(10)
    } else if ["改ページ", "改丁", "改見開き", "改段", "改頁"].contains(where: { inside.has($0, at: 0) }) {
      breaksPage = true
    } else {
      replaceQuoted(by: inside)
    }
    return end + 3
  }

  /// 割り注, a note set in two small lines, becomes （…） unless it is already in parentheses.
  private mutating func inset(_ inside: UnsafeBufferPointer<UInt8>, next: UnsafeBufferPointer<UInt8>) {
    let closes = inside.ends(with: "終わり") || inside.ends(with: "終り")
    if closes {
      if insetParentheses.popLast() == true { out.append(contentsOf: "）".utf8) }
      return
    }
    let isEnclosed =
      next.has("（", at: 0) || ["（", "〔", "〈", "［"].contains { out.ends(with: $0, from: lineStart) }
    if !isEnclosed { out.append(contentsOf: "（".utf8) }
    if insetParentheses.count < 64 { insetParentheses.append(!isEnclosed) }
  }

  /// `1［＃「1」はローマ数字、1-13-21］` gives the character that the text before the note denotes.
  private mutating func replaceQuoted(by inside: UnsafeBufferPointer<UInt8>) {
    guard inside.has("「", at: 0) else { return }
    var end = 3
    while end < min(inside.count, 16) && !inside.has("」", at: end) { end += 1 }
    let quoted = inside[3..<min(end, inside.count)]
    guard inside.has("」は", at: end), !quoted.isEmpty, out.count - lineStart >= quoted.count,
      out.suffix(quoted.count).elementsEqual(quoted), let text = AozoraAddress.text(in: inside)
    else { return }
    out.removeLast(quoted.count)
    out.append(contentsOf: text.utf8)
  }
}

extension [UInt8] {
  /// Whether all of it is enclosed in one pair of 「 and 」.
  var isOneQuotation: Bool {
    withUnsafeBufferPointer { bytes in
      guard bytes.has("「", at: 0), bytes.ends(with: "」") else { return false }
      var depth = 0
      for at in bytes.indices {
        if bytes.has("「", at: at) { depth += 1 }
        if bytes.has("」", at: at) { depth -= 1 }
        if depth == 0 { return at == bytes.count - 3 || at > bytes.count - 3 }
      }
      return false
    }
  }
}

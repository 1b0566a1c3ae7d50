/// Notes of Aozora Bunko's notation: `［＃…］`.
enum AozoraNote {
  /// Longer text is not a note.
  private static let maximumBytes = 2048
  /// Maximum number of ※ that share one note.
  static let maximumMarks = 8

  /// The offset of the `］` that closes a note whose content begins at `start`.
  ///
  /// Notes may quote text that contains notes; a plain bracket inside an open quotation is quoted too.
  static func end(_ line: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    var depth = 1
    var quotes = 0
    var brackets = 0
    var at = start
    let limit = min(line.count, start + maximumBytes)
    while at < limit {
      switch line[at] {
      case 0xEF where line.has("［＃", at: at):
        depth += 1
        at += 6
        continue
      case 0xEF where line.has("［", at: at): if depth == 1 { brackets += 1 }
      case 0xEF where line.has("］", at: at):
        if depth == 1 && brackets > 0 && quotes > 0 {
          brackets -= 1
        } else {
          depth -= 1
          if depth == 0 { return at }
        }
      case 0xE3 where line.has("「", at: at): if depth == 1 { quotes += 1 }
      case 0xE3 where line.has("」", at: at): if depth == 1 && quotes > 0 { quotes -= 1 }
      default: break
      }
      at += utf8Length(line[at])
    }
    return nil
  }

  /// The text after each `「※」は` of a note, up to the next one.
  static func descriptions(in note: UnsafeBufferPointer<UInt8>) -> [UnsafeBufferPointer<UInt8>] {
    let starts = note.indices.filter { note.has("「※」は", at: $0) }
    return starts.indices.map { index in
      let end = index + 1 < starts.count ? starts[index + 1] : note.count
      return UnsafeBufferPointer(rebasing: note[(starts[index] + 12)..<end])
    }
  }
}

/// Searches for a mark from ascending positions only, so that a line is scanned only once.
struct AozoraSearch {
  private let mark: StaticString
  /// The first mark at or after `from`, or the line's end if there is none; nil before the first search.
  private var found: (from: Int, hit: Int)?

  init(_ mark: StaticString) { self.mark = mark }

  mutating func restart() { found = nil }

  mutating func next(in line: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
    if let found, found.from <= start, found.hit >= start { return found.hit < line.count ? found.hit : nil }
    var at = start
    let first = mark.utf8Start[0]
    while at < line.count && !(line[at] == first && line.has(mark, at: at)) { at += 1 }
    found = (start, max(at, start))
    return at < line.count ? at : nil
  }
}

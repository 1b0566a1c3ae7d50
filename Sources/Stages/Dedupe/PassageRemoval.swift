import TextKit

/// What goes from one document: the units of copied windows that belong to no kept one.
struct PassageRemoval {
  /// One passage that goes.
  struct Passage: Equatable {
    var units: Range<Int>
    /// Where the copy of its first window is kept, as far as its span says.
    var keptDocument: UInt32
    var keptFirst: UInt32
    /// Where the copy of the last window of its span is kept.
    var keptLast: UInt32

    /// The part of it that lies in some units, if any does.
    func clamped(to part: Range<Int>) -> Passage? {
      guard units.overlaps(part) else { return nil }
      var passage = self
      passage.units = units.clamped(to: part)
      passage.keptFirst = min(keptFirst + UInt32(passage.units.lowerBound - units.lowerBound), keptLast)
      return passage
    }
  }

  private(set) var passages: [Passage] = []
  /// Units of copies that stay because they belong to kept windows too.
  private(set) var shared = 0
  /// Whether the document holds a copy that is kept.
  let keeps: Bool

  /// - Parameters:
  ///   - spans: the document's, in order.
  ///   - window: units of a window.
  init(_ spans: [PassageSpan], window: Int) {
    let kept = Self.joined(spans.filter(\.isKept), window)
    keeps = !kept.isEmpty
    let copies = spans.filter { !$0.isKept }
    let covered = Self.joined(copies, window)
    var next = 0
    for copy in covered {
      var start = copy.lowerBound
      while next < kept.count, kept[next].upperBound <= start { next += 1 }
      var place = next
      while place < kept.count, kept[place].lowerBound < copy.upperBound {
        if kept[place].lowerBound > start { add(start..<kept[place].lowerBound, copies, window) }
        shared += min(kept[place].upperBound, copy.upperBound) - max(kept[place].lowerBound, start)
        start = kept[place].upperBound
        place += 1
      }
      if start < copy.upperBound { add(start..<copy.upperBound, copies, window) }
    }
  }

  /// What really goes, so that neither characters nor words are divided: see `TextCut`.
  /// - Parameter text: the units of the whole text.
  func cuts(in text: [UInt32]) -> [Passage] {
    var cuts: [Passage] = [], next = 0
    while next < passages.count {
      let first = next
      repeat {
        next += 1
      } while next < passages.count && passages[next].units.lowerBound == passages[next - 1].units.upperBound
      let whole = passages[first].units.lowerBound..<passages[next - 1].units.upperBound
      for part in TextCut.parts(of: whole, in: text) {
        cuts += passages[first..<next].compactMap { $0.clamped(to: part) }
      }
    }
    return cuts
  }

  /// The units that spans cover.
  private static func joined(_ spans: [PassageSpan], _ window: Int) -> [Range<Int>] {
    var joined: [Range<Int>] = []
    for span in spans {
      let (start, end) = (Int(span.first), Int(span.first) + Int(span.count) + window - 1)
      if let last = joined.last, start <= last.upperBound {
        joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, end)
      } else {
        joined.append(start..<end)
      }
    }
    return joined
  }

  /// Adds a passage, in parts where copies of it are kept in different places.
  private mutating func add(_ units: Range<Int>, _ copies: [PassageSpan], _ window: Int) {
    /// The last span that begins at or before the passage; one of its windows reaches into it.
    var number = Self.last(copies, startingBy: units.lowerBound)
    var start = units.lowerBound
    while start < units.upperBound {
      let span = copies[number]
      let first = min(start, Int(span.first) + Int(span.count) - 1)
      let isLast = number + 1 == copies.count || Int(copies[number + 1].first) >= units.upperBound
      let end = isLast ? units.upperBound : Int(copies[number + 1].first)
      if end > start {
        passages.append(
          Passage(
            units: start..<end, keptDocument: span.keptDocument,
            keptFirst: span.keptFirst + UInt32(first) - span.first, keptLast: span.keptFirst + span.count - 1))
      }
      start = end
      number += 1
    }
  }

  private static func last(_ spans: [PassageSpan], startingBy unit: Int) -> Int {
    var (low, high) = (0, spans.count)
    while low < high {
      let middle = (low + high) / 2
      if Int(spans[middle].first) <= unit { low = middle + 1 } else { high = middle }
    }
    return low - 1
  }
}

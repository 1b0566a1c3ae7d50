/// What goes from one document: the units of copied windows that belong to no kept one.
struct PassageRemoval {
  /// One passage that goes.
  struct Passage: Equatable {
    var units: Range<Int>
    /// Where the copy of its first window is kept, as far as its span says.
    var keptDocument: UInt32
    var keptFirst: UInt32
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
            keptFirst: span.keptFirst + UInt32(first) - span.first))
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

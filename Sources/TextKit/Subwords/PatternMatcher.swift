import Glibc

/// Finds the matches of a pattern in a text by backtracking, with its stack kept between searches; for one thread.
final class PatternMatcher {
  private struct Entry {
    var place: Int
    /// Where the text continues.
    var at: Int
    /// For a run of characters: the start of the last one that may still be given back, and its place; otherwise -1.
    var least: Int
  }

  let pattern: Pattern
  @exclusivity(unchecked) private var stack: [Entry] = []
  @exclusivity(unchecked) private var steps = 0

  init(_ pattern: Pattern) { self.pattern = pattern }

  /// Calls `body` with each match, in order. An empty match directly after another one is none.
  /// - Throws: `TokenizerError` if the pattern takes too long for this text; what `body` throws.
  func forEachMatch(
    in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    steps = 1 << 20 + 400 * text.count
    var at = 0
    var last = -1
    while at <= text.count, let match = try first(in: text, from: at) {
      if match.isEmpty, match.lowerBound == last {
        at = match.upperBound < text.count ? match.upperBound + width(text, match.upperBound) : text.count + 1
        continue
      }
      at = match.upperBound
      last = at
      try body(match)
    }
  }

  private func first(in text: UnsafeBufferPointer<UInt8>, from start: Int) throws(TokenizerError) -> Range<Int>? {
    var at = start
    while at <= text.count {
      if pattern.startsLines, at > 0, text[at - 1] != 0x0A {
        guard at < text.count, let found = memchr(text.baseAddress! + at, 0x0A, text.count - at) else { return nil }
        at = UnsafeRawPointer(found) - UnsafeRawPointer(text.baseAddress!) + 1
      }
      if let starts = pattern.starts {
        while at < text.count, !starts[Int(text[at])] { at += width(text, at) }
        if at >= text.count { return nil }
      }
      let end = try run(text, 0, at)
      if end >= 0 { return at..<end }
      at += at < text.count ? width(text, at) : 1
    }
    return nil
  }

  @inline(__always)
  private func width(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
    text[at] < 0x80 ? 1 : UTF8Scanning.scalar(at: at, in: text.baseAddress!, end: text.count).count
  }

  private func back(_ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Int {
    var at = at - 1
    while at > 0, text[at] & 0xC0 == 0x80 { at -= 1 }
    return at
  }

  /// Where the match of the program from `place` on ends, or -1.
  private func run(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ from: Int) throws(TokenizerError) -> Int {
    let floor = stack.count
    defer { stack.removeLast(stack.count - floor) }
    var place = start, at = from
    while true {
      steps -= 1
      if steps < 0 {
        throw TokenizerError("a pattern of the tokenizer takes too long for a text of \(text.count) bytes")
      }
      var succeeds = true
      switch pattern.operations[place] {
      case .match: return at
      case .set(let set):
        succeeds = at < text.count
        if succeeds {
          let (scalar, count) = UTF8Scanning.scalar(at: at, in: text.baseAddress!, end: text.count)
          succeeds = pattern.sets.contains(Int(set), scalar)
          at += count
        }
        place += 1
      case .run(let set, let minimum, let maximum, let isPossessive):
        succeeds = takeRun(text, Int(set), Int(minimum), Int(maximum), isPossessive, place, &at)
        place += 1
      case .split(let first, let second):
        stack.append(Entry(place: Int(second), at: at, least: -1))
        place = Int(first)
      case .jump(let target): place = Int(target)
      case .assertion(let assertion):
        succeeds = holds(assertion, text, at)
        place += 1
      case .look(let end, let back, let isNegative):
        succeeds = try looks(text, place, at, Int(back)) != isNegative
        place = Int(end)
      case .atomic(let end):
        let inner = try run(text, place + 1, at)
        succeeds = inner >= 0
        at = inner
        place = Int(end)
      }
      if !succeeds {
        guard stack.count > floor else { return -1 }
        resume(text, &place, &at)
      }
    }
  }

  /// Takes back the last choice.
  @inline(__always)
  private func resume(_ text: UnsafeBufferPointer<UInt8>, _ place: inout Int, _ at: inout Int) {
    let top = stack.count - 1
    let entry = stack[top]
    place = entry.place
    at = entry.at
    if entry.least < 0 || entry.least >= entry.at {
      stack.removeLast()
    } else {
      stack[top].at = back(text, entry.at)
    }
  }

  @inline(__always)
  private func takeRun(
    _ text: UnsafeBufferPointer<UInt8>, _ set: Int, _ minimum: Int, _ maximum: Int, _ isPossessive: Bool,
    _ place: Int, _ at: inout Int
  ) -> Bool {
    let sets = pattern.sets
    var taken = 0, i = at, least = at
    while taken < maximum, i < text.count {
      let (scalar, count) = UTF8Scanning.scalar(at: i, in: text.baseAddress!, end: text.count)
      guard sets.contains(set, scalar) else { break }
      i &+= count
      taken &+= 1
      if taken == minimum { least = i }
    }
    guard taken >= minimum else { return false }
    steps &-= taken >> 4
    at = i
    if !isPossessive, i > least { stack.append(Entry(place: place + 1, at: back(text, i), least: least)) }
    return true
  }

  private func looks(
    _ text: UnsafeBufferPointer<UInt8>, _ place: Int, _ at: Int, _ characters: Int
  ) throws(TokenizerError) -> Bool {
    var start = at
    for _ in 0..<characters {
      guard start > 0 else { return false }
      start = back(text, start)
    }
    return try run(text, place + 1, start) >= 0
  }

  private func holds(_ assertion: PatternNode.Assertion, _ text: UnsafeBufferPointer<UInt8>, _ at: Int) -> Bool {
    switch assertion {
    case .textStart: at == 0
    case .textEnd: at == text.count
    case .lineStart: at == 0 || (text[at - 1] == 0x0A && at < text.count)
    case .lineEnd: at == text.count || text[at] == 0x0A
    }
  }
}

import Glibc

/// `{{#if:…}}`, `{{#ifeq:…}}`, `{{#switch:…}}`, `{{#iferror:…}}`: the branch that MediaWiki takes is text.
///
/// A condition is rendered behind what is written so far and taken back. One in which a template was removed, so that
/// its value is not known, takes no branch, unless what is left of it is enough (`#if`); one with a figure that is
/// missing makes a hole.
extension Wikitext {
  /// What a condition reads as.
  private enum Condition {
    /// - isWhole: whether nothing was removed from it.
    case text([UInt8], isWhole: Bool)
    case hole
  }

  /// A function with branches, whose arguments are `page[start..<end]`.
  mutating func branch(_ kind: WikiBranch, _ start: Int, _ end: Int, _ depth: Int, _ flow: Flow) {
    let base = arguments.count
    splitArguments(start, end)
    let call = WikiTemplateCall(
      name: start, nameEnd: start, base: base, count: arguments.count, depth: depth, flow: flow)
    let before = out.count
    switch kind {
    case .filled: writeFilled(call)
    case .equal: writeEqual(call)
    case .choice: writeChoice(call)
    case .valid: if !writeWhole(2, call) { writeWhole(0, call) }
    }
    if out.count == before { dropped() }
    arguments.removeLast(arguments.count - base)
  }

  /// Writes an argument with what looks like its name; false where it is not there.
  @discardableResult
  private mutating func writeWhole(_ number: Int, _ call: WikiTemplateCall) -> Bool {
    guard call.base + number < call.count else { return false }
    write(whole(arguments[call.base + number]), call)
    return true
  }

  /// These functions have no names but `#switch`: `{{#if:x|a=b}}` is `a=b`.
  private func whole(_ argument: WikiTemplateArgument) -> WikiTemplateArgument {
    let start = hasSign(argument) ? argument.nameStart : argument.start
    return WikiTemplateArgument(nameStart: start, nameEnd: start, start: start, end: argument.end)
  }

  private func hasSign(_ argument: WikiTemplateArgument) -> Bool { argument.start > argument.nameStart }

  private mutating func writeFilled(_ call: WikiTemplateCall) {
    switch condition(whole(arguments[call.base]), call.depth) {
    case .text(let text, let isWhole): if isWhole || !text.isEmpty { writeWhole(text.isEmpty ? 2 : 1, call) }
    case .hole: unresolved()
    }
  }

  private mutating func writeEqual(_ call: WikiTemplateCall) {
    guard call.base + 1 < call.count, let first = known(whole(arguments[call.base]), call),
      let second = known(whole(arguments[call.base + 1]), call)
    else { return }
    writeWhole(Self.areEqual(first, second) ? 2 : 3, call)
  }

  /// The value of the first case that is equal, whose own may be that of a case behind it; else the default.
  private mutating func writeChoice(_ call: WikiTemplateCall) {
    guard let value = known(whole(arguments[call.base]), call) else { return }
    var isFound = false
    var standard: WikiTemplateArgument?
    for index in (call.base + 1)..<max(call.base + 1, call.count) {
      let argument = arguments[index]
      let isLabel = !hasSign(argument)
      if isLabel, index == call.count - 1 { return write(argument, call) }
      let label =
        isLabel
        ? argument
        : WikiTemplateArgument(
          nameStart: argument.nameStart, nameEnd: argument.nameStart, start: argument.nameStart, end: argument.nameEnd)
      if !isFound {
        guard let text = known(label, call) else { return }
        if text.elementsEqual("#default".utf8) {
          standard = isLabel ? standard : argument
        } else {
          isFound = Self.areEqual(value, text)
        }
      }
      if isFound, !isLabel { return write(argument, call) }
    }
    write(standard, call)
  }

  /// A condition's text; nil, and a hole where one is due, if it cannot be told.
  private mutating func known(_ argument: WikiTemplateArgument, _ call: WikiTemplateCall) -> [UInt8]? {
    switch condition(argument, call.depth) {
    case .text(let text, let isWhole): return isWhole ? text : nil
    case .hole:
      unresolved()
      return nil
    }
  }

  private mutating func condition(_ argument: WikiTemplateArgument, _ depth: Int) -> Condition {
    var start = skipBlanks(argument.start, argument.end)
    while isComment(start, argument.end) { start = skipBlanks(commentEnd(start, argument.end), argument.end) }
    let end = trimmedEnd(start, argument.end)
    guard start < end else { return .text([], isWhole: true) }
    let place = out.count
    let lineQuotes = quotes, isInner = isCondition
    (quotes, isCondition) = (WikitextQuotes(), true)
    out.append(0x0A)
    render(start, end, depth: depth + 1, .inline)
    let text = Array(out.bytes[(place + 1)...])
    out.truncate(to: place)
    (quotes, isCondition) = (lineQuotes, isInner)
    if text.contains(WikitextMark.hole) { return .hole }
    let last = text.lastIndex { $0 > 0x20 } ?? -1
    return .text(
      Array(text.prefix(last + 1).drop { $0 <= 0x20 }), isWhole: !text.contains(WikitextMark.removed))
  }

  /// As MediaWiki compares: two numbers by their values, all else by bytes.
  private static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    if a == b { return true }
    guard let a = number(a), let b = number(b) else { return false }
    return a == b
  }

  private static func number(_ text: [UInt8]) -> Double? {
    guard text.count < 32, text.contains(where: { $0 &- 0x30 < 10 }),
      text.allSatisfy({ $0 &- 0x30 < 10 || "+-.eE".utf8.contains($0) })
    else { return nil }
    return Double(String(decoding: text, as: UTF8.self))
  }
}

/// Numbers as MediaWiki's `formatnum` writes them.
extension Wikitext {
  /// `{{formatnum:1234567}}`; with `R` the commas go, with `NOSEP` there are none.
  mutating func formatNumber(_ start: Int, _ end: Int, _ depth: Int) {
    let base = arguments.count
    splitArguments(start, end)
    let value = arguments[base], option = arguments.count > base + 1 ? arguments[base + 1] : nil
    arguments.removeLast(arguments.count - base)
    let before = out.count
    let first = skipBlanks(start, value.end)
    render(first, trimmedEnd(first, value.end), depth: depth + 1, .inline)
    guard let option else { return groupNumber(from: before) }
    let word = skipBlanks(option.start, option.end)
    let length = trimmedEnd(word, option.end) - word
    if length == 1, page[word] == UInt8(ascii: "R") {
      ungroup(from: before)
    } else if length != 5 || memcmp(page + word, "NOSEP", 5) != 0 {
      groupNumber(from: before)
    }
  }

  /// Puts commas between the thousands of what was written from `start` on, but behind a point.
  mutating func groupNumber(from start: Int) {
    guard rules.groupsByCommas else { return }
    var places: [Int] = []
    var index = start
    while index < out.count {
      guard out.base[index] &- 0x30 < 10 else {
        index += 1
        continue
      }
      var end = index
      while end < out.count, out.base[end] &- 0x30 < 10 { end += 1 }
      if index == start || out.base[index - 1] != UInt8(ascii: ".") {
        places += stride(from: index + (end - index + 2) % 3 + 1, to: end, by: 3)
      }
      index = end
    }
    if !places.isEmpty { insert(UInt8(ascii: ","), at: places) }
  }

  private mutating func ungroup(from start: Int) {
    let digits = out.bytes[start...].filter { $0 != UInt8(ascii: ",") }
    guard digits.count < out.count - start else { return }
    truncate(to: start)
    out.append(digits)
  }
}

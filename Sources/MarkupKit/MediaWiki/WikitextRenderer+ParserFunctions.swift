import Glibc

/// `{{formatnum:1234}}`, `{{DEFAULTSORT:…}}`, `{{#if:…}}`, `{{subst:name|…}}`.
extension WikitextRenderer {
  /// - Parameters:
  ///   - name: what is before the colon.
  ///   - content: what is behind it.
  mutating func renderParserFunction(_ name: WikitextSpan, _ content: WikitextSpan, _ context: Context) {
    let before = out.count
    switch rules.functions.value(page + name.start, name.count) {
    case .value?:
      renderFirstArgument(content, context)
      if !hasText(from: before) { writeHole() }
    case .number?:
      renderNumber(content, context)
      if !hasText(from: before) { writeHole() }
    case .branch(let kind)?: renderBranch(kind, content, context)
    case .letters(let change)?:
      renderFirstArgument(content, context)
      changeCase(change, from: before)
    case .unresolved?: writeHole()
    case .prefix? where context.canNest: renderTemplate(content, context.nested)
    default: markRemoved()
    }
  }

  private mutating func renderFirstArgument(_ content: WikitextSpan, _ context: Context) {
    let base = arguments.count
    scanner.splitArguments(content, into: &arguments)
    let end = arguments[base].value.end
    arguments.removeLast(arguments.count - base)
    render(scanner.trimmed(WikitextSpan(content.start, end)), context.nestedInline)
  }

  private func hasText(from start: Int) -> Bool {
    (start..<out.count).contains { out.base[$0] > 0x20 }
  }

  // MARK: Numbers as MediaWiki's `formatnum` writes them

  /// `{{formatnum:1234567}}`; with `R` the commas go, with `NOSEP` there are none.
  private mutating func renderNumber(_ content: WikitextSpan, _ context: Context) {
    let base = arguments.count
    scanner.splitArguments(content, into: &arguments)
    let end = arguments[base].value.end
    let option = arguments.count > base + 1 ? scanner.trimmed(arguments[base + 1].value) : nil
    arguments.removeLast(arguments.count - base)
    let before = out.count
    render(scanner.trimmed(WikitextSpan(content.start, end)), context.nestedInline)
    guard let option else { return groupNumber(from: before) }
    if option.count == 1, page[option.start] == UInt8(ascii: "R") {
      ungroup(from: before)
    } else if option.count != 5 || memcmp(page + option.start, "NOSEP", 5) != 0 {
      groupNumber(from: before)
    }
  }

  /// Puts commas between the thousands of what was written from `start` on, but not behind a point.
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

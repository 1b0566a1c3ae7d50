/// `{{#if:…}}`, `{{#ifeq:…}}`, `{{#switch:…}}`, `{{#iferror:…}}`: the branch that MediaWiki takes is text.
///
/// A condition is rendered behind what is written so far and taken back. If a template was removed from it, so that its
/// value is not known, no branch is taken, unless what is left of it is enough (`#if`). If a figure is missing in it, it
/// makes a hole.
extension WikitextRenderer {
  /// What a condition reads as.
  private enum Condition {
    /// - isWhole: whether nothing was removed from it.
    case text([UInt8], isWhole: Bool)
    case hole
  }

  mutating func renderBranch(_ kind: WikiBranch, _ content: WikitextSpan, _ context: Context) {
    let base = arguments.count
    scanner.splitArguments(content, into: &arguments)
    let name = WikitextSpan(content.start, content.start)
    let call = WikiTemplateCall(name: name, arguments: base..<arguments.count, context: context)
    let before = out.count
    switch kind {
    case .filled: writeFilled(call)
    case .equal: writeEqual(call)
    case .choice: writeChoice(call)
    case .valid: if !writeWhole(2, call) { writeWhole(0, call) }
    }
    if out.count == before { markRemoved() }
    arguments.removeLast(arguments.count - base)
  }

  /// Writes an argument with what looks like its name; false where it is not there.
  @discardableResult
  private mutating func writeWhole(_ number: Int, _ call: WikiTemplateCall) -> Bool {
    guard number < call.arguments.count else { return false }
    write(whole(number, call), call)
    return true
  }

  /// These functions have no names but `#switch`: `{{#if:x|a=b}}` is `a=b`.
  private func whole(_ number: Int, _ call: WikiTemplateCall) -> WikiTemplateArgument {
    let argument = arguments[call.arguments.lowerBound + number]
    let start = argument.hasSign ? argument.name.start : argument.value.start
    return WikiTemplateArgument(WikitextSpan(start, argument.value.end))
  }

  private mutating func writeFilled(_ call: WikiTemplateCall) {
    switch condition(whole(0, call), call) {
    case .text(let text, let isWhole): if isWhole || !text.isEmpty { writeWhole(text.isEmpty ? 2 : 1, call) }
    case .hole: writeHole()
    }
  }

  private mutating func writeEqual(_ call: WikiTemplateCall) {
    guard call.arguments.count > 1, let first = known(whole(0, call), call), let second = known(whole(1, call), call)
    else { return }
    writeWhole(Self.areEqual(first, second) ? 2 : 3, call)
  }

  /// The value of the first case that is equal, whose own may be that of a case behind it; else the default.
  private mutating func writeChoice(_ call: WikiTemplateCall) {
    guard let value = known(whole(0, call), call) else { return }
    var isFound = false
    var standard: WikiTemplateArgument?
    for index in call.arguments.dropFirst() {
      let argument = arguments[index]
      let isLabel = !argument.hasSign
      if isLabel, index == call.arguments.upperBound - 1 { return write(argument, call) }
      if !isFound {
        guard let text = known(isLabel ? argument : WikiTemplateArgument(argument.name), call) else { return }
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

  /// A condition's text; nil, and a hole where one is due, if it cannot be known.
  private mutating func known(_ argument: WikiTemplateArgument, _ call: WikiTemplateCall) -> [UInt8]? {
    switch condition(argument, call) {
    case .text(let text, let isWhole): return isWhole ? text : nil
    case .hole:
      writeHole()
      return nil
    }
  }

  private mutating func condition(_ argument: WikiTemplateArgument, _ call: WikiTemplateCall) -> Condition {
    let start = scanner.skipBlanksAndComments(argument.value.start, argument.value.end)
    let span = WikitextSpan(start, scanner.trimmedEnd(start, argument.value.end))
    guard !span.isEmpty else { return .text([], isWhole: true) }
    let place = out.count
    let lineQuotes = quotes, isInner = isCondition
    (quotes, isCondition) = (WikitextQuotes(), true)
    out.append(0x0A)
    render(span, call.context.nestedInline)
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

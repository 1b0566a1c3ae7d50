/// How templates that are not removed become text.
extension WikitextRenderer {
  mutating func apply(_ rule: WikiTemplateRule, _ call: WikiTemplateCall) {
    let before = out.count
    switch rule {
    case .argument(let number): write(positional(number, call), call)
    case .argumentOrPrevious(let number): write(positional(number, call) ?? positional(number - 1, call), call)
    case .lastArgument: write(positionals(call).last, call)
    case .placeholderLink: write(named("label", call) ?? named("lt", call) ?? positional(1, call), call)
    case .reading: writeReading(call)
    case .quotation: writeQuotation(call)
    case .items: writeItems(call)
    case .blocks: writeBlocks(call)
    case .joined(let separator): writeJoined(separator, call)
    case .words: writeWords(call)
    case .wrapped(let opener, let closer): writeWrapped(opener, closer, call)
    case .prefixed(let text): writePrefixed(text, call)
    case .suffixed(let text): writeSuffixed(text, call)
    case .quantity: writeQuantity(call)
    case .value: writeValue(call)
    case .fraction: writeFraction(call)
    case .powerOfTen: writePowerOfTen(positional(1, call), call)
    case .figure(let figure): writeFigure(figure, call)
    case .script(let kind): writeScript(kind, call)
    case .text(let text): out.append(Array(text.utf8))
    case .namedLanguage(let name): writeLabeled(Array(name.utf8), positional(1, call), call)
    case .languageWithName: writeLanguageWithName(call)
    case .country: writeCountry(call)
    case .date(let from): writeDate(from, call)
    case .age(let suffix): writeAge(suffix, call)
    case .snapshot: writeAsOf(call)
    case .circa(let text): writeCirca(text, call)
    case .nihongo(let leader): writeNihongo(leader, call)
    case .harvard: writeHarvard(call)
    case .pageName: writePageName()
    case .unresolved: writeHole()
    case .computed: if positional(1, call) != nil { writeHole() }
    case .lineBreak: out.append(call.context.lineBreak)
    }
    if out.count == before { markRemoved() }
  }

  private mutating func writeReading(_ call: WikiTemplateCall) {
    write(positional(1, call), call)
    guard rules.options.keepReadings, let reading = positional(2, call) else { return }
    out.append("（")
    write(reading, call)
    out.append("）")
  }

  private mutating func writeQuotation(_ call: WikiTemplateCall) {
    let text = positional(1, call) ?? named("text", call) ?? named("quote", call) ?? named("content", call)
    guard let text else { return }
    out.append(call.context.lineBreak)
    write(text, call)
    out.append(call.context.lineBreak)
  }

  private mutating func writeItems(_ call: WikiTemplateCall) {
    for argument in positionals(call) {
      if call.context.flow == .block {
        out.append(0x0A)
        out.append(WikitextMark.item)
      } else {
        out.append(0x20)
      }
      write(argument, call)
    }
    if call.context.flow == .block { out.append(0x0A) }
  }

  private mutating func writeBlocks(_ call: WikiTemplateCall) {
    for argument in positionals(call) {
      out.append(call.context.lineBreak)
      write(argument, call)
    }
    out.append(call.context.lineBreak)
  }

  private mutating func writeWords(_ call: WikiTemplateCall) {
    for argument in positionals(call) {
      let before = out.last
      let place = out.count
      write(argument, call)
      if place > 0, place < out.count, isLatin(before), isLatin(out.base[place]),
        argument.value.start > call.name.end + 1
      {
        insert(0x20, at: place)
      }
    }
  }

  private func isLatin(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 }

  private mutating func writeWrapped(_ opener: StaticString, _ closer: StaticString, _ call: WikiTemplateCall) {
    guard let argument = positional(1, call) else { return }
    out.append(opener)
    write(argument, call)
    out.append(closer)
  }

  private mutating func writePrefixed(_ text: String, _ call: WikiTemplateCall) {
    guard let argument = positional(1, call) else { return }
    out.append(Array(text.utf8))
    write(argument, call)
  }

  private mutating func writeSuffixed(_ text: String, _ call: WikiTemplateCall) {
    write(positional(1, call), call)
    out.append(Array(text.utf8))
  }

  /// The page's title; not more often than a page may grow by it.
  private mutating func writePageName() {
    if out.count <= 4 * scanner.count + (1 << 16) { out.append(title) }
  }

  private mutating func writeJoined(_ separator: StaticString, _ call: WikiTemplateCall) {
    for (index, argument) in positionals(call).enumerated() {
      if index > 0 { out.append(separator) }
      write(argument, call)
    }
  }

  private mutating func writeLabeled(_ label: [UInt8], _ argument: WikiTemplateArgument?, _ call: WikiTemplateCall) {
    guard let argument else { return }
    if !label.isEmpty {
      out.append(label)
      out.append(": ")
    }
    write(argument, call)
  }

  private mutating func writeLanguageWithName(_ call: WikiTemplateCall) {
    guard let text = positional(3, call) else { return write(positional(2, call), call) }
    write(positional(2, call), call)
    out.append(": ")
    write(text, call)
  }

  private mutating func writeCountry(_ call: WikiTemplateCall) {
    guard let argument = positional(1, call) else { return }
    let text = scanner.trimmed(argument.value)
    if let name = rules.country(page + text.start, text.count) {
      out.append(Array(name.utf8))
    } else {
      write(argument, call)
    }
  }

  private mutating func writeDate(_ first: Int, _ call: WikiTemplateCall) {
    let units: [StaticString] = ["年", "月", "日"]
    for (offset, unit) in units.enumerated() {
      guard let argument = positional(first + offset, call), scanner.firstByte(argument.value) &- 0x30 < 10
      else { return }
      write(argument, call)
      out.append(unit)
    }
  }
}

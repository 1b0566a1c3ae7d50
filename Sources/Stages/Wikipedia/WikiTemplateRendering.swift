/// How a template that is not removed becomes text.
enum WikiTemplateRule: Sendable {
  /// The positional argument of this number, from 1.
  case argument(Int)
  /// The positional argument of this number, else the one before it: `{{lang|en|T}}`, `{{lang|T}}`.
  case argumentOrPrevious(Int)
  case lastArgument
  /// A link to a page that does not exist yet: its label, else argument 1.
  case placeholderLink
  /// Argument 1 with argument 2 as its reading.
  case reading
  /// A block of its own: argument 1, or `text`, `quote`, `content`.
  case quotation
  /// Each argument an item of a list.
  case items
  /// Arguments on one line, with a separator.
  case joined(StaticString)
  /// A quantity and its unit, of `{{convert|10|km|mi}}`; also a range, `{{convert|3|to|5|km}}`.
  case quantity
  /// Text that stands for the template.
  case text(String)
  /// `{{lang-en|T}}`: the language's name, a colon, argument 1.
  case namedLanguage(String)
  /// `{{LangWithName|en|英語|T}}`.
  case languageWithName
  /// A country's flag and name, from a code or a name.
  case country
  /// Arguments from this one on as year, month and day.
  case date(from: Int)
  case pageName
  case lineBreak
}

/// A template met in a page: its name's bounds and its arguments, as a range of the renderer's argument stack.
struct WikiTemplateCall {
  var name: Int
  var nameEnd: Int
  var base: Int
  var count: Int
  var depth: Int
  var flow: Wikitext.Flow
}

extension Wikitext {
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
    case .joined(let separator): writeJoined(separator, call)
    case .quantity: writeQuantity(call)
    case .text(let text): out.append(Array(text.utf8))
    case .namedLanguage(let name): writeLabelled(Array(name.utf8), positional(1, call), call)
    case .languageWithName: writeLanguageWithName(call)
    case .country: writeCountry(call)
    case .date(let from): writeDate(from, call)
    case .pageName: out.append(title)
    case .lineBreak: out.append(call.flow == .block ? 0x0A : 0x20)
    }
    if out.count == before { dropped() }
  }

  /// The value of positional argument `number`, whether written in place or as `number=`.
  private func positional(_ number: Int, _ call: WikiTemplateCall) -> WikiTemplateArgument? {
    var position = 0
    var found: WikiTemplateArgument?
    for index in call.base..<call.count {
      let argument = arguments[index]
      if argument.isNamed {
        if argument.nameEnd - argument.nameStart == 1, page[argument.nameStart] &- 0x30 == UInt8(number) {
          found = argument
        }
      } else {
        position += 1
        if position == number { found = argument }
      }
    }
    guard let found, skipBlanks(found.start, found.end) < found.end else { return nil }
    return found
  }

  private func positionals(_ call: WikiTemplateCall) -> [WikiTemplateArgument] {
    arguments[call.base..<call.count].filter { !$0.isNamed && skipBlanks($0.start, $0.end) < $0.end }
  }

  private func named(_ name: StaticString, _ call: WikiTemplateCall) -> WikiTemplateArgument? {
    for index in call.base..<call.count {
      let argument = arguments[index]
      guard argument.isNamed, argument.nameEnd - argument.nameStart == name.utf8CodeUnitCount,
        skipBlanks(argument.start, argument.end) < argument.end
      else { continue }
      var isEqual = true
      for offset in 0..<name.utf8CodeUnitCount
      where ByteNameTable<Int>.folded(page[argument.nameStart + offset]) != name.utf8Start[offset] {
        isEqual = false
      }
      if isEqual { return argument }
    }
    return nil
  }

  /// Writes an argument without the blanks around it; a leading list keeps its line.
  private mutating func write(_ argument: WikiTemplateArgument?, _ call: WikiTemplateCall) {
    guard let argument else { return }
    let start = skipBlanks(argument.start, argument.end), end = trimmedEnd(start, argument.end)
    guard start < end else { return }
    let startsList = page[start] == UInt8(ascii: "*") || page[start] == UInt8(ascii: "#")
    render(startsList && start > argument.start ? start - 1 : start, end, depth: call.depth + 1, call.flow)
  }

  private mutating func writeReading(_ call: WikiTemplateCall) {
    write(positional(1, call), call)
    guard rules.options.keepsReadings, let reading = positional(2, call) else { return }
    out.append("（")
    write(reading, call)
    out.append("）")
  }

  private mutating func writeQuotation(_ call: WikiTemplateCall) {
    let text = positional(1, call) ?? named("text", call) ?? named("quote", call) ?? named("content", call)
    guard let text else { return }
    out.append(call.flow == .block ? 0x0A : 0x20)
    write(text, call)
    out.append(call.flow == .block ? 0x0A : 0x20)
  }

  private mutating func writeItems(_ call: WikiTemplateCall) {
    for argument in positionals(call) {
      if call.flow == .block {
        out.append(0x0A)
        out.append(WikitextMark.item)
      } else {
        out.append(0x20)
      }
      write(argument, call)
    }
    if call.flow == .block { out.append(0x0A) }
  }

  private mutating func writeJoined(_ separator: StaticString, _ call: WikiTemplateCall) {
    for (index, argument) in positionals(call).enumerated() {
      if index > 0 { out.append(separator) }
      write(argument, call)
    }
  }

  private mutating func writeQuantity(_ call: WikiTemplateCall) {
    let parts = positionals(call)
    let isRange = parts.count >= 4 && page[parts[1].start] &- 0x30 >= 10 && page[parts[2].start] &- 0x30 < 10
    for (index, argument) in parts.prefix(isRange ? 4 : 2).enumerated() {
      if index > 0 { out.append(0x20) }
      write(argument, call)
    }
  }

  private mutating func writeLabelled(_ label: [UInt8], _ argument: WikiTemplateArgument?, _ call: WikiTemplateCall) {
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
    let start = skipBlanks(argument.start, argument.end), end = trimmedEnd(start, argument.end)
    if let name = rules.country(page + start, end - start) {
      out.append(Array(name.utf8))
    } else {
      write(argument, call)
    }
  }

  private mutating func writeDate(_ first: Int, _ call: WikiTemplateCall) {
    let units: [StaticString] = ["年", "月", "日"]
    for (offset, unit) in units.enumerated() {
      guard let argument = positional(first + offset, call), page[skipBlanks(argument.start, argument.end)] &- 0x30 < 10
      else { return }
      write(argument, call)
      out.append(unit)
    }
  }
}

/// Arguments of a call, by number and by name.
extension WikitextRenderer {
  /// The value of positional argument `number`, whether written in place or as `number=`; nil where it is blank.
  func positional(_ number: Int, _ call: WikiTemplateCall) -> WikiTemplateArgument? {
    var position = 0
    var found: WikiTemplateArgument?
    for index in call.arguments {
      let argument = arguments[index]
      if argument.isNamed {
        if scanner.integer(argument.name) == number { found = argument }
      } else {
        position += 1
        if position == number { found = argument }
      }
    }
    guard let found, !scanner.isBlank(found.value) else { return nil }
    return found
  }

  func positionals(_ call: WikiTemplateCall) -> [WikiTemplateArgument] {
    arguments[call.arguments].filter { !$0.isNamed && !scanner.isBlank($0.value) }
  }

  /// The last value that is not blank of a name.
  func named(_ name: StaticString, _ call: WikiTemplateCall) -> WikiTemplateArgument? {
    var found: WikiTemplateArgument?
    for index in call.arguments {
      let argument = arguments[index]
      guard argument.isNamed, argument.name.count == name.utf8CodeUnitCount, !scanner.isBlank(argument.value) else {
        continue
      }
      var isEqual = true
      for offset in 0..<name.utf8CodeUnitCount
      where ByteNameTable<Int>.folded(page[argument.name.start + offset]) != name.utf8Start[offset] {
        isEqual = false
      }
      if isEqual { found = argument }
    }
    return found
  }

  /// Whether a named argument says yes: `lc=y`, `abbr=on`.
  func isOn(_ name: StaticString, _ call: WikiTemplateCall) -> Bool {
    guard let argument = named(name, call) else { return false }
    let first = scanner.firstByte(argument.value) | 0x20
    return first == UInt8(ascii: "y") || first == UInt8(ascii: "o") || first == UInt8(ascii: "1") | 0x20
  }

  /// Whether the value of a named argument begins with a small letter or its capital.
  func begins(_ name: StaticString, with letter: UInt8, _ call: WikiTemplateCall) -> Bool {
    named(name, call).map { scanner.firstByte($0.value) | 0x20 == letter } ?? false
  }

  func integer(_ argument: WikiTemplateArgument) -> Int? { scanner.integer(argument.value) }

  /// Writes an argument without the blanks around it; a leading list keeps its line.
  mutating func write(_ argument: WikiTemplateArgument?, _ call: WikiTemplateCall) {
    guard let argument else { return }
    var text = scanner.trimmed(argument.value)
    guard !text.isEmpty else { return }
    if call.context.flow == .block, text.start > argument.value.start, startsLine(text.start) { text.start -= 1 }
    render(text, call.context.nested)
  }

  /// Whether a list or a definition starts here, behind a newline.
  private func startsLine(_ start: Int) -> Bool {
    switch page[start] {
    case UInt8(ascii: "*"), UInt8(ascii: "#"): true
    case UInt8(ascii: ";"), UInt8(ascii: ":"): page[start - 1] == 0x0A
    default: false
    }
  }
}

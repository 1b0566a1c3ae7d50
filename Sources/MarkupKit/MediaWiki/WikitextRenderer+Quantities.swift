import ShardKit

/// Numbers with their units: `{{val}}`, `{{convert}}`, fractions and powers of ten. A number is written whole or not at
/// all: without its exponent it would be another one.
extension WikitextRenderer {
  /// `{{val|1.5|0.2|e=10|ul=m/s}}` reads `(1.5±0.2)×10¹⁰ m/s`.
  mutating func writeValue(_ call: WikiTemplateCall) {
    let parts = positionals(call), exponent = named("e", call)
    write(named("p", call), call)
    if parts.isEmpty {
      if let exponent { writePower(exponent, call) }
    } else {
      let isUncertain = parts.count > 1 && separator(parts[1]) == nil
      let isGrouped = exponent != nil && parts.count > 1
      if isGrouped { out.append("(") }
      let start = out.count
      isUncertain ? writeUncertain(parts, call) : writeRange(parts[...], call)
      if begins("fmt", with: UInt8(ascii: "c"), call) { groupDigits(from: start) }
      if isGrouped { out.append(")") }
      writePowerOfTen(exponent, call)
    }
    write(named("s", call) ?? named("end", call), call)
    writeUnit(named("u", call) ?? named("ul", call), spaced: true, call)
    if let per = named("up", call) ?? named("upl", call) {
      out.append("/")
      writeUnit(per, spaced: false, call)
    }
  }

  /// `1.5±0.2`, or `1.5+0.2−0.1`.
  private mutating func writeUncertain(_ parts: [WikiTemplateArgument], _ call: WikiTemplateCall) {
    write(parts[0], call)
    for (index, part) in parts.dropFirst().prefix(2).enumerated() {
      let first = scanner.firstByte(part.value)
      let isSigned = first == UInt8(ascii: "+") || first == UInt8(ascii: "-") || first == 0xE2
      if first == UInt8(ascii: "(") {
      } else if parts.count == 2 {
        if !isSigned { out.append("±") }
      } else if !isSigned {
        out.append(index == 0 ? "+" : "−")
      }
      write(part, call)
    }
  }

  /// `{{convert|10|km|mi}}` reads `10 km`, `{{convert|3|to|5|km}}` `3 to 5 km`, `{{convert|6|ft|2|in}}` `6 ft 2 in`.
  mutating func writeQuantity(_ call: WikiTemplateCall) {
    let parts = positionals(call)
    guard !parts.isEmpty else { return }
    var count = 1
    while count + 1 < parts.count, separator(parts[count]) != nil { count += 2 }
    writeRange(parts[..<count], call)
    guard count < parts.count else { return }
    let isAdjective = begins("adj", with: UInt8(ascii: "o"), call)
    if isAdjective { out.append("-") }
    writeUnit(parts[count], spaced: !isAdjective, call)
    guard count + 2 < parts.count, isNumber(parts[count + 1]), !isNumber(parts[count + 2]) else { return }
    out.append(" ")
    write(parts[count + 1], call)
    writeUnit(parts[count + 2], spaced: true, call)
  }

  /// Numbers with what joins them: `3`, `to`, `5`.
  private mutating func writeRange(_ parts: ArraySlice<WikiTemplateArgument>, _ call: WikiTemplateCall) {
    for (index, part) in parts.enumerated() {
      if index % 2 == 1, let separator = separator(part) { out.append(separator) } else { write(part, call) }
    }
  }

  /// What joins the numbers of a range; nil where the argument is none.
  private func separator(_ argument: WikiTemplateArgument) -> StaticString? {
    let text = scanner.trimmed(argument.value)
    return rules.quantities.separators.value(page + text.start, text.count)
  }

  private func isNumber(_ argument: WikiTemplateArgument) -> Bool {
    !scanner.isBlank(argument.value) && scanner.firstByte(argument.value) &- 0x30 < 10
  }

  /// A unit as it is written: `km2` as km², `sqmi` as sq mi; `%` and `°` follow their number without a space.
  private mutating func writeUnit(_ argument: WikiTemplateArgument?, spaced: Bool, _ call: WikiTemplateCall) {
    guard let argument else { return }
    let first = scanner.firstByte(argument.value)
    let place = out.count
    write(argument, call)
    let length = out.count - place
    guard length > 0 else { return }
    if let symbol = rules.quantities.units.value(out.base + place, length) {
      truncate(to: place)
      out.append(Array(symbol.utf8))
    } else if length > 1, out.last == UInt8(ascii: "2") || out.last == UInt8(ascii: "3"),
      (out.base[out.count - 2] | 0x20) &- 0x61 < 26
    {
      let power = out.last
      truncate(to: out.count - 1)
      out.append(power == UInt8(ascii: "2") ? "²" : "³")
    }
    let isClose = first == UInt8(ascii: "%") || first == UInt8(ascii: "/") || out.base[place] == 0xC2 && length == 2
    if spaced, !isClose { insert(0x20, at: place) }
  }

  /// `×10` and the exponent.
  mutating func writePowerOfTen(_ exponent: WikiTemplateArgument?, _ call: WikiTemplateCall) {
    guard let exponent else { return }
    out.append("×")
    writePower(exponent, call)
  }

  mutating func writeFigure(_ figure: WikiFigure, _ call: WikiTemplateCall) {
    guard let value = positional(1, call) else { return }
    let start = out.count
    switch figure {
    case .power: writePower(value, call)
    case .number:
      write(value, call)
      groupNumber(from: start)
    case .root: writeRoot(value, call)
    case .nuclide: writeNuclide(value, call)
    }
  }

  /// `√2`, `√(x + 1)`, `∛2`; any other root is a hole.
  private mutating func writeRoot(_ value: WikiTemplateArgument, _ call: WikiTemplateCall) {
    switch positional(2, call).map({ integer($0) }) {
    case nil, 2?: out.append("√")
    case 3?: out.append("∛")
    default: return writeHole()
    }
    let place = out.count
    write(value, call)
    let isOne = out.bytes[place...].allSatisfy {
      $0 &- 0x30 < 10 || ($0 | 0x20) &- 0x61 < 26 || $0 == 0x2E || $0 >= 0x80
    }
    guard !isOne else { return }
    insert(UInt8(ascii: "("), at: place)
    out.append(")")
  }

  /// `²³⁵U`; the symbol of an element written in full is not known here.
  private mutating func writeNuclide(_ symbol: WikiTemplateArgument, _ call: WikiTemplateCall) {
    guard let mass = positional(2, call) else { return writeHole() }
    let text = scanner.trimmed(symbol.value)
    guard text.count <= 2, integer(mass) != nil else { return writeHole() }
    writeScript(.superscript, mass, call)
    write(symbol, call)
  }

  private mutating func writePower(_ exponent: WikiTemplateArgument, _ call: WikiTemplateCall) {
    out.append("10")
    writeScript(.superscript, exponent, call)
  }

  /// `{{frac|2}}` is 1/2, `{{frac|1|2}}` too, `{{frac|3|1|2}}` 3 1/2. A number before it is kept apart.
  mutating func writeFraction(_ call: WikiTemplateCall) {
    let parts = positionals(call)
    guard !parts.isEmpty else { return }
    if out.count > 0, out.last &- 0x30 < 10 { out.append(" ") }
    switch parts.count {
    case 1:
      out.append("1/")
      write(parts[0], call)
    case 2:
      write(parts[0], call)
      out.append("/")
      write(parts[1], call)
    default:
      write(parts[0], call)
      out.append(" ")
      write(parts[1], call)
      out.append("/")
      write(parts[2], call)
    }
  }

  /// Commas between the thousands of a number just written.
  private mutating func groupDigits(from start: Int) {
    var end = start
    while end < out.count, out.base[end] &- 0x30 < 10 { end += 1 }
    let places = stride(from: end - 3, to: start, by: -3)
    insert(UInt8(ascii: ","), at: places.reversed())
  }
}

/// Templates that stand for a phrase: dates, ages, names in two scripts, citations in the text.
extension WikitextRenderer {
  /// `As of 2014`, `since May 2014`, `As of 31 December 2009`; `alt` is written in its place.
  mutating func writeAsOf(_ call: WikiTemplateCall) {
    if let text = named("alt", call) { return write(text, call) }
    guard let year = positional(1, call) else { return }
    let isSmall = isOn("lc", call), isSince = isOn("since", call)
    out.append(isSince ? (isSmall ? "since " : "Since ") : (isSmall ? "as of " : "As of "))
    write(named("pre", call), call)
    let isAmerican = begins("df", with: UInt8(ascii: "u"), call)
    let month = positional(2, call), day = positional(3, call)
    if let day, !isAmerican {
      write(day, call)
      out.append(" ")
    }
    if let month {
      writeMonth(month, call)
      out.append(" ")
    }
    if let day, isAmerican {
      write(day, call)
      out.append(", ")
    }
    write(year, call)
    write(named("post", call), call)
  }

  private mutating func writeMonth(_ month: WikiTemplateArgument, _ call: WikiTemplateCall) {
    guard let number = integer(month), 1...12 ~= number else { return write(month, call) }
    out.append(Self.months[number - 1])
  }

  private static let months: [StaticString] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]

  /// `c. 1920 – c. 1930`.
  mutating func writeCirca(_ text: StaticString, _ call: WikiTemplateCall) {
    let years = positionals(call)
    if years.isEmpty { out.append(text) }
    for (index, year) in years.prefix(2).enumerated() {
      if index > 0 { out.append(" – ") }
      out.append(text)
      out.append(" ")
      write(year, call)
    }
  }

  /// `English (漢字, rōmaji, more)`; `leader` is the argument before the parentheses.
  mutating func writeNihongo(_ leader: Int, _ call: WikiTemplateCall) {
    var rest = [1, 2, 3, 4].filter { $0 != leader }.compactMap { positional($0, call) }
    if let lead = positional(leader, call) {
      write(lead, call)
    } else if !rest.isEmpty {
      write(rest.removeFirst(), call)
    }
    for (index, argument) in rest.enumerated() {
      out.append(index == 0 ? " (" : ", ")
      write(argument, call)
    }
    if !rest.isEmpty { out.append(")") }
    write(positional(5, call), call)
  }

  /// `Smith and Jones (2000)`.
  mutating func writeHarvard(_ call: WikiTemplateCall) {
    let parts = positionals(call)
    let hasYear = parts.last.map { scanner.firstByte($0.value) &- 0x30 < 10 } ?? false
    let names = hasYear ? parts.dropLast() : parts[...]
    for (index, name) in names.enumerated() {
      if index > 0 { out.append(index == names.count - 1 ? " & " : ", ") }
      write(name, call)
    }
    guard hasYear, let year = parts.last else { return }
    out.append(names.isEmpty ? "(" : " (")
    write(year, call)
    out.append(")")
  }

  /// The whole years between two dates.
  mutating func writeAge(_ suffix: String, _ call: WikiTemplateCall) {
    let numbers = positionals(call).prefix(6).map { integer($0) }
    guard numbers.count == 6, let from = numbers[0], let month = numbers[1], let day = numbers[2], let to = numbers[3],
      let lastMonth = numbers[4], let lastDay = numbers[5], to >= from
    else { return writeHole() }
    let years = to - from - ((lastMonth, lastDay) < (month, day) ? 1 : 0)
    guard years >= 0 else { return writeHole() }
    out.append(Array("\(years)\(suffix)".utf8))
  }
}

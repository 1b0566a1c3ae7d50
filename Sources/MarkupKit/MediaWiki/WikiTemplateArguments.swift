import ShardKit

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
  /// Each argument lines of its own.
  case blocks
  /// Arguments on one line, with a separator.
  case joined(StaticString)
  /// Arguments on one line; a space stands between Latin words alone: `{{linktext|言|葉}}`.
  case words
  /// Argument 1 between marks: `{{angbr|x}}`.
  case wrapped(StaticString, StaticString)
  /// Text, then argument 1, if there is one: `{{US$|5}}`, `{{HMS|Ajax}}`.
  case prefixed(String)
  /// Argument 1, if there is one, then text: `{{BCE|384}}`, `{{sic|text}}`.
  case suffixed(String)
  /// A quantity and its unit, of `{{convert|10|km|mi}}`; also a range, `{{convert|3|to|5|km}}`.
  case quantity
  /// `{{val|1.5|0.2|e=10|u=m}}`: a number with its uncertainty, power of ten and unit.
  case value
  /// `{{frac|1|1|2}}`.
  case fraction
  /// A power of ten: `{{e|24}}`.
  case powerOfTen
  case figure(WikiFigure)
  /// Raised or lowered text.
  case script(WikiTagKind)
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
  /// The age between two dates of three arguments each, and what follows it.
  case age(String)
  /// `{{as of|2014|5}}`.
  case snapshot
  /// `{{circa|1920|1930}}`: each argument behind the text.
  case circa(StaticString)
  /// `{{nihongo|English|kanji|rōmaji}}`; the argument that leads.
  case nihongo(Int)
  /// `{{harvtxt|Smith|2000|p=5}}`: the authors, and the year in parentheses.
  case harvard
  case pageName
  case lineBreak
  /// A figure that is kept elsewhere: it cannot be told, and its sentence makes no sense without it.
  case unresolved
  /// One that is computed from an argument; without one it is no figure: `{{和暦|2000}}`.
  case computed
}

/// A template that is one figure.
enum WikiFigure: Sendable {
  /// 10 and its exponent: `{{10^|3}}`.
  case power
  /// A number with commas between its thousands: `{{nts|1234}}`.
  case number
  /// `{{sqrt|2}}`.
  case root
  /// A nuclide by its symbol: `{{nuclide|U|235}}`.
  case nuclide
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

/// Arguments of a call, by number and by name.
extension Wikitext {
  /// The value of positional argument `number`, whether written in place or as `number=`; nil where it is blank.
  func positional(_ number: Int, _ call: WikiTemplateCall) -> WikiTemplateArgument? {
    var position = 0
    var found: WikiTemplateArgument?
    for index in call.base..<call.count {
      let argument = arguments[index]
      if argument.isNamed {
        if integer(argument.nameStart, argument.nameEnd) == number { found = argument }
      } else {
        position += 1
        if position == number { found = argument }
      }
    }
    guard let found, skipBlanks(found.start, found.end) < found.end else { return nil }
    return found
  }

  func positionals(_ call: WikiTemplateCall) -> [WikiTemplateArgument] {
    arguments[call.base..<call.count].filter { !$0.isNamed && skipBlanks($0.start, $0.end) < $0.end }
  }

  /// The last value that is not blank of a name.
  func named(_ name: StaticString, _ call: WikiTemplateCall) -> WikiTemplateArgument? {
    var found: WikiTemplateArgument?
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
      if isEqual { found = argument }
    }
    return found
  }

  /// Whether a named argument says yes: `lc=y`, `abbr=on`.
  func isOn(_ name: StaticString, _ call: WikiTemplateCall) -> Bool {
    guard let argument = named(name, call) else { return false }
    let first = page[skipBlanks(argument.start, argument.end)] | 0x20
    return first == UInt8(ascii: "y") || first == UInt8(ascii: "o") || first == UInt8(ascii: "1") | 0x20
  }

  /// A number of at most six digits; nil for anything else.
  func integer(_ start: Int, _ end: Int) -> Int? {
    let first = skipBlanks(start, end), last = trimmedEnd(first, end)
    guard first < last, last - first <= 6 else { return nil }
    var value = 0
    for index in first..<last {
      guard page[index] &- 0x30 < 10 else { return nil }
      value = value * 10 + Int(page[index] &- 0x30)
    }
    return value
  }

  func integer(_ argument: WikiTemplateArgument?) -> Int? { argument.flatMap { integer($0.start, $0.end) } }

  /// Writes an argument without the blanks around it; a leading list keeps its line.
  mutating func write(_ argument: WikiTemplateArgument?, _ call: WikiTemplateCall) {
    guard let argument else { return }
    let start = skipBlanks(argument.start, argument.end), end = trimmedEnd(start, argument.end)
    guard start < end else { return }
    let isLine = call.flow == .block && start > argument.start && startsLine(start)
    render(isLine ? start - 1 : start, end, depth: call.depth + 1, call.flow)
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

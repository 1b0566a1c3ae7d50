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

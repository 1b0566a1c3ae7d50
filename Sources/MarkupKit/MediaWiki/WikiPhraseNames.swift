/// Templates that stand for a phrase, above all of English Wikipedia.
enum WikiPhraseNames {
  static func insert(_ table: inout ByteNameTable<WikiTemplateRule>, isJapanese: Bool) {
    table.insert(words: "as_of asof", .snapshot)
    table.insert(words: "circa c. ca.", .circa("c."))
    table.insert(words: "floruit fl.", .circa("fl."))
    table.insert("nihongo", .nihongo(1))
    table.insert("nihongo3", .nihongo(3))
    table.insert("nihongo foot", .argument(1))
    table.insert(words: "harvtxt harvcoltxt", .harvard)
    table.insert(words: "angbr angle_bracket angbr_ipa", .wrapped("⟨", "⟩"))
    table.insert(words: "ipablink", .wrapped("[", "]"))
    table.insert(words: "ipaslink", .wrapped("/", "/"))
    table.insert("respell", .joined("-"))
    table.insert("bce", .suffixed(" BCE"))
    table.insert("bc", .suffixed(" BC"))
    table.insert("sic", .suffixed(isJapanese ? "[sic]" : " [sic]"))
    table.insert("ママ", .suffixed("（ママ）"))
    table.insert("age", .age(""))
    for ship in ["HMS", "USS", "RMS", "SS", "MV", "HMAS", "HMCS", "HMNZS", "USAT", "USNS"] {
      table.insert(ship, .prefixed(ship + " "))
    }
    for (name, sign) in currencies { table.insert(name, .prefixed(sign)) }
  }

  private static let currencies = [
    ("US$", "US$"), ("USD", "US$"), ("$", "$"), ("CAD", "C$"), ("C$", "C$"), ("AUD", "A$"), ("A$", "A$"), ("AU$", "A$"),
    ("NZD", "NZ$"), ("NZ$", "NZ$"), ("HKD", "HK$"), ("HK$", "HK$"), ("JPY", "¥"), ("JP¥", "¥"), ("¥", "¥"),
    ("CNY", "¥"),
    ("RMB", "¥"), ("KRW", "₩"), ("₩", "₩"), ("INR", "₹"), ("Indian Rupee", "₹"), ("EUR", "€"), ("€", "€"), ("GBP", "£"),
    ("£", "£"), ("PHP", "₱"), ("TWD", "NT$"), ("NT$", "NT$"), ("SGD", "S$"), ("S$", "S$"), ("CHF", "CHF "),
  ]
}

/// What the arguments of quantities stand for.
struct WikiQuantityWords: Sendable {
  let separators: ByteNameTable<StaticString>
  let units: ByteNameTable<String>

  init() {
    var separators = ByteNameTable<StaticString>()
    for word in ["-", "–", "−", "~", "〜"] { separators.insert(word, "–") }
    for word in ["x", "×", "*", "by"] { separators.insert(word, word == "by" ? " by " : " × ") }
    for (word, text) in [("to", " to "), ("and", " and "), ("or", " or ")] as [(String, StaticString)] {
      separators.insert(word, text)
    }
    for (word, text) in [("+/-", "±"), ("±", "±"), ("/", "/"), (",", ", "), ("から", "から")] as [(String, StaticString)] {
      separators.insert(word, text)
    }
    self.separators = separators
    var units = ByteNameTable<String>()
    for (code, symbol) in [
      ("sqmi", "sq mi"), ("sqft", "sq ft"), ("sqin", "sq in"), ("sqyd", "sq yd"), ("sqkm", "km²"), ("sqm", "m²"),
      ("cuft", "cu ft"), ("cuin", "cu in"), ("cuyd", "cu yd"), ("cumi", "cu mi"), ("C", "°C"), ("F", "°F"),
      ("kph", "km/h"), ("kmh", "km/h"), ("usgal", "US gal"), ("impgal", "imp gal"), ("PD/km2", "/km²"),
      ("PD/sqkm", "/km²"), ("PD/sqmi", "/sq mi"), ("/sqkm", "/km²"), ("/sqmi", "/sq mi"), ("deg", "°"),
      ("acre", "acres"), ("um", "μm"), ("ohm", "Ω"),
    ] {
      units.insert(code, symbol)
    }
    self.units = units
  }
}

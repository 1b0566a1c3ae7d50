/// Accented Latin letters written as separate characters inside 〔…〕: `〔cafe'〕` is café.
///
/// The pairs are those of Aozora Bunko's accent decomposition (アクセント分解), which covers JIS X 0213.
enum AozoraAccents {
  private static let spellings = """
    !@¡ ?@¿ A`À A'Á A^Â A~Ã A:Ä A&Å A_Ā AE&Æ C,Ç E`È E'É E^Ê E:Ë E_Ē I`Ì I'Í I^Î I:Ï I_Ī N~Ñ O`Ò O'Ó O^Ô O~Õ O:Ö
    O/Ø O_Ō OE&Œ U`Ù U'Ú U^Û U:Ü U_Ū Y'Ý s&ß a`à a'á a^â a~ã a:ä a&å a_ā ae&æ c,ç e`è e'é e^ê e:ë e_ē i`ì i'í i^î
    i:ï i_ī n~ñ o`ò o'ó o^ô o~õ o:ö o/ø o_ō oe&œ u`ù u'ú u^û u:ü u_ū y'ý y:ÿ
    """

  /// Keyed by the bytes of the spelling, the last one lowest.
  private static let table: [UInt32: [UInt8]] = {
    var table: [UInt32: [UInt8]] = [:]
    for word in spellings.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      let ascii = word.utf8.prefix { $0 < 0x80 }
      table[ascii.reduce(0) { $0 << 8 | UInt32($1) }] = Array(word.utf8.dropFirst(ascii.count))
    }
    return table
  }()

  /// The letter whose spelling begins at `at`, and the number of bytes; nil if none does.
  ///
  /// Plain punctuation is kept: a colon or comma before a space (unless the word has an earlier diaeresis, as in
  /// `Hai:kai:`), the apostrophe of French qu'…, and that of names like O'Brien.
  static func match(_ bytes: UnsafeBufferPointer<UInt8>, at: Int, end: Int) -> (letter: [UInt8], length: Int)? {
    guard at + 1 < end else { return nil }
    let (first, second) = (bytes[at], bytes[at + 1])
    if let letter = table[UInt32(first) << 8 | UInt32(second)] {
      let next = at + 2 < end ? bytes[at + 2] : 0
      if second == UInt8(ascii: ",") && next == 0x20 { return nil }
      if second == UInt8(ascii: ":") && next == 0x20 && !followsDiaeresis(bytes, at: at) { return nil }
      if second == UInt8(ascii: "'") {
        let previous = at > 0 ? bytes[at - 1] | 0x20 : 0
        if first | 0x20 == UInt8(ascii: "u") && previous == UInt8(ascii: "q") { return nil }
        if first == UInt8(ascii: "O") && 0x41...0x5A ~= next { return nil }
      }
      return (letter, 2)
    }
    guard at + 2 < end, bytes[at + 2] == UInt8(ascii: "&") else { return nil }
    return table[UInt32(first) << 16 | UInt32(second) << 8 | UInt32(bytes[at + 2])].map { ($0, 3) }
  }

  /// Whether the word at `at` has an earlier letter with a diaeresis.
  private static func followsDiaeresis(_ bytes: UnsafeBufferPointer<UInt8>, at: Int) -> Bool {
    var index = at - 1
    while index > max(0, at - 32), bytes[index] > 0x20, bytes[index] < 0x80 {
      let letter = UInt32(bytes[index - 1])
      if bytes[index] == UInt8(ascii: ":"), table[letter << 8 | UInt32(bytes[index])] != nil { return true }
      index -= 1
    }
    return false
  }

  static func appear(in bytes: UnsafeBufferPointer<UInt8>, from start: Int, to end: Int) -> Bool {
    (start..<end).contains { bytes[$0] < 0x80 && match(bytes, at: $0, end: end) != nil }
  }
}

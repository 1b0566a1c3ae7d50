import ShardKit

/// Gaiji named in words without a code, such as 小書き片仮名ヰ or ローマ数字13.
enum AozoraGaijiNames {
  /// The text denoted by a description without its quotation marks; nil if the words describe a shape.
  static func text(of description: String) -> String? {
    fixed[description] ?? romanNumeral(description) ?? kana(description) ?? single(description)
  }

  private static let fixed: [String: String] = [
    "感嘆符二つ": "\u{203C}", "感嘆符三つ": "！！！", "感嘆符疑問符": "\u{2049}", "疑問符感嘆符": "\u{2048}",
    "二の字点": "〻", "二の字点（踊り字）": "〻", "ト音記号": "𝄞", "ヘ音記号": "𝄢", "白ゴマ": "﹆", "白ゴマ点": "﹆",
    // Unicode has only one white sesame dot.
    "二重白ゴマ": "﹆", "二重白ゴマ点": "﹆", "アステリズム": "⁂",
    "二重かっこ開く": "⦅", "二重かっこ閉じ": "⦆", "始め二重括弧": "⦅", "終わり二重括弧": "⦆",
    "始め二重山括弧": "《", "終わり二重山括弧": "》", "丸十": "㊉", "歌記号": "〽",
  ]

  /// ローマ数字1 to ローマ数字39.
  private static func romanNumeral(_ description: String) -> String? {
    guard description.hasPrefix("ローマ数字") else { return nil }
    let rest = description.dropFirst(5)
    let isSmall = rest.hasSuffix("小文字")
    guard let number = Int(isSmall ? rest.dropLast(3) : rest), 1...39 ~= number else { return nil }
    let first: UInt32 = isSmall ? 0x2170 : 0x2160
    var text = ""
    for _ in 0..<(number / 10) { text.unicodeScalars.append(Unicode.Scalar(first + 9)!) }
    if number % 10 > 0 { text.unicodeScalars.append(Unicode.Scalar(first + UInt32(number % 10) - 1)!) }
    return text
  }

  /// 濁点付き and 小書き kana; those without a small form in Unicode are written full size.
  private static func kana(_ description: String) -> String? {
    var rest = description[...]
    var isSmall = false
    var mark = ""
    var matched = true
    while matched {
      matched = false
      for (prefix, meaning) in [("小書き", ""), ("濁点付き", "\u{3099}"), ("半濁点付き", "\u{309A}")]
      where rest.hasPrefix(prefix) {
        rest = rest.dropFirst(prefix.count)
        if meaning.isEmpty { isSmall = true } else { mark = meaning }
        matched = true
      }
    }
    let isVariant = rest.hasPrefix("変体仮名")
    guard isSmall || !mark.isEmpty || isVariant else { return nil }
    for script in ["平仮名", "片仮名", "変体仮名"] where rest.hasPrefix(script) { rest = rest.dropFirst(script.count) }
    guard let letter = unquoted(rest) else { return nil }
    return (isSmall ? small[letter] ?? letter : letter) + mark
  }

  private static let small: [String: String] = {
    var small: [String: String] = [:]
    for (full, tiny) in zip("アイウエオツヤユヨワカケあいうえおつやゆよわ", "ァィゥェォッャュョヮヵヶぁぃぅぇぉっゃゅょゎ") {
      small[String(full)] = String(tiny)
    }
    for (full, tiny) in zip("クシストヌハヒフヘホムラリルレロ", "ㇰㇱㇲㇳㇴㇵㇶㇷㇸㇹㇺㇻㇼㇽㇾㇿ") {
      small[String(full)] = String(tiny)
    }
    for (full, tiny) in zip("ゐゑをヰヱヲン", [0x1B150, 0x1B151, 0x1B152, 0x1B164, 0x1B165, 0x1B166, 0x1B167]) {
      small[String(full)] = String(Unicode.Scalar(UInt32(tiny))!)
    }
    return small
  }()

  /// A description that quotes one character denotes that character.
  private static func single(_ description: String) -> String? {
    description.hasPrefix("「") ? unquoted(description[...]) : nil
  }

  private static func unquoted(_ text: Substring) -> String? {
    var text = text
    if text.hasPrefix("「") && text.hasSuffix("」") { text = text.dropFirst().dropLast() }
    return text.unicodeScalars.count == 1 && text != "※" ? String(text) : nil
  }
}

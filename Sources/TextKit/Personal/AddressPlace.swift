/// The place before a block: prefecture, municipality, town. Looks back over at most `maximum` characters.
struct AddressPlace {
  let start: Int
  private static let maximum = 40

  init?(
    _ text: UnsafeBufferPointer<UInt8>, before block: Int, from floor: Int, _ form: AddressBlock, code: Int?
  ) {
    let low = Self.low(text, before: block, from: floor)
    let end = Self.trimmed(text, block, low)
    guard end > low, !Self.endsWithParticle(text, end), end == block || !form.isSingle else { return nil }
    if let code, low == floor || PostalAddress.joins(text, code..<low), Self.firstMunicipality(text, low..<end) != nil {
      start = low
    } else if let prefecture = Self.lastPrefecture(text, low..<end),
      Self.isPlace(text, prefecture.upperBound..<end, form)
    {
      start = prefecture.lowerBound
    } else if form.isSingle {
      return nil
    } else if let city = Self.city(text, low..<end, form) {
      start = city
    } else {
      return nil
    }
  }

  /// As far back as names of places may go: kanji and kana, few blanks, 北1条西2丁目.
  private static func low(_ text: UnsafeBufferPointer<UInt8>, before block: Int, from floor: Int) -> Int {
    var i = block, blanks = 0, lines = 0
    for _ in 0..<maximum where i > floor {
      if PlaceCharacter(text, i - 3) != nil, i - 3 >= floor {
        i -= 3
        continue
      }
      let before = PhoneUnit.before(text, i)
      if before.kind == .space {
        blanks += 1
      } else if before.isLineEnd(text, i - before.width) {
        lines += 1
      } else if before.kind == .digit, isStreet(text, i) {
        i -= before.width
        continue
      } else {
        break
      }
      guard blanks <= 3, lines <= 1 else { break }
      i -= before.width
    }
    return i
  }

  /// Whether 条, 丁, 線 or 番町, or further digits before those, follow a digit.
  private static func isStreet(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    var i = end
    while PhoneUnit(text, i).kind == .digit { i += PhoneUnit(text, i).width }
    return PlaceCharacter(text, i)?.isOne(of: streets) ?? false
  }

  private static let streets = PlaceCharacter.set("条丁線番地")

  private static func trimmed(_ text: UnsafeBufferPointer<UInt8>, _ block: Int, _ low: Int) -> Int {
    var end = block
    while end > low {
      let before = PhoneUnit.before(text, end)
      guard before.kind == .space || before.isLineEnd(text, end - before.width) else { break }
      end -= before.width
    }
    return end
  }

  private static let particles = PlaceCharacter.set("はがをにでともへやの図表式章例第付約計各全毎")
  /// Names of towns do not end with these.
  private static func endsWithParticle(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    PlaceCharacter(text, end - 3)?.isOne(of: particles) ?? true
  }

  // MARK: Prefectures

  private static let prefectures: Set<String> = Set(
    """
    北海道 青森県 岩手県 宮城県 秋田県 山形県 福島県 茨城県 栃木県 群馬県 埼玉県 千葉県 東京都 神奈川県 新潟県 富山県 石川県 福井県 山梨県 長野県
    岐阜県 静岡県 愛知県 三重県 滋賀県 京都府 大阪府 兵庫県 奈良県 和歌山県 鳥取県 島根県 岡山県 広島県 山口県 徳島県 香川県 愛媛県 高知県 福岡県
    佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県
    """
    .split { $0 == " " || $0 == "\n" }.map(String.init))
  private static let prefectureBytes = Set(prefectures.map { Array($0.utf8) })
  /// 都 道 府 県
  private static let prefectureEnds = PlaceCharacter.set("都道府県")

  private static func lastPrefecture(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Range<Int>? {
    var i = range.upperBound
    while i > range.lowerBound {
      let before = PhoneUnit.before(text, i)
      if before.width == 3, PlaceCharacter(text, i - 3)?.isOne(of: prefectureEnds) ?? false {
        for length in [9, 12] where i - length >= range.lowerBound {
          if prefectureBytes.contains(Array(text[i - length..<i])) { return i - length..<i }
        }
      }
      i -= before.width
    }
    return nil
  }

  /// Whether what stands between a prefecture and a block is a municipality and a town.
  private static func isPlace(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ form: AddressBlock) -> Bool {
    guard let municipality = firstMunicipality(text, range), !hasParticle(text, range), !hasWord(text, range) else {
      return false
    }
    let town = range.upperBound - municipality
    if form.isSingle {
      return town > 3 && !isOfPrefecture(text, range.lowerBound) && !isSentence(text, municipality..<range.upperBound)
    }
    return town > 0 || form.isWorded || form.numbers > 2
      || PlaceCharacter(text, municipality - 3)?.isOne(of: PlaceCharacter.set("町村")) ?? false
  }

  /// Whether 立 or 内 follow a prefecture: 静岡県立….
  private static func isOfPrefecture(_ text: UnsafeBufferPointer<UInt8>, _ end: Int) -> Bool {
    PlaceCharacter(text, end)?.isOne(of: PlaceCharacter.set("立内")) ?? false
  }

  /// Behind the first 市, 区, 郡, 町 or 村 that ends a name.
  private static func firstMunicipality(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    var i = range.lowerBound, name = 0
    while i < range.upperBound {
      guard let character = PlaceCharacter(text, i) else {
        i += PhoneUnit(text, i).width
        continue
      }
      i += 3
      if character.isMunicipality, name > 0, !isWord(text, i, range) { return i }
      name += 1
    }
    return nil
  }

  private static let wordEnds = PlaceCharacter.set("点民場立長議役営間分域画別制会政街債有販県")
  private static let wordStarts = PlaceCharacter.set("都地学挙管工戦特")

  /// Whether the 市 or 区 that ends at `end` is part of a word as 市民, 都市, 地区.
  private static func isWord(_ text: UnsafeBufferPointer<UInt8>, _ end: Int, _ range: Range<Int>) -> Bool {
    let isTown = PlaceCharacter(text, end - 3)?.isOne(of: PlaceCharacter.set("町村郡")) ?? false
    if isTown { return PlaceCharacter(text, end)?.isOne(of: PlaceCharacter.set("民長議役営内会")) ?? false }
    if end < range.upperBound, PlaceCharacter(text, end)?.isOne(of: wordEnds) ?? false { return true }
    guard end - 6 >= range.lowerBound, PlaceCharacter(text, end - 6)?.isOne(of: wordStarts) ?? false else {
      return false
    }
    return !(end - 9 >= range.lowerBound && text[end - 9..<end - 3].elementsEqual("京都".utf8))
  }

  private static let areaEnds = PlaceCharacter.set("市区町村県都府郡")
  private static let sentence = PlaceCharacter.set("はがをにでともへやの")

  /// Whether a particle follows a municipality, so that this is a sentence: 横浜市で….
  private static func hasParticle(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
    var i = range.lowerBound
    while i + 3 < range.upperBound {
      guard let character = PlaceCharacter(text, i) else {
        i += PhoneUnit(text, i).width
        continue
      }
      i += 3
      if character.isOne(of: areaEnds), PlaceCharacter(text, i)?.isOne(of: sentence) ?? false { return true }
    }
    return false
  }

  private static let joints = ["として", "から", "まで", "では", "には", "にて", "での"].map { Array($0.utf8) }

  /// Whether words of a sentence stand in it: 静岡県立葵文庫として静岡市….
  private static func hasWord(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
    joints.contains { text[range].firstRange(of: $0) != nil }
  }

  // MARK: Without a prefecture

  private static let cities: [[UInt8]] =
    """
    札幌市 仙台市 さいたま市 千葉市 横浜市 川崎市 相模原市 新潟市 静岡市 浜松市 名古屋市 京都市 大阪市 堺市 神戸市 岡山市 広島市 北九州市 福岡市 熊本市
    青森市 盛岡市 秋田市 山形市 福島市 水戸市 宇都宮市 前橋市 高崎市 川越市 川口市 所沢市 船橋市 松戸市 柏市 市川市 八王子市 町田市 立川市 武蔵野市
    三鷹市 府中市 調布市 藤沢市 横須賀市 鎌倉市 富山市 金沢市 福井市 甲府市 長野市 松本市 岐阜市 豊橋市 豊田市 岡崎市 一宮市 津市 四日市市 大津市
    東大阪市 豊中市 吹田市 高槻市 枚方市 姫路市 西宮市 尼崎市 奈良市 和歌山市 鳥取市 松江市 倉敷市 福山市 下関市 山口市 徳島市 高松市 松山市 高知市
    久留米市 佐賀市 長崎市 佐世保市 大分市 宮崎市 鹿児島市 那覇市 函館市 旭川市 つくば市 いわき市 千代田区 中央区 港区 新宿区 文京区 台東区 墨田区
    江東区 品川区 目黒区 大田区 世田谷区 渋谷区 中野区 杉並区 豊島区 北区 荒川区 板橋区 練馬区 足立区 葛飾区 江戸川区
    """
    .split { $0 == " " || $0 == "\n" }.map { Array($0.utf8) }
  private static let cityLeads = ByteTable { byte in cities.contains { $0[0] == byte } }

  /// Where a city's or ward's name starts; for a complete block with 丁目, that of a town's is enough.
  private static func city(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ form: AddressBlock) -> Int? {
    let line = lineStart(text, range)
    if let known = knownCity(text, line) {
      let town = known.upperBound..<range.upperBound
      if !town.isEmpty, !hasParticle(text, known.lowerBound..<range.upperBound), !isSentence(text, town) {
        return known.lowerBound
      }
    }
    guard form.isWorded || form.numbers > 2 else { return nil }
    guard let end = firstCity(text, line), !hasParticle(text, nameStart(text, end, line)..<range.upperBound),
      !isSentence(text, end..<range.upperBound)
    else { return form.isComplete ? townStart(text, line) : nil }
    return end < range.upperBound || form.isWorded ? nameStart(text, end, line) : nil
  }

  private static let sentenceParticles = PlaceCharacter.set("はをがにで")

  /// Whether a town's name has particles in it, or の at its start.
  private static func isSentence(_ text: UnsafeBufferPointer<UInt8>, _ town: Range<Int>) -> Bool {
    var i = town.lowerBound
    while i < town.upperBound {
      let character = PlaceCharacter(text, i)
      if character?.isOne(of: sentenceParticles) ?? false || i == town.lowerBound && character?.scalar == 0x306E {
        return true
      }
      i += character == nil ? PhoneUnit(text, i).width : 3
    }
    return false
  }

  private static func lineStart(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Range<Int> {
    let feed = text[range].lastIndex(of: 0x0A)
    return (feed.map { $0 + 1 } ?? range.lowerBound)..<range.upperBound
  }

  private static func knownCity(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Range<Int>? {
    for i in range where cityLeads[Int(text[i])] {
      for city in cities where i + city.count <= range.upperBound && text[i..<i + city.count].elementsEqual(city) {
        if !isWord(text, i + city.count, range) { return i..<i + city.count }
      }
    }
    return nil
  }

  /// Behind the first 市, 区 or 郡 that ends a name of kanji.
  private static func firstCity(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    var rest = range
    while let end = firstMunicipality(text, rest) {
      let isCity = !(PlaceCharacter(text, end - 3)?.isOne(of: PlaceCharacter.set("町村")) ?? true)
      if isCity, nameStart(text, end, range) < end - 3 { return end }
      rest = end..<range.upperBound
    }
    return nil
  }

  /// Up to five kanji or katakana before 市, 区 or 郡.
  private static func nameStart(_ text: UnsafeBufferPointer<UInt8>, _ end: Int, _ range: Range<Int>) -> Int {
    var i = end - 3
    for _ in 0..<5 where i - 3 >= range.lowerBound {
      guard let character = PlaceCharacter(text, i - 3), !character.isHiragana else { break }
      i -= 3
    }
    return i
  }

  /// The kanji before a complete block: 本町三丁目5番2号.
  private static func townStart(_ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int? {
    var i = range.upperBound
    for _ in 0..<8 where i - 3 >= range.lowerBound {
      guard let character = PlaceCharacter(text, i - 3), !character.isHiragana else { break }
      i -= 3
    }
    return range.upperBound - i >= 6 ? i : nil
  }
}

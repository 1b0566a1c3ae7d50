/// A Japanese postal address: 〒 and a code; a prefecture, a municipality, a town and the numbers of a block, with a
/// building behind them. Without a prefecture, a city or ward and a complete block.
struct PostalAddress {
  let range: Range<Int>

  /// - Parameters:
  ///   - start: the first number of the block.
  ///   - floor: where the last span ended.
  ///   - code: where a postal code ended, if that is the floor.
  init?(_ text: UnsafeBufferPointer<UInt8>, block start: Int, from floor: Int, code: Int?) {
    guard let block = AddressBlock(text, at: start),
      let place = AddressPlace(text, before: start, from: floor, block, code: code)
    else { return nil }
    let plainCode = Self.codeStart(text, before: place.start, from: floor)
    range = (plainCode ?? place.start)..<AddressBuilding.end(text, behind: block.end)
  }

  // MARK: Postal codes

  /// `〒100-0001` at 〒, with the place behind it if no block follows that.
  /// `isBare`: nothing but the code.
  static func markedCode(_ text: UnsafeBufferPointer<UInt8>, _ mark: Int) -> (range: Range<Int>, isBare: Bool)? {
    var i = mark + 3
    for _ in 0..<2 {
      let unit = PhoneUnit(text, i)
      if unit.kind == .space || WideByte(text, i).byte == 0x3A { i += unit.width }
    }
    guard PhoneUnit(text, i).kind == .digit else { return nil }
    let run = DigitRun(text, at: i)
    guard let first = run.groups.first else { return nil }
    let isCode = run.groups.starts(with: [3, 4]) && !run.hasSpaces || first == 7
    // Codes had three digits until 1998, or five.
    guard isCode || first == 3 else { return nil }
    let end = isCode ? codeEnd(text, i) : run.groups == [3, 2] ? run.range.upperBound : run.firstEnd
    let place = placeEnd(text, behind: end)
    return (mark..<(place ?? end), place == nil)
  }

  /// Behind seven digits.
  private static func codeEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var i = start, digits = 0
    while digits < 7, case let unit = PhoneUnit(text, i) {
      digits += unit.kind == .digit ? 1 : 0
      i += unit.width
    }
    return i
  }

  /// The end of kanji with a municipality in them that follow a code; nil if there are none, or numbers follow them.
  private static func placeEnd(_ text: UnsafeBufferPointer<UInt8>, behind code: Int) -> Int? {
    var i = code
    for _ in 0..<3 where PhoneUnit(text, i).kind == .space || PhoneUnit(text, i).isLineEnd(text, i) {
      i += PhoneUnit(text, i).width
    }
    var municipality = false, count = 0
    while count < 30, let scalar = PlaceCharacter(text, i), scalar.isKanji || scalar.isKatakana {
      municipality = municipality || scalar.isMunicipality
      i += 3
      count += 1
    }
    return municipality && !blockFollows(text, i) ? i : nil
  }

  /// Whether names of places go on up to a digit.
  private static func blockFollows(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    var i = start
    for _ in 0..<30 where PlaceCharacter(text, i) != nil { i += 3 }
    let next = PhoneUnit(text, i)
    return next.kind == .digit || next.kind == .space && PhoneUnit(text, i + next.width).kind == .digit
  }

  /// `100-0001 ` before a place, with or without its mark.
  private static func codeStart(_ text: UnsafeBufferPointer<UInt8>, before place: Int, from floor: Int) -> Int? {
    var i = place
    for _ in 0..<2 where i > floor {
      let before = PhoneUnit.before(text, i)
      if before.kind == .space || before.isLineEnd(text, i - before.width) { i -= before.width }
    }
    var digits = 0, dashes = 0
    while digits < 7, i > floor {
      let before = PhoneUnit.before(text, i)
      if before.kind == .digit {
        digits += 1
      } else if digits == 4, dashes == 0, before.kind == .dash || before.kind == .longVowel {
        dashes = 1
      } else {
        return nil
      }
      i -= before.width
    }
    let before = PhoneUnit.before(text, i).kind
    return digits == 7 && dashes == 1 && before != .digit && before != .dash && before != .letter ? i : nil
  }

  /// Whether only blanks, a line end, a colon or 住所 stand between a code and an address.
  static func joins(_ text: UnsafeBufferPointer<UInt8>, _ gap: Range<Int>) -> Bool {
    guard gap.count <= 16 else { return false }
    var i = gap.lowerBound
    while i < gap.upperBound {
      let unit = PhoneUnit(text, i)
      if unit.kind == .space || unit.isLineEnd(text, i) || WideByte(text, i).byte == 0x3A {
        i += unit.width
      } else if text[i..<min(i + 6, gap.upperBound)].elementsEqual("住所".utf8) {
        i += 6
      } else {
        return false
      }
    }
    return true
  }

  // MARK: Blocks in kanji

  /// The start of 三 in 三丁目 or 三番地, if 丁 or 番 is at `i`.
  static func kanjiBlockStart(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    guard i + 5 < text.count, i >= 3 else { return nil }
    let isBlock = text[i..<i + 6].elementsEqual("丁目".utf8) || text[i..<i + 6].elementsEqual("番地".utf8)
    guard isBlock else { return nil }
    var start = i
    while start >= 3, i - start < 15, AddressBlock.isNumeral(text, start - 3) { start -= 3 }
    return start < i ? start : nil
  }
}

/// A kanji or kana of a place's name, of three bytes.
struct PlaceCharacter {
  let scalar: UInt32

  init?(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) {
    guard i >= 0, i + 2 < text.count, 0xE3...0xE9 ~= text[i] else { return nil }
    scalar = UInt32(text[i] & 0x0F) << 12 | UInt32(text[i + 1] & 0x3F) << 6 | UInt32(text[i + 2] & 0x3F)
    guard isKanji || isKatakana || isHiragana else { return nil }
  }

  var isKanji: Bool { 0x4E00...0x9FFF ~= scalar || 0x3400...0x4DBF ~= scalar || scalar == 0x3005 }
  var isKatakana: Bool { 0x30A1...0x30FA ~= scalar || scalar == 0x30FC }
  var isHiragana: Bool { 0x3041...0x3096 ~= scalar }

  /// 市 区 郡 町 村
  var isMunicipality: Bool { [0x5E02, 0x533A, 0x90E1, 0x753A, 0x6751].contains(scalar) }
  func isOne(of characters: Set<UInt32>) -> Bool { characters.contains(scalar) }

  static func set(_ text: String) -> Set<UInt32> { Set(text.unicodeScalars.map(\.value)) }
}

/// The numbers of a block: 1-2-3, １丁目２番３号, 三丁目5-2, 1234番地5, 10番1.
struct AddressBlock {
  private(set) var end: Int
  /// Whether words as 番地 or 丁目 show that it is one.
  private(set) var isWorded = false
  /// Whether it has 丁目 and a number behind it.
  private(set) var isComplete = false
  private(set) var numbers = 0
  /// One number alone: only behind a prefecture or a postal code.
  private(set) var isSingle = false
  private var values: [Int] = []

  init?(_ text: UnsafeBufferPointer<UInt8>, at start: Int) {
    end = start
    guard Self.mayFollow(text, start) else { return nil }
    var i = start, hasTown = false, hasLot = false
    while numbers < 5, let (value, numberEnd) = Self.number(text, i) {
      values.append(value)
      numbers += 1
      end = numberEnd
      if let next = Self.word(text, end, "丁目") {
        guard !hasTown else { return nil }
        hasTown = true
        i = next
      } else if let next = Self.word(text, end, "番地") {
        (hasLot, isWorded, end, i) = (true, true, next, next)
      } else if let next = Self.word(text, end, "番"), hasTown || Self.startsNumber(text, next) {
        (hasLot, isWorded, end, i) = (true, true, next, next)
      } else if let next = Self.word(text, end, "号") {
        isWorded = isWorded || hasLot || hasTown
        end = next
        break
      } else {
        i = end
      }
      guard let next = Self.joint(text, i) else { break }
      i = next
    }
    isComplete = hasTown && numbers > 1
    isWorded = isWorded || isComplete
    isSingle = numbers == 1 && !isWorded && !hasTown
    let isPlain = numbers > 1 ? !isDate : isSingle && !(1600...2200 ~= values[0])
    guard isWorded || isPlain && values.allSatisfy({ $0 > 0 }), mayPrecede(text) else { return nil }
  }

  private var isDate: Bool { 1600...2200 ~= values[0] && values[1] <= 12 }

  /// The value and the end of up to five digits or four kanji numerals.
  private static func number(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> (Int, Int)? {
    var i = start, value = 0, count = 0
    while case let unit = PhoneUnit(text, i), unit.kind == .digit {
      value = value * 10 + Int(unit.digit)
      count += 1
      guard count <= 5 else { return nil }
      i += unit.width
    }
    if count > 0 { return (value, i) }
    while count < 5, isNumeral(text, i) {
      i += 3
      count += 1
    }
    return count > 0 ? (1, i) : nil
  }

  private static let numerals = PlaceCharacter.set("一二三四五六七八九十百〇壱弐参")

  static func isNumeral(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    guard i + 2 < text.count, 0xE3...0xE9 ~= text[i] else { return false }
    let scalar = UInt32(text[i] & 0x0F) << 12 | UInt32(text[i + 1] & 0x3F) << 6 | UInt32(text[i + 2] & 0x3F)
    return numerals.contains(scalar)
  }

  private static func startsNumber(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    PhoneUnit(text, joint(text, i) ?? i).kind == .digit || isNumeral(text, i)
  }

  private static func word(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, _ word: StaticString) -> Int? {
    let count = word.utf8CodeUnitCount
    guard i + count <= text.count else { return nil }
    for k in 0..<count where text[i + k] != word.utf8Start[k] { return nil }
    return i + count
  }

  /// Where the next number starts: behind a dash or の, or at once behind a word.
  private static func joint(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    let unit = PhoneUnit(text, i)
    if unit.kind == .digit { return i }
    if unit.kind == .dash || unit.kind == .longVowel {
      let next = i + unit.width
      return PhoneUnit(text, next).kind == .digit ? next : nil
    }
    if let next = word(text, i, "の") ?? word(text, i, "ノ") {
      return PhoneUnit(text, next).kind == .digit || isNumeral(text, next) ? next : nil
    }
    return isNumeral(text, i) ? i : nil
  }

  private static func mayFollow(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Bool {
    switch PhoneUnit.before(text, start).kind {
    case .digit, .dash, .dot, .slash, .letter, .underscore, .equals, .plus: false
    default: true
    }
  }

  private static let particles = PlaceCharacter.set("にのでへとはを")
  private static let countedAlways = PlaceCharacter.set("年月円点")
  private static let counted = PlaceCharacter.set("年月日時分秒円点回勝敗位対人個歳才枚本台冊話巻章節項条度件万千億町市区村校名社階番丁キメト世代戸頭羽億倍割期号")

  private func mayPrecede(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let after = PhoneUnit(text, end)
    switch after.kind {
    case .digit, .underscore: return false
    case .dash, .dot, .slash: return PhoneUnit(text, end + after.width).kind != .digit
    case .letter: return !isSingle
    case .space where isSingle:
      let beyond = PhoneUnit(text, end + after.width).kind
      return beyond != .digit && beyond != .letter
    case .other where isSingle: return PlaceCharacter(text, end)?.isOne(of: Self.particles) ?? true
    default: return !(PlaceCharacter(text, end)?.isOne(of: isWorded ? Self.countedAlways : Self.counted) ?? false)
    }
  }
}

/// The building behind a block: ○○ビル5階, 第一マンション 203号室, コーポ春風203.
enum AddressBuilding {
  private static let words: [[UInt8]] = [
    "ビルディング", "ビル", "マンション", "アパート", "ハイツ", "コーポ", "荘", "タワー", "ハウス", "レジデンス", "メゾン", "プラザ", "会館", "別館",
    "棟", "号室", "階", "寮", "団地", "パレス", "ヴィラ", "ハイム", "コート", "Ｆ", "F", "センター", "スクエア", "ガーデン",
  ]
  .map { Array($0.utf8) }
  private static let leads = ByteTable { byte in words.contains { $0[0] == byte } }
  private static let sentence = PlaceCharacter.set("にのではをがともへや")
  /// 電話, 開館, 客室, 営業, 定休, 屋号, 代表, 備考, 先
  private static let others = PlaceCharacter.set("電開客営定屋代備先")

  /// The end of the block if no building follows.
  static func end(_ text: UnsafeBufferPointer<UInt8>, behind block: Int) -> Int {
    var i = block, end = block, characters = 0, spaces = 0
    while characters < 20, i < text.count {
      let unit = PhoneUnit(text, i)
      switch unit.kind {
      case .space:
        spaces += 1
        guard spaces <= 2, !startsSentence(text, i + unit.width) else { return end }
      case .other, .letter:
        if leads[Int(text[i])], let word = word(text, i), unit.kind == .other || isStorey(text, i) {
          i += word
          end = i
          continue
        }
        if PlaceCharacter(text, i)?.isOne(of: others) ?? false { return end }
        // Hiragana go on a sentence, except in a name that a space separates.
        guard unit.kind == .letter || PlaceCharacter(text, i).map({ spaces > 0 || !$0.isHiragana }) ?? false else {
          return end
        }
      case .digit:
        let digitsEnd = digitsEnd(text, i)
        guard digitsEnd - i <= 12 else { return end }
        if end > block, end == i || PhoneUnit.before(text, i).kind != .space { end = digitsEnd }
        i = digitsEnd
        characters += 1
        continue
      case .longVowel, .dash, .middleDot: break
      default: return end
      }
      i += unit.width
      characters += 1
    }
    return end
  }

  private static func startsSentence(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    PlaceCharacter(text, i)?.isOne(of: sentence) ?? false
  }

  /// Whether F at `i` follows a digit.
  private static func isStorey(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Bool {
    PhoneUnit.before(text, i).kind == .digit && PhoneUnit(text, i + PhoneUnit(text, i).width).kind != .letter
  }

  private static func word(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? {
    words.first { word in i + word.count <= text.count && text[i..<i + word.count].elementsEqual(word) }?.count
  }

  private static func digitsEnd(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var i = start
    while PhoneUnit(text, i).kind == .digit { i += PhoneUnit(text, i).width }
    return i
  }
}

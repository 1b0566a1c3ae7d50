/// A Japanese individual number (My Number): 12 digits with a check digit (Order for the Enforcement of the Act on the
/// Use of Numbers, article 8).
enum MyNumber {
  static func find(_ text: UnsafeBufferPointer<UInt8>, _ run: DigitRun) -> Range<Int>? {
    guard run.count == 12, !run.isLonger, !run.hasPlus, run.groups.count == 1 || run.groups == [4, 4, 4],
      run.isOfOneSeparator, run.standsAlone(text), isValid(run.digits)
    else { return nil }
    let start = run.range.lowerBound
    if named.stand(in: text, before: start, within: 180) { return run.range }
    guard run.groups.count == 3, !run.isCut, !NumberWords.others.stand(in: text, before: start, within: 90) else {
      return nil
    }
    return run.range
  }

  private static let named = NearbyWords("マイナンバー 個人番号 源泉徴収 my_number mynumber 通知カード ﾏｲﾅﾝﾊﾞｰ")

  /// The last digit is 11 minus the remainder by 11 of the others weighted 2…7, 2…6 from the right; 0 where that is
  /// more than 9.
  static func isValid(_ digits: [UInt8]) -> Bool {
    var sum = 0
    for n in 1...11 { sum += Int(digits[11 - n]) * (n <= 6 ? n + 1 : n - 5) }
    let rest = sum % 11
    return Int(digits[11]) == (rest <= 1 ? 0 : 11 - rest)
  }
}

/// A payment card's number: a known prefix of the length that it goes with, and Luhn's check digit.
struct CardNumber {
  let range: Range<Int>
  private let digits: [UInt8]

  init?(_ text: UnsafeBufferPointer<UInt8>, _ run: DigitRun) {
    guard 14...19 ~= run.count, !run.isLonger, !run.hasPlus, run.isOfOneSeparator, Self.isIssued(run),
      Self.isGrouped(run.groups), Self.luhn(run.digits), run.standsAlone(text)
    else { return nil }
    let start = run.range.lowerBound
    let isNamed =
      Self.named.stand(in: text, before: start, within: 90)
      || Self.named.stand(in: text, after: run.range.upperBound, within: 30)
    // Other long numbers start like these; Mastercard's second series like the ids of social networks.
    let needsWord = run.isCut || run.groups.count == 1 && (run.count != 16 && run.count != 15 || run.digits[0] == 2)
    guard isNamed || !needsWord && !NumberWords.others.stand(in: text, before: start, within: 60) else { return nil }
    range = run.range
    digits = run.digits
  }

  private static let named = NearbyWords(
    "カード クレジット card credit visa master jcb amex アメックス diners ダイナース 銀聯 unionpay 決済")

  private static func isIssued(_ run: DigitRun) -> Bool {
    let two = run.value(0..<2), three = run.value(0..<3), four = run.value(0..<4)
    switch run.count {
    case 14: return 300...305 ~= three || [36, 38, 39].contains(two)
    case 15: return two == 34 || two == 37
    default: break
    }
    if run.digits[0] == 4 { return run.count == 16 || run.count == 19 }
    if 51...55 ~= two || 2221...2720 ~= four { return run.count == 16 }
    return 3528...3589 ~= four || four == 6011 || two == 65 || 644...649 ~= three || two == 62
  }

  private static func isGrouped(_ groups: [Int]) -> Bool {
    switch groups.count {
    case 1: true
    case 3: groups == [4, 6, 5] || groups == [4, 6, 4]
    case 4: groups == [4, 4, 4, 4]
    case 5: groups == [4, 4, 4, 4, 3]
    default: false
    }
  }

  static func luhn(_ digits: [UInt8]) -> Bool {
    var sum = 0
    for (i, digit) in digits.reversed().enumerated() {
      let value = i % 2 == 0 ? Int(digit) : Int(digit) * 2
      sum += value > 9 ? value - 9 : value
    }
    return sum % 10 == 0
  }

  var isForTests: Bool { Self.tests.contains(digits) || Set(digits).count == 2 }

  /// From the documentation of payment services.
  private static let tests: Set<[UInt8]> = Set(
    """
    4111111111111111 4242424242424242 4012888888881881 4000056655665556 4000000000000002 4000000000003220
    5555555555554444 5105105105105100 5200828282828210 2223003122003222 2223000048400011 5431111111111111
    378282246310005 371449635398431 378734493671000 30569309025904 38520000023237 36227206271667 36148900647913
    3530111333300000 3566002020360505 6011111111111117 6011000990139424 6011981111111113 6200000000000005
    """
    .split { $0 == " " || $0 == "\n" }.map { $0.utf8.map { $0 - 0x30 } })
}

enum NumberWords {
  /// What other numbers of this length are called.
  static let others = NearbyWords(
    """
    伝票 追跡 送り状 送状 問い合わせ番号 問合せ番号 問合番号 お問合せ 注文 受注 発注 受付番号 会員番号 品番 jan シリアル 製造番号 型番 管理番号 isbn
    issn 登録番号 整理番号 法人番号 法人等番号 契約番号 荷物 ヤマト 佐川 商品コード バーコード ロット 予約番号 図書 資料番号 識別 請求番号 serial
    tracking order imei doi コード番号 証券番号 保険証 免許 許可 承認番号 お客様番号 チケット番号
    """)
}

/// The number of a Japanese bank account: seven digits behind a word for accounts, near a word for banks; the symbol and
/// number of Japan Post Bank; postal transfer accounts (00120-1-123456).
enum BankAccount {
  static func find(_ text: UnsafeBufferPointer<UInt8>, _ run: DigitRun) -> Range<Int>? {
    guard !run.hasPlus, !run.isLonger, run.count >= 5, run.count <= 14, !run.hasSpaces || run.groups.count < 3 else {
      return nil
    }
    if let range = transferAccount(text, run) { return range }
    let start = run.range.lowerBound
    guard isAccountShape(run) || isSymbolShape(run), run.standsAlone(text) else { return nil }
    if isSymbolShape(run), symbol.stand(in: text, before: start, within: 18),
      postBank.stand(in: text, before: start, within: 240)
        || numberWord.stand(in: text, after: run.range.upperBound, within: 18)
    {
      return run.range
    }
    return isAccountShape(run) && isNamed(text, start, run) ? run.range : nil
  }

  /// 1234567, 123-1234567, or Japan Post Bank's 12345671 and 12340-12345671.
  private static func isAccountShape(_ run: DigitRun) -> Bool {
    switch run.groups.count {
    case 1: 6...8 ~= run.count
    case 2: run.groups[0] == 3 && run.groups[1] == 7 || run.groups[0] == 5 && 6...8 ~= run.groups[1]
    default: false
    }
  }

  /// 12340, or 12340-1 as on some books.
  private static func isSymbolShape(_ run: DigitRun) -> Bool {
    run.groups[0] == 5 && run.digits[0] <= 1 && run.digits[4] == 0 && (run.count == 5 || run.groups == [5, 1])
  }

  private static func isNamed(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ run: DigitRun) -> Bool {
    if certain.stand(in: text, before: start, within: 45) { return !foreign.stand(in: text, before: start, within: 45) }
    let isOfBank = banks.stand(in: text, before: start, within: 240)
    if isOfBank, account.stand(in: text, before: start, within: 36) { return true }
    let isNumber = numberWord.stand(in: text, before: start, within: 24)
    return isNumber && symbol.stand(in: text, before: start, within: 90)
      && (isOfBank || run.digits.last == 1 && run.count == 8)
  }

  /// `00120-1-123456`.
  private static func transferAccount(_ text: UnsafeBufferPointer<UInt8>, _ run: DigitRun) -> Range<Int>? {
    guard run.groups.count == 3, run.groups[0] == 5, run.groups[1] == 1, 1...7 ~= run.groups[2], run.digits[0] == 0,
      run.digits[4] == 0, run.standsAlone(text), transfer.stand(in: text, before: run.range.lowerBound, within: 120)
    else { return nil }
    return run.range
  }

  private static let certain = NearbyWords("口座番号 口座no 口座№ 口座:普通 普通預金 当座預金 貯蓄預金 普通口座 当座口座")
  private static let account = NearbyWords(
    "普通 当座 貯蓄 総合 口座 (普) (当) 普) 当) ﾌﾂｳ フツウ ふつう 店番")
  private static let banks = NearbyWords(
    "銀行 信用金庫 信金 信組 信用組合 労働金庫 労金 農協 農業協同組合 ja 漁協 支店 本店 出張所 営業部 店番 振込 振り込み ゆうちょ 郵貯 郵便局 bank")
  private static let postBank = NearbyWords("ゆうちょ 郵貯 郵便 銀行 口座 振込")
  private static let symbol = NearbyWords("記号")
  private static let numberWord = NearbyWords("番号 no. no №")
  private static let transfer = NearbyWords("振替 口座 払込 払い込み 郵便 ゆうちょ 振込")
  private static let foreign = NearbyWords("電話 tel fax")
}

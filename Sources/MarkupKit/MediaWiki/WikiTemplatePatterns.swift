import ShardKit

/// Templates known by the form of their name: `lang-xx`, `IPA-xx`, `script/…`, `…範囲`, language codes and languages.
enum WikiTemplatePatterns {
  static func rule(_ name: UnsafeBufferPointer<UInt8>, isJapanese: Bool) -> WikiTemplateRule? {
    guard name.count >= 2, name.count <= 96 else { return nil }
    if isPrefixed(name, "lang-") { return language(name, isJapanese: isJapanese) }
    if isPrefixed(name, "ipa-") { return .wrapped("[", "]") }
    if isPrefixed(name, "script/") { return .argument(1) }
    if isLanguageCode(name) { return .argument(1) }
    if isJapanese, isLanguageName(name) || isRange(name) { return .argument(1) }
    return isFigure(name) ? .unresolved : nil
  }

  private static func isPrefixed(_ name: UnsafeBufferPointer<UInt8>, _ prefix: StaticString) -> Bool {
    guard name.count > prefix.utf8CodeUnitCount else { return false }
    for offset in 0..<prefix.utf8CodeUnitCount
    where ByteNameTable<Int>.folded(name[offset]) != prefix.utf8Start[offset] {
      return false
    }
    return true
  }

  private static func hasSuffix(_ name: UnsafeBufferPointer<UInt8>, _ suffix: StaticString) -> Bool {
    let length = suffix.utf8CodeUnitCount
    guard name.count > length else { return false }
    return (0..<length).allSatisfy { name[name.count - length + $0] == suffix.utf8Start[$0] }
  }

  /// `lang-xx` and `lang-xx-short`, whatever the language.
  private static func language(_ name: UnsafeBufferPointer<UInt8>, isJapanese: Bool) -> WikiTemplateRule? {
    guard name.count >= 7, name.count <= 24, let base = name.baseAddress else { return nil }
    var codeEnd = 5
    while codeEnd < name.count, name[codeEnd] != UInt8(ascii: "-") { codeEnd += 1 }
    guard isJapanese, let language = WikiLanguageNames.table.value(base + 5, codeEnd - 5) else { return .argument(1) }
    return .namedLanguage(language)
  }

  /// `en`, `Fr`, `grc`, `zh-Hant`, `pt-br`: small letters but for the first, since capitals name countries (`EST`).
  private static func isLanguageCode(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    guard let base = name.baseAddress else { return false }
    var length = 0
    while length < name.count, name[length] != UInt8(ascii: "-") {
      let byte = length == 0 ? name[0] | 0x20 : name[length]
      guard byte &- 0x61 < 26 else { return false }
      length += 1
    }
    guard length == 2 || length == 3, codes.value(base, length) != nil else { return false }
    return length == name.count || subtags.value(base + length + 1, name.count - length - 1) != nil
  }

  /// `英語`, `ラテン語`.
  private static func isLanguageName(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    name.baseAddress.map { WikiLanguageNames.names.value($0, name.count) != nil } ?? false
  }

  /// `要出典範囲`, `誰範囲2`: text that a complaint is about.
  private static func isRange(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    hasSuffix(name, "範囲") || hasSuffix(name, "範囲2")
  }

  /// Populations, areas and prices, which are kept in pages of data: `自治体人口/静岡県`, `UN_Population`.
  private static func isFigure(_ name: UnsafeBufferPointer<UInt8>) -> Bool {
    for prefix in figures where isPrefixed(name, prefix) { return true }
    return hasSuffix(name, "population") || hasSuffix(name, "Population")
  }

  private static let figures: [StaticString] = [
    "自治体人口", "自治体面積", "自治体世帯", "自治体/", "人口/", "面積/", "人口統計", "人口推計", "世帯数", "un population", "metadata population",
    "inflation", "dutch municipality population", "data ", "formatprice", "format price", "currentyear", "currentmonth",
    "currentday", "localyear",
  ]

  /// All two-letter codes of ISO 639, and those of three letters that Wikipedia writes about, without the ones that
  /// are words of English templates (`new`, `bar`, `war`).
  private static let codes = ByteNameTable(
    words: """
      aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en
      eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu iw ja
      jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb
      nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq
      sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
      ace ady ain akk ang arc arn ary arz ast ban bal bho bua ceb cel chr ckb cop crh csb dlm dng dsb egy enm fil fon fro
      frm frp frr fur gem gez gmh goh got grc gsw hak haw hil hit hmn hsb ilo inh jbo kab kbd kok krc krl ksh lad lez
      lij lld lmo ltg lus lzh mai mnc mni mnw moh mos mul mwl myv mdf nah nan nap nds niu nog nys nov ojp okm osc osx ota
      oui pag pal pam pap pau pcd peo phn pms pnb pnt prg rar rmy rom rup ryu sah sco scn sga shn sjn sma smj smn sms sux
      syc syr szl tet tlh tok tpi tyv txb udm uga und vec vep vls wuu xal xcl xmf xto yua yue zea zgh zza och ltc qya
      """, value: true)

  /// Scripts and countries behind a code.
  private static let subtags = ByteNameTable(
    words: """
      hans hant latn cyrl arab grek hebr deva hira kana jpan kore mong armn geor thai tibt cn tw hk sg mo br pt us gb uk
      au ca mx at ch be nl de fr es latg tarask x-old min-nan classical short
      """, value: true)
}

import ShardKit

/// Behavior switches such as `__NOTOC__`, in the words of English, Japanese and the other large Wikipedias. Two
/// underscores around any other word are text: `__init__`, a blank to fill in.
enum WikiSwitches {
  /// Switches that count in capitals alone, since their small letters are words of programs: `__index__`.
  enum Letters: Sendable { case any, capitals }

  /// The longest word between underscores, in bytes.
  static let longestBytes = 72

  static func table() -> ByteNameTable<Letters> {
    var table = ByteNameTable<Letters>()
    for word in words.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      table.insert(String(word), .any)
      table.insert(word.lowercased(), .any)
    }
    table.insert("INDEX", .capitals)
    table.insert("DISAMBIG", .capitals)
    return table
  }

  private static let words = """
    NOTOC FORCETOC TOC NOEDITSECTION NOGALLERY NEWSECTIONLINK NONEWSECTIONLINK HIDDENCAT NOINDEX STATICREDIRECT
    NOTITLECONVERT NOTC NOCONTENTCONVERT NOCC NOGLOBAL EXPECTUNUSEDCATEGORY EXPECTUNUSEDTEMPLATE
    EXPECTED_UNCONNECTED_PAGE ARCHIVEDTALK NOTALK
    目次非表示 目次強制 目次 節編集非表示 セクション編集非表示 ギャラリー非表示 新しい節リンク 新しいセクションリンク 新セクションリンク
    新しい節リンク非表示 新しいセクションリンク非表示 新セクションリンク非表示 カテゴリ非表示 カテ非表示 非表示カテ 隠しカテゴリ インデックス
    インデックス拒否 静的転送 二重転送解消無効 二重転送修正無効 内容変換無効 内容変換抑制 タイトル変換無効 タイトルコンバート拒否 タイトル非表示
    INHALTSVERZEICHNIS KEIN_INHALTSVERZEICHNIS KEININHALTSVERZEICHNIS INHALTSVERZEICHNIS_ERZWINGEN
    ABSCHNITTE_NICHT_BEARBEITEN KEINE_GALERIE KEINEGALERIE NEUER_ABSCHNITTSLINK PLUS_LINK KEIN_NEUER_ABSCHNITTSLINK
    KEIN_PLUS_LINK VERSTECKTE_KATEGORIE WARTUNGSKATEGORIE INDEXIEREN INDIZIEREN NICHT_INDEXIEREN KEIN_INDEX
    NICHT_INDIZIEREN PERMANENTE_WEITERLEITUNG KEINE_INHALTSKONVERTIERUNG KEINE_TITELKONVERTIERUNG
    SOMMAIRE TDM AUCUNSOMMAIRE AUCUNETDM FORCERSOMMAIRE FORCERTDM SECTIONNONEDITABLE AUCUNEGALERIE LIENNOUVELLESECTION
    AUCUNLIENNOUVELLESECTION CATCACHEE AUCUNINDEX REDIRECTIONSTATIQUE SANSCONVERSIONCONTENU SANSCC SANSCONVERSIONTITRE
    SANSCT
    TDC SIN_TDC NOTDC FORZAR_TDC FORZARTDC FORZARTOC NO_EDITAR_SECCIÓN NOEDITARSECCIÓN NOEDITARSECCION SIN_GALERÍA
    NOGALERÍA NOGALERIA VINCULARANUEVASECCION ENLACECREARSECCIÓN NOVINCULARANUEVASECCION SINENLACECREARSECCIÓN
    CATEGORÍAOCULTA INDEXAR NOINDEXAR REDIRECCIÓNESTÁTICA REDIRECCIONESTATICA DISAMBIGUACION
    INDICIZZARE INDICE NONINDICIZZARE NOINDICE
    SUMÁRIO SUMARIO SEMTDC SEMSUMÁRIO FORCARTDC FORCARSUMARIO FORÇARTDC FORÇARSUMÁRIO NÃOEDITARSEÇÃO SEMEDITARSEÇÃO
    NAOEDITARSECAO SEMEDITARSECAO SEMGALERIA CATEGORIAOCULTA CATOCULTA NAOINDEXAR NÃOINDEXAR
    INHOUD GEENINHOUD INHOUD_DWINGEN FORCEERINHOUD NIETBEWERKBARESECTIE GEEN_GALERIJ NIEUWESECTIELINK
    NIEUWESECTIEKOPPELING VERBORGENCAT GEENINDEX STATISCHEDOORVERWIJZING STATISCHEREDIRECT
    INNEHÅLLSFÖRTECKNING INGENINNEHÅLLSFÖRTECKNING ALLTIDINNEHÅLLSFÖRTECKNING INTEREDIGERASEKTION INGETGALLERI
    NYTTAVSNITTLÄNK DOLDKAT INDEXERA INTEINDEXERA STATISKOMDIRIGERING
    INNHOLDSFORTEGNELSE INNHOLDSLISTE INGENINNHOLDSFORTEGNELSE INGENINNHOLDSLISTE TVINGINNHOLDSFORTEGNELSE
    ALLTIDINNHOLDSLISTE INGENSEKSJONSREDIGERING INTETGALLERI SKJULTKATEGORI INDEKSER INGENINDEKSERING
    SPIS BEZSPISU ZESPISEM WYMUŚSPIS BEZEDYCJISEKCJI BEZGALERII LINKNOWEJSEKCJI KATEGORIAUKRYTA INDEKSUJ NIEINDEKSUJ
    ОГЛАВЛЕНИЕ ОГЛ БЕЗ_ОГЛАВЛЕНИЯ БЕЗ_ОГЛ ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ ОБЯЗ_ОГЛ БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА БЕЗ_ГАЛЕРЕИ
    СКРЫТАЯ_КАТЕГОРИЯ ИНДЕКС БЕЗ_ИНДЕКСА
    目录 目錄 无目录 無目錄 强显目录 強顯目錄 无段编辑 無段編輯 无图库 無圖庫 新段落链接 新段落鏈接 隐藏分类 隱藏分類 무목차 목차 목차보임숨김 부분편집숨김
    """
}

extension Wikitext {
  /// Two underscores: a switch, or one byte of text.
  mutating func underscores(_ start: Int, _ end: Int) -> Int {
    if peek(start + 1, end) == UInt8(ascii: "_"), let close = switchEnd(start + 2, end) {
      dropped()
      return close
    }
    out.append(UInt8(ascii: "_"))
    return start + 1
  }

  /// The index after the switch whose word starts at `start`; nil where it is none.
  private func switchEnd(_ start: Int, _ end: Int) -> Int? {
    let limit = min(end - 1, start + WikiSwitches.longestBytes)
    var close = start
    while close < limit, page[close] > 0x20, page[close] != UInt8(ascii: "_") || page[close + 1] != page[close] {
      close += 1
    }
    guard close > start, close < limit, page[close] == UInt8(ascii: "_") else { return nil }
    return rules.isSwitch(page + start, close - start) ? close + 2 : nil
  }
}

extension WikitextRules {
  /// Whether a word between underscores is a switch.
  func isSwitch(_ word: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    switch switches.value(word, count) {
    case .any?: true
    case .capitals?: !(0..<count).contains { word[$0] &- 0x61 < 26 }
    case nil: false
    }
  }
}

import ShardKit

/// Countries by the codes that flag templates of Japanese Wikipedia are named by (ISO 3166-1 alpha-3 and the IOC's).
enum WikiCountryNames {
  /// Flags of other years (`JPN1889`) of countries whose name was the same.
  static func keepsName(_ code: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    guard count == 7, (3..<7).allSatisfy({ code[$0] &- 0x30 < 10 }) else { return false }
    return ["JPN", "USA", "FRA", "GBR", "CAN", "AUS"].contains { name in
      zip(name.utf8, UnsafeBufferPointer(start: code, count: 3)).allSatisfy(==)
    }
  }

  static let table = ByteNameTable(
    pairs: """
      AFG アフガニスタン ALB アルバニア DZA アルジェリア ALG アルジェリア AND アンドラ AGO アンゴラ ANG アンゴラ ATG アンティグア・バーブーダ ARG アルゼンチン
      ARM アルメニア AUS オーストラリア AUT オーストリア AZE アゼルバイジャン BHS バハマ BAH バハマ BHR バーレーン BRN ブルネイ BGD バングラデシュ BAN バングラデシュ
      BRB バルバドス BAR バルバドス BLR ベラルーシ BEL ベルギー BLZ ベリーズ BIZ ベリーズ BEN ベナン BTN ブータン BHU ブータン BOL ボリビア
      BIH ボスニア・ヘルツェゴビナ BWA ボツワナ BOT ボツワナ BRA ブラジル BGR ブルガリア BUL ブルガリア BFA ブルキナファソ BDI ブルンジ KHM カンボジア CAM カンボジア
      CMR カメルーン CAN カナダ CPV カーボベルデ CAF 中央アフリカ共和国 TCD チャド CHA チャド CHL チリ CHI チリ CHN 中華人民共和国 PRC 中華人民共和国
      COL コロンビア COM コモロ COG コンゴ共和国 COD コンゴ民主共和国 CRI コスタリカ CRC コスタリカ CIV コートジボワール HRV クロアチア CRO クロアチア CUB キューバ
      CYP キプロス CZE チェコ DNK デンマーク DEN デンマーク DJI ジブチ DMA ドミニカ国 DOM ドミニカ共和国 ECU エクアドル EGY エジプト SLV エルサルバドル
      ESA エルサルバドル GNQ 赤道ギニア ERI エリトリア EST エストニア ETH エチオピア SWZ エスワティニ FJI フィジー FIJ フィジー FIN フィンランド FRA フランス
      GAB ガボン GMB ガンビア GAM ガンビア GEO ジョージア DEU ドイツ GER ドイツ GHA ガーナ GRC ギリシャ GRE ギリシャ GRD グレナダ GTM グアテマラ
      GUA グアテマラ GIN ギニア GNB ギニアビサウ GUY ガイアナ HTI ハイチ HAI ハイチ HND ホンジュラス HON ホンジュラス HKG 香港 HUN ハンガリー ISL アイスランド
      IND インド IDN インドネシア INA インドネシア IRN イラン IRI イラン IRQ イラク IRL アイルランド ISR イスラエル ITA イタリア JAM ジャマイカ JPN 日本
      JOR ヨルダン KAZ カザフスタン KEN ケニア KIR キリバス PRK 朝鮮民主主義人民共和国 KOR 大韓民国 ROK 大韓民国 KWT クウェート KUW クウェート KGZ キルギス
      LAO ラオス LVA ラトビア LAT ラトビア LBN レバノン LIB レバノン LSO レソト LES レソト LBR リベリア LBY リビア LIE リヒテンシュタイン LTU リトアニア
      LUX ルクセンブルク MAC マカオ MDG マダガスカル MAD マダガスカル MWI マラウイ MAW マラウイ MYS マレーシア MAS マレーシア MDV モルディブ MLI マリ共和国
      MLT マルタ MHL マーシャル諸島 MRT モーリタニア MTN モーリタニア MUS モーリシャス MRI モーリシャス MEX メキシコ FSM ミクロネシア連邦 MDA モルドバ MCO モナコ
      MON モナコ MNG モンゴル国 MGL モンゴル国 MNE モンテネグロ MAR モロッコ MOZ モザンビーク MMR ミャンマー MYA ミャンマー NAM ナミビア NRU ナウル NPL ネパール
      NEP ネパール NLD オランダ NED オランダ NZL ニュージーランド NIC ニカラグア NCA ニカラグア NER ニジェール NIG ニジェール NGA ナイジェリア NGR ナイジェリア
      MKD 北マケドニア NOR ノルウェー OMN オマーン OMA オマーン PAK パキスタン PLW パラオ PLE パレスチナ PSE パレスチナ PAN パナマ PNG パプアニューギニア
      PRY パラグアイ PAR パラグアイ PER ペルー PHL フィリピン PHI フィリピン POL ポーランド PRT ポルトガル POR ポルトガル PRI プエルトリコ PUR プエルトリコ
      QAT カタール ROU ルーマニア RUS ロシア RWA ルワンダ KNA セントクリストファー・ネイビス LCA セントルシア VCT セントビンセント・グレナディーン WSM サモア SAM サモア
      SMR サンマリノ STP サントメ・プリンシペ SAU サウジアラビア KSA サウジアラビア SEN セネガル SRB セルビア SCG セルビア・モンテネグロ SYC セーシェル SEY セーシェル
      SLE シエラレオネ SGP シンガポール SIN シンガポール SVK スロバキア SVN スロベニア SLO スロベニア SLB ソロモン諸島 SOL ソロモン諸島 SOM ソマリア
      ZAF 南アフリカ共和国 RSA 南アフリカ共和国 SSD 南スーダン ESP スペイン LKA スリランカ SRI スリランカ SDN スーダン SUD スーダン SUR スリナム SWE スウェーデン
      CHE スイス SUI スイス SYR シリア TWN 台湾 TPE チャイニーズタイペイ ROC 中華民国 TJK タジキスタン TZA タンザニア TAN タンザニア THA タイ TLS 東ティモール
      TGO トーゴ TOG トーゴ TON トンガ TGA トンガ TTO トリニダード・トバゴ TRI トリニダード・トバゴ TUN チュニジア TUR トルコ TKM トルクメニスタン TUV ツバル
      UGA ウガンダ UKR ウクライナ ARE アラブ首長国連邦 UAE アラブ首長国連邦 GBR イギリス ENG イングランド SCO スコットランド WAL ウェールズ NIR 北アイルランド
      USA アメリカ合衆国 URY ウルグアイ URU ウルグアイ UZB ウズベキスタン VUT バヌアツ VAN バヌアツ VAT バチカン VEN ベネズエラ VNM ベトナム VIE ベトナム
      YEM イエメン ZMB ザンビア ZAM ザンビア ZWE ジンバブエ ZIM ジンバブエ KOS コソボ XKX コソボ GRL グリーンランド GUM グアム BMU バミューダ諸島
      BER バミューダ諸島 CYM ケイマン諸島 FRO フェロー諸島 GIB ジブラルタル NCL ニューカレドニア PYF フランス領ポリネシア EUR 欧州連合 SSR ソビエト連邦 URS ソビエト連邦
      YUG ユーゴスラビア DDR ドイツ民主共和国 GDR ドイツ民主共和国 FRG ドイツ連邦共和国 TCH チェコスロバキア CSK チェコスロバキア
      """)
}

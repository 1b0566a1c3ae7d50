/// Maps old kanji (旧字) and historical kana (旧仮名) to modern ones, for comparison only, so that editions of a work in
/// both orthographies become similar.
///
/// Kanji and kana map one to one; then, in text order, iteration marks are expanded and historical spellings take a
/// form that modern ones take too: けふ and きょう, かう and こう, くわ and か. That is coarser than any orthography (は is わ, っ is
/// つ), which does no harm when complete texts are compared.
enum OldForms {
  /// The mapping of each scalar.
  @inline(__always)
  static func modern(_ scalar: UInt32) -> UInt32 {
    guard scalar &- 0x3041 < 0x7000, case let found = table[scalar], found != 0 else { return scalar }
    return UInt32(found)
  }

  private static let table = ScalarTable<UInt16>(
    rest: 0,
    pairs(kanji).map { ($0.old...$0.old, UInt16($0.modern)) } + pairs(kana).map { ($0.old...$0.old, UInt16($0.modern)) }
  )

  static func pairs(_ words: String) -> [(old: UInt32, modern: UInt32)] {
    words.split { $0 == " " || $0 == "\n" }.map { word in
      let scalars = word.unicodeScalars.map(\.value)
      return (scalars[0], scalars[1])
    }
  }

  private static let kana = """
    はわ ひい ふう へえ ほお ゐい ゑえ をお ぢじ づず っつ ゃや ゅゆ ょよ ぁあ ぃい ぅう ぇえ ぉお ゎわ
    ヰイ ヱエ ヲオ ヂジ ヅズ ッツ ャヤ ュユ ョヨ ァア ィイ ゥウ ェエ ォオ ヮワ
    """

  /// The old form, then the modern one.
  static let kanji = """
    乘乗 亂乱 亞亜 佛仏 來来 俠侠 俱倶 倂併 假仮 傳伝 僞偽 價価 儉倹 儘侭 兒児 內内 兩両 册冊
    冐冒 冩写 决決 况況 凉涼 减減 凖準 凜凛 凾函 刄刃 剝剥 剰剩 劍剣 劑剤 勞労 勳勲 勵励 勸勧
    區区 卷巻 卻却 卽即 厩廐 參参 吊弔 吳呉 吿告 呌叫 咏詠 啞唖 單単 喻喩 噓嘘 嚙噛 嚴厳 囊嚢
    囑嘱 囘回 囬回 圀国 圈圏 國国 圍囲 圓円 圖図 團団 埀垂 堯尭 塡填 增増 墮堕 壓圧 壘塁 壞壊
    壤壌 壯壮 壷壺 壹壱 壻婿 壽寿 夘卯 奧奥 奬奨 姸妍 姊姉 姙妊 姬姫 娛娯 婬淫 孃嬢 學学 寃冤
    寢寝 實実 寫写 寬寛 寶宝 將将 專専 對対 尙尚 屆届 屛屏 屬属 峯峰 峽峡 嶋島 嶌島 嶮険 嶽岳
    巖巌 巢巣 巵卮 帶帯 幇幫 廢廃 廣広 廰庁 廳庁 弌一 弍二 强強 彈弾 彌弥 彥彦 徑径 從従 徧遍
    徵徴 德徳 忰悴 恆恒 恠怪 悅悦 悳徳 惠恵 惡悪 惱悩 愼慎 慘惨 慙慚 慾欲 應応 懷懐 懺懴 戀恋
    戰戦 戲戯 戶戸 戾戻 拂払 拔抜 拜拝 挾挟 插挿 揭掲 揷挿 搔掻 搖揺 搜捜 摑掴 擇択 擊撃 擔担
    據拠 擧挙 擴拡 攝摂 攪撹 收収 效効 敍叙 敎教 敕勅 敘叙 數数 斈学 斷断 旣既 昻昂 晉晋 晚晩
    晝昼 暎映 曆暦 曉暁 曠昿 曾曽 會会 查査 桒桑 桺柳 條条 梦夢 棊棋 棧桟 榮栄 槇槙 槗橋 槩概
    槪概 樂楽 樓楼 樞枢 樣様 橫横 檜桧 檢検 櫻桜 權権 欝鬱 歎嘆 歐欧 歡歓 步歩 歲歳 歷歴 歸帰
    殘残 殼殻 毆殴 每毎 氣気 汙汚 沉沈 沒没 泪涙 涉渉 淚涙 淨浄 淸清 淺浅 渕淵 渴渇 溪渓 溫温
    滯滞 滿満 潑溌 潛潜 澁渋 澤沢 濕湿 濟済 濱浜 濵浜 濶闊 瀆涜 瀧滝 瀨瀬 灌潅 灣湾 烟煙 焰焔
    煉錬 煑煮 燄焔 燈灯 燒焼 營営 爐炉 爭争 爲為 牀床 犧犠 狀状 狹狭 獎奨 獨独 獵猟 獸獣 獻献
    瑤瑶 瓣弁 甁瓶 甞嘗 產産 畧略 畫画 當当 疉畳 疊畳 疎疏 瘦痩 癡痴 發発 皃貌 皷鼓 盃杯 盖蓋
    盜盗 盡尽 眞真 眾衆 硏研 碎砕 碕崎 礙碍 礦鉱 祕秘 祿禄 禪禅 禮礼 禱祷 稅税 稱称 稻稲 稾稿
    穗穂 穩穏 穽阱 竈竃 竊窃 竒奇 竝並 篭籠 簞箪 粹粋 糓穀 糺糾 絃弦 絕絶 絲糸 經経 綠緑 緖緒
    緣縁 縣県 縱縦 總総 繡繍 繩縄 繪絵 繫繋 繼継 續続 纖繊 罐缶 羣群 翆翠 耻恥 聯連 聲声 聽聴
    肅粛 脣唇 脫脱 腦脳 腳脚 膽胆 臈臘 臟臓 臺台 與与 舉挙 舊旧 舍舎 舘館 舩船 艷艶 艸草 莊荘
    莖茎 萠萌 萬万 葢蓋 蔕蒂 蔣蒋 蔴麻 蕋蕊 薰薫 藏蔵 藝芸 藥薬 蘆芦 處処 虛虚 號号 虵蛇 螢蛍
    蟬蝉 蟲虫 蠅蝿 蠟蝋 蠶蚕 蠻蛮 衞衛 裝装 裡裏 襃褒 覺覚 覽覧 觀観 觧解 觸触 詑詫 說説 謠謡
    證証 譌訛 譯訳 譽誉 讀読 變変 讓譲 讚讃 豐豊 豫予 豬猪 貍狸 貓猫 貳弐 賣売 賴頼 贊賛 贓賍
    踐践 蹤踪 躰体 軀躯 軆体 軣轟 輕軽 輙輒 轉転 辨弁 辭辞 辯弁 迯逃 遙遥 遞逓 遲遅 邇迩 邉辺
    邊辺 邨村 郞郎 鄕郷 鄰隣 醉酔 醫医 醬醤 醻酬 釀醸 釋釈 釼剣 鈎鉤 銕鉄 銳鋭 錄録 錢銭 鍊錬
    鎭鎮 鐮鎌 鐵鉄 鑄鋳 鑒鑑 鑛鉱 閇閉 閱閲 關関 陷陥 隨随 險険 隱隠 隸隷 雙双 雜雑 霸覇 靈霊
    靑青 靜静 靭靱 韭韮 頰頬 顏顔 顚顛 顯顕 飜翻 飮飲 餘余 餠餅 饑飢 駈駆 駢骈 騷騒 驅駆 驒騨
    驗験 驛駅 髓髄 體体 髙高 髮髪 鬧閙 鬪闘 鴈雁 鵝鵞 鷄鶏 鷗鴎 鹼鹸 鹽塩 麤粗 麥麦 麴麹 麵麺
    黃黄 黑黒 默黙 點点 黨党 齊斉 齋斎 齒歯 齡齢 龍竜 龜亀 龝秋 﨑崎
    """
}

extension OldForms {
  // Hiragana, starting at ぁ (U+3041).
  private static let a = row("かさたなまやらわがざだばぱあ", "こそとのもよろおごぞどぼぽお")
  private static let e = row("けせてねめれえげぜでべぺ", "きしちにみりいぎじじびぴ")
  private static let i = row("きしちにみりいぎじびぴ", "きしちにみりいぎじびぴ")
  private static let voiced = row("かきくけこさしすせそたちつてとわいうえお", "がぎぐげござじずぜぞだぢづでどばびぶべぼ")

  private static func row(_ from: String, _ to: String) -> [UInt32] {
    var row = [UInt32](repeating: 0, count: 96)
    for (a, b) in zip(from.unicodeScalars, to.unicodeScalars) { row[Int(a.value) - 0x3041] = b.value }
    return row
  }

  private static func value(_ row: [UInt32], _ scalar: UInt32) -> UInt32? {
    let place = scalar &- 0x3041
    return place < 96 && row[Int(place)] != 0 ? row[Int(place)] : nil
  }

  /// Rewrites folded text in place; returns its new length, which is never greater.
  static func modernize(_ text: UnsafeMutableBufferPointer<UInt32>) -> Int {
    var count = 0
    for scalar in text {
      let last = count > 0 ? text[count - 1] : scalar
      switch scalar {
      case 0x309D, 0x30FD, 0x3005: text[count] = last  // ゝ ヽ 々
      case 0x309E, 0x30FE: text[count] = value(voiced, last) ?? last  // ゞ ヾ
      case 0x308F where last == 0x304F || last == 0x3050:  // くわ ぐわ
        text[count - 1] = last == 0x304F ? 0x304B : 0x304C
        continue
      case 0x3046 where count > 0:  // う
        let long = lengthen(text, &count)
        text[count] = long
      default: text[count] = scalar
      }
      count += 1
    }
    return count
  }

  /// う after a kana: the long vowel that both spell. けう and きよう become きお, かう こう, いう ゆう, きゆう きう.
  private static func lengthen(_ text: UnsafeMutableBufferPointer<UInt32>, _ count: inout Int) -> UInt32 {
    let u: UInt32 = 0x3046, o: UInt32 = 0x304A, yo: UInt32 = 0x3088, yu: UInt32 = 0x3086
    if let long = value(a, text[count - 1]) { text[count - 1] = long }
    if let short = value(e, text[count - 1]) {
      text[count - 1] = short
      return o
    }
    let glide = text[count - 1]
    if glide == 0x3044 { text[count - 1] = yu }
    guard count > 1, value(i, text[count - 2]) != nil, glide == yo || glide == yu else { return u }
    count -= 1
    return glide == yo ? o : u
  }
}

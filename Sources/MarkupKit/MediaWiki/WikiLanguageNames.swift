import ShardKit

/// Languages as `{{lang-xx|…}}` of Japanese Wikipedia names them, by ISO 639 code.
enum WikiLanguageNames {
  /// The names themselves, which are templates too: `{{ラテン語|…}}`.
  static let names: ByteNameTable<Bool> = {
    var names = ByteNameTable<Bool>()
    for name in table.allValues { names.insert(name, true) }
    return names
  }()

  static let table = ByteNameTable(
    pairs: """
      en 英語 fr フランス語 de ドイツ語 es スペイン語 it イタリア語 pt ポルトガル語 ru ロシア語 zh 中国語 ko 朝鮮語 la ラテン語 el ギリシア語 grc 古代ギリシア語
      ar アラビア語 he ヘブライ語 fa ペルシア語 tr トルコ語 nl オランダ語 sv スウェーデン語 da デンマーク語 no ノルウェー語 nb ノルウェー語 nn ノルウェー語
      fi フィンランド語 is アイスランド語 pl ポーランド語 cs チェコ語 sk スロバキア語 hu ハンガリー語 ro ルーマニア語 bg ブルガリア語 sr セルビア語 hr クロアチア語
      bs ボスニア語 sl スロベニア語 mk マケドニア語 sq アルバニア語 uk ウクライナ語 be ベラルーシ語 lt リトアニア語 lv ラトビア語 et エストニア語 ka グルジア語
      hy アルメニア語 az アゼルバイジャン語 kk カザフ語 uz ウズベク語 ky キルギス語 tg タジク語 tk トルクメン語 mn モンゴル語 hi ヒンディー語 ur ウルドゥー語 bn ベンガル語
      ta タミル語 te テルグ語 ml マラヤーラム語 kn カンナダ語 mr マラーティー語 gu グジャラート語 pa パンジャーブ語 ne ネパール語 si シンハラ語 sa サンスクリット
      pi パーリ語 bo チベット語 my ビルマ語 th タイ語 lo ラオス語 km クメール語 vi ベトナム語 id インドネシア語 ms マレー語 tl タガログ語 jv ジャワ語 sw スワヒリ語
      am アムハラ語 ti ティグリニャ語 so ソマリ語 af アフリカーンス語 zu ズールー語 xh コサ語 st ソト語 tn ツワナ語 mg マダガスカル語 mi マオリ語 haw ハワイ語
      sm サモア語 to トンガ語 eu バスク語 ca カタルーニャ語 gl ガリシア語 oc オック語 co コルシカ語 sc サルデーニャ語 rm ロマンシュ語 lb ルクセンブルク語 ga アイルランド語
      gd スコットランド・ゲール語 cy ウェールズ語 br ブルトン語 mt マルタ語 yi イディッシュ語 eo エスペラント ku クルド語 ckb ソラニー ps パシュトー語 ug ウイグル語
      tt タタール語 ba バシキール語 cv チュヴァシ語 os オセット語 ce チェチェン語 qu ケチュア語 ay アイマラ語 gn グアラニー語 nah ナワトル語 fy フリジア語
      nds 低ザクセン語 yue 広東語 ain アイヌ語 ja 日本語 arc アラム語 syc シリア語 dv ディベヒ語 dz ゾンカ語
      """)
}

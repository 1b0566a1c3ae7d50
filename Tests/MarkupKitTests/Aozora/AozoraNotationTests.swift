import Testing

@testable import MarkupKit

@Suite struct AozoraNotationTests {
  private func plain(
    _ text: String, ruby: AozoraNotation.Ruby = .drop, gaiji: AozoraNotation.UnresolvedGaiji = .description
  ) -> String {
    var notation = AozoraNotation(ruby: ruby, unresolvedGaiji: gaiji)
    let out = Array(text.utf8).withUnsafeBufferPointer { notation.render($0) }
    return String(decoding: out, as: UTF8.self)
  }

  @Test(arguments: [
    ("灯《ひ》が消える", "灯が消える", "灯（ひ）が消える"),
    ("夜の｜ガス燈《がすとう》", "夜のガス燈", "夜のガス燈（がすとう）"),
    ("灯［＃「灯」に傍点］《ひ》", "灯", "灯（ひ）"),
    ("River《かわ》 〔cafe'〕《カフェ》", "River café", "River（かわ） café（カフェ）"),
    ("Rue de la 《みち》を", "Rue de la を", "Rue de la （みち）を"),
    ("※［＃「口＋弗」、第3水準1-14-92］《い》", "咈", "咈（い）"),
    ("○《まる》と□《しかく》", "○と□", "○（まる）と□（しかく）"),
    ("匂［＃「に※［＃「口＋弗」、第3水準1-14-92］」は注］《にお》う", "匂う", "匂（にお）う"),
  ])
  func rubyIsDroppedOrKept(source: String, dropped: String, kept: String) {
    #expect(plain(source) == dropped)
    #expect(plain(source, ruby: .keep) == kept)
  }

  @Test(arguments: [
    "《星》とだけある", "見よ、《星》と", "「《星》」", "終わりのない《星", "星》だけ", "縦｜棒", "｜甲｜乙", "※印", "〔備考〕と〔〕", "上／下", "[#半角]",
  ])
  func whatIsNoNotationStays(text: String) { #expect(plain(text) == text) }

  @Test func aQuotationMarkFromGaijiIsNoRuby() {
    #expect(plain("題※［＃始め二重山括弧、1-1-52］星※［＃終わり二重山括弧、1-1-53］") == "題《星》")
  }

  @Test(arguments: [
    ("［＃「土へん＋尚」、U+5872、12-3］", "塲"), ("［＃「さんずい＋口」、U+2A6B2、1-2-22］", "\u{2A6B2}"),
    ("［＃二の字点、1-2-22］", "〻"), ("［＃半濁点付き片仮名カ、1-5-87］", "カ゚"), ("［＃小書き片仮名フ゜、1-6-88］", "ㇷ゚"),
    ("［＃「乞」の異体、第4水準2-1-1］", "\u{20089}"), ("［＃感嘆符三つ、181-5］", "！！！"), ("［＃ローマ数字13、215-11］", "ⅩⅢ"),
    ("［＃濁点付き井、11-4］", "井゙"), ("［＃小書き平仮名ん、85-9］", "ん"), ("［＃「※」は「仝」、3-4］", "仝"),
  ])
  func gaijiAreResolvedInOrder(note: String, text: String) { #expect(plain("※" + note) == text) }

  @Test(arguments: [
    ("「魚＋夕」、12-8", "［魚＋夕］"), ("「※」は「魚＋夕」、読みは「うお」、12-8", "［魚＋夕］"),
    ("「感」の「心」に代えて「角」、229-12", "［「感」の「心」に代えて「角」］"),
    ("「馬＋※［＃「口＋弗」、第3水準1-14-92］のつくり」", "［馬＋咈のつくり］"), ("「王」、3-4-5", "王"),
    ("「巻の一」、1-104-17", "［巻の一］"), ("「私用」、U+E000", "［私用］"), ("「半分」、U+D800", "［半分］"),
  ])
  func whatCannotBeToldIsDescribed(note: String, text: String) {
    #expect(plain("甲※［＃\(note)］乙") == "甲\(text)乙")
  }

  @Test func unresolvedGaijiFollowTheOptionAndAreCounted() {
    #expect(plain("甲※［＃「魚＋夕」、12-8］乙", gaiji: .geta) == "甲〓乙")
    #expect(plain("甲※［＃「魚＋夕」、12-8］乙", gaiji: .drop) == "甲乙")
    var notation = AozoraNotation()
    _ = Array("※［＃「魚＋夕」］※［＃二の字点、1-2-22］《に》［＃改丁］［＃".utf8).withUnsafeBufferPointer { notation.render($0) }
    #expect(notation.counts == .init(rubies: 1, gaiji: 2, unresolvedGaiji: 1, notes: 1, unclosedNotes: 1))
  }

  @Test(arguments: [
    ("〔Cafe', garc,on, U:ber〕", "Café, garçon, Über"), ("〔AE&on coe&ur Klassenbewus&t〕", "Æon cœur Klassenbewußt"),
    ("〔?@Que'? !@Si'!〕", "¿Qué? ¡Sí!"), ("〔jusqu'a` demain: e'te'〕", "jusqu'à demain: été"),
    ("〔O'Brien e't〕", "O'Brien ét"),
    ("〔甲〔e'〕乙〕", "〔甲é乙〕"), ("〔cafe'\n〕", "〔cafe'\n〕"), ("cafe'", "cafe'"), ("〔abc〕", "〔abc〕"),
  ])
  func accentsAreComposedInsideTheirBrackets(source: String, text: String) { #expect(plain(source) == text) }

  @Test func repeatMarks() { #expect(plain("ゆら／＼、ざぶ／″＼、ほの／゛＼") == "ゆら〳〵、ざぶ〴〵、ほの〴〵") }

  @Test(arguments: [
    ("甲［＃「甲」に傍点］乙", "甲乙"), ("［＃５字下げ］題［＃「題」は中見出し］", "題"),
    ("不明［＃割り注］筆跡は女［＃割り注終わり］。", "不明（筆跡は女）。"), ("不明（［＃割り注］女［＃割り注終わり］）。", "不明（女）。"),
    ("甲［＃割り注］（女）［＃割り注終わり］", "甲（女）"), ("［＃ここから割り注］甲\n乙［＃ここで割り注終わり］", "（甲\n乙）"),
    ("甲［＃改行］乙", "甲\n乙"), ("不［＃レ］知［＃二］人［＃一］", "不知人"),
    ("巻1［＃「1」はローマ数字、1-13-21］、巻2［＃「1」はローマ数字、1-13-21］", "巻Ⅰ、巻2"),
    ("甲［＃「［三］」は縦中横］乙", "甲乙"), ("甲［＃「［」はママ］乙］", "甲乙］"), ("甲［＃「乙は底本では「丙」］丁", "甲丁"),
    ("甲［＃「乙※［＃「口＋弗」、第3水準1-14-92］」は底本では「丙」］丁", "甲丁"), ("甲［＃閉じない注", "甲［＃閉じない注"),
  ])
  func notesLeaveTheTextTheyNote(source: String, text: String) { #expect(plain(source) == text) }

  @Test func aLineOfNotesLeavesNoLineAndAPageBreakSeparates() {
    #expect(plain("甲\n［＃ここから２字下げ］\n乙\n　［＃ここで字下げ終わり］\n丙") == "甲\n乙\n丙")
    #expect(plain("甲\n［＃改ページ］\n乙\n\n［＃改丁］\n\n丙") == "甲\n\n乙\n\n\n丙")
    #expect(plain("［＃改ページ］\n\n甲\n\n") == "甲")
  }

  @Test func lineEndsOfAllKinds() { #expect(plain("甲\r\n乙\r\r丙\n丁\r") == "甲\n乙\n\n丙\n丁") }

  /// Each of them took time with the square of the line's length, or without any bound.
  @Test(arguments: [
    "［＃", "｜", "〔e'", "※［＃「", "甲《", "《", "［＃「", "／", "〔", "｜字《じ", "字《", "※", "〔［＃", "〔e'［＃］", "［＃］《",
    "字《じ》 ", "〕", "［＃［＃］", "》",
  ])
  func hostileRepetitionStaysLinear(mark: String) {
    let text = "字" + String(repeating: mark, count: 100_000)
    #expect(plain(text).utf8.count > 0)
    #expect(plain(text, ruby: .keep).utf8.count > 0)
  }

  /// Each level was read twice, so that 60 took longer than anyone waits.
  @Test func notesNestedDeeplyAreReadOnce() {
    let note = String(repeating: "※［＃口＋", count: 60) + String(repeating: "］", count: 60)
    let text = plain(note)
    #expect(text.hasPrefix("［口＋") && text.hasSuffix("］") && text.utf8.count <= note.utf8.count)
    #expect(plain("※［＃甲＋※［＃乙＋※［＃丙］］］") == "［甲＋乙＋※［＃丙］］")
  }

  @Test func whatIsNotClosedStays() {
    #expect(plain("｜字《じ｜字《じ") == "｜字《じ｜字《じ")
    #expect(plain("｜字《じ》と｜字《じ") == "字と｜字《じ")
  }

  // MARK: What real works write

  @Test(arguments: [
    ("［＃「さんずい＋墨」第3水準1-87-25］", "濹"), ("［＃「さんずい＋墨」、第３水準１－８７－２５］", "濹"),
    ("［＃「彳＋羊、第3水準1-84-32」］", "徉"), ("［＃「さんずい＋鷄」、第4水準2-94-45」］", "鸂"),
    ("［＃二の字点、面区点番号1-2-22］", "〻"), ("［＃「さんずい＋墨」1-87-25］", "濹"), ("［＃「口＋伊」、第4水準2-3-85］", "咿"),
    ("［＃「さんずい＋墨」　第三水準1-87-25、3-上-5］", "濹"),
  ])
  func addressesAreFoundWhereverTheyStand(note: String, text: String) { #expect(plain("※" + note) == text) }

  @Test(arguments: [
    ("「姉」の本字。第3水準1-85-57の木へんに代えて女へん。73-1", "［「姉」の本字。第3水準1-85-57の木へんに代えて女へん。73-1］"),
    ("「女＋※［＃第3水準1-85-57］」", "［女＋柹］"), ("「魚＋夕」、123-1-87-25", "［魚＋夕］"),
    ("「魚＋夕」1-87-25-3", "［「魚＋夕」1-87-25-3］"),
  ])
  func anotherCharactersAddressIsNotItsOwn(note: String, text: String) {
    #expect(plain("※［＃\(note)］") == text)
  }

  @Test(arguments: [
    ("※※［＃前の「※」は「ころもへん＋上」、後の「※」は「ころもへん＋下」、272-4］《かみしも》の", "［ころもへん＋上］［ころもへん＋下］の"),
    ("※※［＃1つ目の「※」は「口＋弗」、第3水準1-14-92、2つ目の「※」は「土へん＋尚」、U+5872］", "咈塲"),
    ("※※［＃「口＋弗」、第3水準1-14-92］", "※咈"), ("※※※", "※※※"),
  ])
  func oneNoteMayTellSeveralCharacters(source: String, text: String) { #expect(plain(source) == text) }

  @Test(arguments: [
    (
      "「〔Quid est amicitiae&［＃「〔amicitiae&〕」は底本では「amiticiae」］ inimica〕……こりゃ君",
      "「Quid est amicitiæ inimica……こりゃ君"
    ),
    ("〔abc［＃「〔cafe'〕」は底本では「café」］ def〕", "〔abc def〕"),
    ("〔Rene' : \"Le Hai:kai: franc,ais.\"〕", "René : \"Le Haïkaï français.\""),
    ("〔Noe:l: e'te'〕", "Noël: été"), ("〔Me'mo: e'te'〕", "Mémo: été"),
  ])
  func accentsGoOnBehindNotesAndSpaces(source: String, text: String) {
    // A letter that has a diaeresis before a space shows so by the word's other one.
    #expect(plain(source) == text)
  }

  @Test(arguments: ["白ゴマ", "白ゴマ点", "二重白ゴマ"])
  func sesameDots(name: String) { #expect(plain("参看※［＃\(name)、169-10］文三") == "参看﹆文三") }
}

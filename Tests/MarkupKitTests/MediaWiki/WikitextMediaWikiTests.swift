import Testing

@testable import MarkupKit

/// Markup whose reading MediaWiki defines to the letter: quotes, switches, tables.
@Suite struct WikitextMediaWikiTests {
  @Test(
    "Apostrophes, as MediaWiki's doQuotes reads them",
    arguments: [
      ("''Supreme Clientele'''s は作品。", "Supreme Clientele's は作品。"), ("l'''italique'' は斜体。", "l'italique は斜体。"),
      ("''x''' は値。", "x' は値。"), ("'''a''' ''b''", "a b"), ("''''a''''", "'a'"), ("''''''a''''''", "'a'"),
      ("'''''a''' b''", "a b"), ("d'Arcy's", "d'Arcy's"),
      // Of several bold marks the one behind a single letter is the apostrophe, else one behind a word, else a space.
      ("''a l'''b '''c''' d", "a l'b c d"), ("''a bb'''c '''d'''", "a bb'c d"), ("''aa'''b '''c l'''d", "aab c l'd"),
      ("''a '''b", "a 'b"), ("''y'' an '''b l'''c'' d", "y an b lc d"),
      // Each line by itself.
      ("''a\n'''b", "a\nb"), ("''a'''\n'''b'''", "a'\nb"), ("[[x|''l'''y]]", "l'y"), ("== ''l'''y ==\n文", "l'y\n文"),
    ])
  func quotes(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Behavior switches go, in any case and language; other words between underscores stay",
    arguments: [
      ("空欄__に語を入れ、次の空欄__にも入れる。", "空欄__に語を入れ、次の空欄__にも入れる。"), ("__init__と__main__の違い。", "__init__と__main__の違い。"),
      ("__toc__\n本文", "本文"), ("__NoToc__\n__目次__\n本文__節編集非表示__", "本文"), ("__KEIN_INHALTSVERZEICHNIS__\n文", "文"),
      ("__INDEX__文__index__", "文__index__"), ("____TOC____", "____"), ("a__b", "a__b"), ("___", "___"),
      ("__TOC_", "__TOC_"),
      ("＿＿目次＿＿\n文", "文"), ("次の＿＿に語を入れ、＿＿にも入れる。", "次の＿＿に語を入れ、＿＿にも入れる。"), ("__END__と__FILE__", "__END__と__FILE__"),
      ("__ОГЛАВЛЕНИЕ__текст", "текст"), ("__sin_galería__texto", "texto"),
    ])
  func switches(_ wikitext: String, _ text: String) { #expect(plainText(wikitext) == text) }

  @Test(
    "Tables by magic words, and closed by templates",
    arguments: [
      "{{{!}} class=\"wikitable\"\n{{!}} 一 {{!}}{{!}} 二\n{{!}}}", "{{(!}} class=a\n{{!-}}\n{{!}} 一 {{!!}} 二\n{{!)}}",
      "{|\n| 一\n{{end}}", "{|\n| 一 || {{won}}\n{{Table end}}", "{|\n{|\n|内\n{{end}}\n|外\n|}", ":{{{!}}\n{{!}}a\n{{!}}}",
      "{{{!}}\n{{!}} {{x|{{y}}}}\n{{!}} b\n{{!}}}", "{|\n| a\n{{end|note=1}}", " {{{!}}\n{{!}} a\n {{!}}}",
      "{|\n! a\n|-\n| b\n{{閉じる}}",
    ])
  func tables(_ table: String) { #expect(plainText("前\n\(table)\n後。この文は残る。") == "前\n後。この文は残る。") }

  @Test func textBehindATableThatNothingClosesStays() {
    #expect(plainText("{|\n| a\n{{不明な終わり}}\n後の文。\n== 節 ==\n続き。") == "後の文。\n\n節\n続き。")
    #expect(plainText("{|\n| a\n\n後の文。\n== 節 ==\n続き。") == "後の文。\n\n節\n続き。")
    #expect(plainText("{|\n| a\n{{注|b}}\n| c\n|}\n後") == "後")
    #expect(plainText("{{!}} は縦線である。") == "| は縦線である。")
  }

  @Test(
    "Files and categories of other wikis",
    arguments: [
      "[[Immagine:A.png|thumb|right|250px|Una didascalia]]", "[[Bild:B.jpg|mini|hochkant|Legende]]",
      "[[Archivo:C.jpg|miniaturadeimagen|Leyenda]]", "[[Изображение:D.jpg|мини|Подпись]]",
      "[[файл:D.jpg|мини|Подпись]]",
      "[[Kategorie:Ort]]", "[[Catégorie:Ville]]", "[[Lêer:E.jpg|duimnael|Byskrif]]",
    ])
  func foreignFiles(_ link: String) { #expect(plainText("前\(link)後") == "前後") }

  @Test(
    "Captions without the image options of other wikis",
    arguments: [
      ("[[Datei:a.jpg|mini|hochkant=1.2|links|alternativtext=x|Der Turm]]", "Der Turm"),
      ("[[Fichier:a.jpg|vignette|gauche|redresse|La tour]]", "La tour"),
      ("[[File:a.pdf|thumb|page 3|The tower]]", "The tower"),
      ("[[Archivo:a.jpg|miniaturadeimagen|izquierda|La torre]]", "La torre"),
      ("[[Immagine:a.jpg|miniatura|sinistra|La torre]]", "La torre"),
      ("[[Lêer:a.jpg|duimnael|regs|Die toring]]", "Die toring"),
      ("[[Datei:a.jpg|mini|hochkant 1.2]]", ""),
    ])
  func foreignCaptions(_ link: String, _ text: String) {
    #expect(plainText(link) { $0.keepCaptions = true } == text)
  }
}

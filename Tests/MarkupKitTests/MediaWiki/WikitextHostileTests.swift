import TestKit
import Testing

@testable import MarkupKit
@testable import ShardKit

/// Input made to hang, overflow or crash a parser of nested structures.
@Suite struct WikitextHostileTests {
  #if DEBUG
    /// Enough to tell quadratic from linear in a build without optimization.
    private static let hostileBytes = 96 << 10
    private static let nestedCount = 20_000
  #else
    private static let hostileBytes = 10 << 20
    private static let nestedCount = 100_000
  #endif

  /// Repeats a text to about this many bytes.
  private func repeated(_ text: String, bytes: Int) -> [UInt8] {
    let unit = Array(text.utf8)
    var out: [UInt8] = []
    out.reserveCapacity(bytes + unit.count)
    while out.count < bytes { out.append(contentsOf: unit) }
    return out
  }

  @Test(
    "Openers by the megabyte do not cost hours",
    arguments: [
      "{{", "[[", "{|\n", "<ref>", "<ref name=a>x", "<!--", "<nowiki>", "<math>", "[http://a ", "'''''", "{{{", "-{",
      "{{a|", "[[a|", "[[File:a|", "{{lang|en|",
      "<table>", "<div>", "&#", "__A", "\n{|\n\n|", "\n*{|", "{{a}", "]]", "}}", "<rt>", "（", "((", "== ", "\n==",
      "[[a\n\n", "|\n", "{{subst:", "{{Quotation|\n* ", "<",
      "<pre>", "{{a|<nowiki>", "[[a|<math>", " \n", "{|\n \n|", "[[a]][http://b [[c|d]", "{{lang|en|[[a|{{lang|en|",
      "_", "__", "__TOC", "'", "''", "'''", "''a'''", "w:", "[[w:", "{{{!}}\n", "\n{{!}}", "{|\n{{x", "{|\n{{x}}\n",
      "{|\n{{end", "\n{{{!}}\n{{!}} a",
      "{{val|", "{{val|1|e=", "{{lc:", "{{uc:x", "{{#if:", "{{#if:x|", "{{#switch:a|b|c=d|", "{{#switch:x|",
      "{{#if:{{#ifeq:a|a|", "{{#if:x|y}}",
      "{{#if:'''\n|y}}'''\n", "{{formatnum:1111111", "{{linktext|a|", "{{#expr:", "{{自治体人口/x}}。", "。{{#expr:1}}",
      "（{{#expr:1}}", "<math>\\", "<math>a\\,",
      "<sup>", "<sup>1", "10<sup>''", "{|\n==", "＿＿", "[[Bild:a|", "{{as of|", "{{col|\n* ",
    ])
  func openersAlone(_ unit: String) {
    let input = repeated(unit, bytes: Self.hostileBytes)
    _ = withoutHanging(unit.debugDescription) { plainText(input) }
  }

  @Test("A number of any length is grouped in one pass")
  func longNumbers() {
    let digits = [UInt8](repeating: UInt8(ascii: "1"), count: Self.hostileBytes * 4)
    let input = Array("{{val|".utf8) + digits + Array("|fmt=commas}}".utf8)
    let time = ContinuousClock().measure { _ = plainText(input) }
    #expect(time < .seconds(5), "\(time)")
    #expect(plainText("l'''a''{{val|1234567|fmt=commas}}") == "l'a1,234,567")
  }

  @Test(
    "Deep balanced nesting overflows no stack",
    arguments: [
      ("{{", "}}"), ("[[", "]]"), ("{{lang|en|", "}}"), ("[[a|", "]]"), ("{{{", "}}}"), ("\n{|\n|", "\n|}"),
      ("<div>", "</div>"), ("-{", "}-"), ("<table>", "</table>"),
      ("{{small|[[a|", "]]}}"), ("（", "）"), ("{{Quotation|\n*", "\n}}"), ("[http://a ", "]"), ("{{subst:", "}}"),
    ])
  func balanced(_ opener: String, _ closer: String) {
    let count = Self.nestedCount
    let input =
      repeated(opener, bytes: opener.utf8.count * count) + Array("中".utf8)
      + repeated(closer, bytes: closer.utf8.count * count)
    _ = withoutHanging(opener.debugDescription) { plainText(input) }
  }

  @Test func oneLinkOfManyPrefixesOverflowsNoStack() {
    let input = Array("[[:".utf8) + repeated("w:", bytes: 2 << 20) + Array("題]]".utf8)
    #expect(plainText(input).hasSuffix("題"))
  }

  @Test func tenMegabytesOfBrackets() {
    _ = withoutHanging("[[") { plainText(repeated("[[", bytes: 10 << 20)) }
  }

  @Test func textAfterHostileOpenersIsKept() {
    #expect(plainText(repeated("[[", bytes: 100_000) + Array("\n\n残る文。".utf8)).hasSuffix("残る文。"))
    #expect(plainText(repeated("{{", bytes: 100_000) + Array("\n残る文。".utf8)).hasSuffix("残る文。"))
  }

  @Test("Random mixtures of markup neither crash nor leave invalid UTF-8", arguments: 0..<20)
  func randomMarkup(_ seed: Int) {
    let pieces: [String] = [
      "{{", "}}", "[[", "]]", "{|", "|}", "|", "||", "\n", "\n\n", "=", "==", "*", "#", ":", ";", "<ref>", "</ref>",
      "<ref name=a/>", "<!--", "-->", "<nowiki>",
      "</nowiki>", "<math>", "</math>", "<br>", "<table>", "</table>", "<pre>", "</pre>", "[", "]", "[http://a ", "'''",
      "''", "&amp;", "&#91;", "&", "-{", "}-", "{{{", "}}}",
      "lang", "lang|en|", "仮リンク|", "File:", "Category:", "en:", "Re:", "漢字", "かな", "abc ", "（", "）", "(", ")", "、", "。",
      "__NOTOC__", "\u{05}", "=x", "<rt>", "</ruby>", "<sup>2</sup>", "{{!}}",
    ]
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
    func next() -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(pieces.count))
    }
    for round in 0..<200 {
      var input = ""
      for _ in 0..<(round * 3) { input += pieces[next()] }
      let first = plainText(input)
      #expect(first.utf8.elementsEqual(plainText(input).utf8))
      #expect(!first.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" })
      #expect(!first.unicodeScalars.contains("\u{FFFD}"))
      #expect(!first.contains("\n\n\n") && !first.hasSuffix("\n"))
    }
  }

  /// What a page may grow by: no template of the tables is longer than this many times its name.
  private static let longestGrowth = 12

  @Test("Random bytes crash nothing and grow little; of valid text comes valid text", arguments: 0..<8)
  func randomBytes(_ seed: Int) {
    var state = UInt64(seed) &+ 77
    let alphabet = Array("{}[]|<>='\n*#:;&-_ !/abcrefenval".utf8) + [0xE3, 0x80, 0x81, 0xEF, 0xBC, 0x88, 0xFF, 0x00]
    for length in stride(from: 0, to: 4000, by: 37) {
      let input = (0..<length).map { _ -> UInt8 in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return alphabet[Int(state >> 33) % alphabet.count]
      }
      #expect(rendered(input).count <= Self.longestGrowth * length)
      // The reader hands over valid text alone: libxml2 refuses any other.
      let valid = Array(String(decoding: input, as: UTF8.self).utf8)
      let text = rendered(valid)
      #expect(String(validating: text, as: UTF8.self) != nil)
      #expect(text.count <= Self.longestGrowth * valid.count)
    }
  }

  private static let rules = WikitextRules()

  private func rendered(_ input: [UInt8]) -> [UInt8] {
    var renderer = WikitextRenderer(rules: Self.rules)
    var output = PageBuffer()
    input.withUnsafeBufferPointer { renderer.extract($0, into: &output) }
    return Array(output.bytes)
  }

  @Test("Every template of the tables, with few arguments or many, of any form, traps nothing")
  func allTemplates() {
    let names = [
      "val", "convert", "frac", "as of", "nihongo", "nihongo3", "circa", "harvtxt", "age", "没年齢", "e", "sup", "sub",
      "linktext",
      "col", "hlist", "ubl", "transl", "langwithname", "flag", "ruby", "生年月日と年齢", "死亡年月日と没年齢", "angbr", "US$", "BCE",
      "sic", "lang", "仮リンク", "interlang", "audio", "colors", "自治体人口/x", "lc:", "uc:", "formatnum:", "#expr:", "HMS",
      "PAGENAME",
    ]
    let values = [
      "", " ", "1", "999999999999999999999", "-", "to", "–", "\n", "あ", "''", "{{e|1}}", "e=", "e=−5", "u=%", "u=",
      "1=", "300=x",
    ]
    let rules = WikitextRules()
    for name in names {
      for first in values {
        for second in values {
          let wikitext = "前{{\(name)|\(first)|\(second)|fmt=commas|adj=on|df=US|\(first)|\(second)|1|2|3}}後"
          let text = plainText(Array(wikitext.utf8), rules)
          #expect(String(validating: Array(text.utf8), as: UTF8.self) != nil && text.utf8.count < 400)
        }
      }
    }
    #expect(plainText("{{x|a|b}}") { $0.templates = ["x": 300] } == "")
    #expect(plainText("{{x|300=b|10=c}}") { $0.templates = ["x": 300] } == "b")
  }

  @Test(
    "An apostrophe that a line lacks cuts no letter, wherever templates move the text",
    arguments: [
      "''a l'''{{val|1|u=é\né'''é}}é", "''{{val|1|u=漢'''字}}", "''{{val|12345|fmt=commas|u=é'''}}\n''a'''é",
      "''{{linktext|a'''é|b}}é",
      "é-'''{''a}-é", "''{{val|1|u=é\n''é'''2|s=漢}}漢", "''{{convert|1|漢'''km2}}", "{{tableend|字", "{|\n|a\n{{end|字",
      "{|\n{{!|字",
    ])
  func apostrophesAmongInsertions(_ wikitext: String) {
    #expect(String(validating: rendered(Array(wikitext.utf8)), as: UTF8.self) != nil)
  }

  @Test func manyApostrophes() {
    let text = plainText(repeated("''é'''é\n", bytes: 256 << 10))
    #expect(text.hasPrefix("é'é\né'é\n") && text.utf8.count { $0 == UInt8(ascii: "'") } > 20_000)
  }

  @Test func titlesDoNotMultiplyAPage() {
    var renderer = WikitextRenderer(rules: WikitextRules())
    var output = PageBuffer()
    let title = [UInt8](repeating: UInt8(ascii: "t"), count: 4096)
    repeated("{{PAGENAME}} ", bytes: 256 << 10).withUnsafeBufferPointer {
      renderer.extract($0, title: title, into: &output)
    }
    #expect(output.count > 256 << 10 && output.count < 2 << 20)
  }

  @Test func costIsLinear() {
    let unit =
      "'''東京'''（{{lang-en|Tokyo}}、[[File:a.jpg|thumb|b]]）は[[日本|国]]の<ref>{{cite|a=1}}</ref>都市。\n* {{仮リンク|a|en|b}}\n{|\n|a\n|}\n"
    // 64 million million steps, were it not.
    _ = withoutHanging("eight megabytes of markup") { plainText(repeated(unit, bytes: 8 << 20)) }
  }
}

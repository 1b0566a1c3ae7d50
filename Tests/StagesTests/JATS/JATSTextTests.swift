import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct JATSTextTests {
  private static let fixtures = packagePath("Fixtures/jats")

  private func run(_ file: String, _ options: [String: JSONValue] = [:]) throws -> StageHarness {
    var all: [JSONMember] = [JSONMember("articles", .string(file)), JSONMember("minimumBytes", 0)]
    for (key, value) in options { all.append(JSONMember(key, value)) }
    let run = try StageHarness(JATSExtract.self, options: .object(all), base: Self.fixtures).run()
    #expect(run.ledger.imbalance == 0)
    return run
  }

  @Test func anArticleBecomesItsTitleAbstractsAndBody() throws {
    let run = try self.run("wetland.xml")
    let document = try #require(try run.documents().first)
    #expect(
      document.textString == """
        Reeds, frogs and CO₂: a survey

        葦と蛙と二酸化炭素

        Abstract

        Reeds keep water still. Frogs like still water.

        葦は水を静める。蛙は静かな水を好む。

        Background

        Reeds grow fast. Frogs follow, as Smith (2004) and others found; see Figure 1 and the methods of [9].

        Soils hold 10⁻³ mol of CO₂ per m². On the 1st day, the rate, was low… It rose.

        The law is where all is known.

        Sites

        Three sites were seen:

        the pond;
        the ditch;
        the rice field.

        They are near each other.

        Box 1

        A box of words.

        Still water, said the frog.

        A frog
        """)
    #expect(document.idString == "PMC900001" && document.source == Array("pmc".utf8))
    #expect(
      String(decoding: document.metadata, as: UTF8.self)
        == #"{"doi":"10.9999/wet.1","pmcid":"PMC900001","pmid":"70000001","title":"Reeds, frogs and CO₂: a survey","#
        + #""journal":"Journal of Invented Wetlands","year":2020,"type":"research-article","license":"CC BY 4.0","#
        + #""licenseSource":"license_ref","language":"en"}"#)
    #expect(run.metrics["subArticles"] == 1 && run.warnings.isEmpty)
  }

  @Test func whatIsLeftOutCanBeKept() throws {
    let text = try self.run(
      "wetland.xml",
      [
        "acknowledgements": "keep", "footnotes": "keep", "backMatter": "keep", "formulas": "tex", "scripts": "plain",
        "abstracts": "drop", "translatedAbstracts": .strings(["fr", "de"]),
      ]
    ).documents()[0].textString
    for part: String in [
      "CO2: a survey\n\nRoseaux et grenouilles\n\nBackground", "10−3 mol of CO2 per m2. On the 1st day, the rate",
      "The law is $$E = m c^2$$ where all", "A note within.", "We thank the frogs.", "Presented by the pond.",
      "Appendix\n\nMore reeds.",
    ] { #expect(text.contains(part), "\(part) in \(text)") }
    for part in ["葦", "Abstract", "References", "Old reeds", "I like frogs", "Figure 1\n", "A frog.\n", "Supporting"] {
      #expect(!text.contains(part), "\(part)")
    }
    // The paragraph that a note interrupts goes on as if it were not there.
    #expect(text.contains("was low… It rose."))
  }

  @Test func japaneseIsJoinedWithoutSpaces() throws {
    let document = try run("kawa.nxml").documents()[0]
    #expect(
      document.textString
        == "川の音の記録\n\nはじめに\n\n川の音は季節で変わる。録音は三年続けた。山田（2010）は春の音を高いと書いた。")
    #expect(document.idString == "doi:10.9999/kawa.2")
    #expect(
      String(decoding: document.metadata, as: UTF8.self).contains(
        #""license":"CC BY-SA 4.0","licenseSource":"wording""#))
    #expect(
      try run("kawa.nxml", ["translatedAbstracts": .strings(["*"])]).documents()[0].textString.contains("The sound"))
  }

  private func text(ofBody body: String, abstract: String = "", _ options: [String: JSONValue] = [:]) throws -> String {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let front = "<front><article-meta><abstract>\(abstract)</abstract></article-meta></front>"
    try FileSystem.write(
      Array("<article>\(abstract.isEmpty ? "" : front)<body>\(body)</body></article>".utf8), to: folder + "/a.xml")
    var options = options
    options["unknownLicense"] = "keep"
    return try run(folder + "/a.xml", options).documents()[0].textString
  }

  /// What floats within a paragraph parts the words around it; what stands in a line does not.
  @Test(arguments: [
    "table-wrap", "fig", "fig-group", "media", "graphic", "supplementary-material", "array", "chem-struct-wrap",
    "table-wrap-group",
  ])
  func floatsPartWhatStandsAroundThem(element: String) throws {
    let float = "<\(element)><label>L</label><caption><p>Cap.</p></caption></\(element)>"
    #expect(
      try text(ofBody: "<p>It is shown.\(float)The next. We saw.\(float) Then</p>")
        == "It is shown. The next. We saw. Then")
    #expect(try text(ofBody: "<p>示された。\(float)次の文。</p>") == "示された。次の文。")
    #expect(try text(ofBody: "<p>\(float)First.\(float)</p>") == "First.")
    #expect(try text(ofBody: "<p>a (\(float)) b</p>") == "a b")
  }

  @Test func whatStandsInALineJoinsNothing() throws {
    #expect(try text(ofBody: "<p>H<inline-graphic/>2 and 漢<rt>かん</rt>字</p>") == "H2 and 漢字")
    #expect(try text(ofBody: "<p>式は<disp-formula>x</disp-formula>である。</p>") == "式はである。")
  }

  @Test(arguments: [
    "<bold>DOI:</bold> <ext-link>http://dx.doi.org/10.7554/eLife.00005.002</ext-link>", "doi:10.7554/eLife.1",
    "https://doi.org/10.1371/journal.pone.0005723", "DOI: 10.7554/eLife.00005.002", "DOI 10.7554/x",
  ])
  func paragraphsThatAreDOIsAreNoText(paragraph: String) throws {
    #expect(
      try text(ofBody: "<p>Body.</p>", abstract: "<p>An abstract.</p><p>\(paragraph)</p>") == "An abstract.\n\nBody.")
    #expect(try text(ofBody: "<p>Body.</p><p>\(paragraph)</p>") == "Body.")
  }

  @Test(arguments: ["10.5/3", "DOI: see below", "10.7554/x is a DOI", "DOI", "12.3456/7"])
  func otherParagraphsStay(paragraph: String) throws { #expect(try text(ofBody: "<p>\(paragraph)</p>") == paragraph) }

  /// An address stands on lines of its own, and of the forms of one thing one is read.
  @Test(arguments: [
    (
      "It is.<address><addr-line>v</addr-line><addr-line>w</addr-line></address>The next.",
      "It is.\n\nv\nw\n\nThe next."
    ),
    ("It is. <alternatives><graphic/><textual-form>t</textual-form></alternatives> The next.", "It is. t The next."),
    ("It is.<alternatives><graphic/><textual-form>t</textual-form></alternatives>The next.", "It is.tThe next."),
    ("It is.<alternatives><textual-form>t</textual-form><textual-form>u</textual-form></alternatives>", "It is.t"),
    ("It is.<alternatives><graphic/><graphic/></alternatives>The next.", "It is. The next."),
    ("It is <alternatives><math>x</math><tex-math>y</tex-math></alternatives> so.", "It is $y$ so."),
    ("It is <alternatives><tex-math>y</tex-math><math>x</math></alternatives> so.", "It is $y$ so."),
    (
      "It <inline-formula><alternatives><math>x</math><tex-math>y</tex-math></alternatives></inline-formula> so.",
      "It $y$ so."
    ),
    (
      "It <inline-formula><alternatives><graphic/><tex-math>y</tex-math></alternatives></inline-formula> so.",
      "It $y$ so."
    ),
    (
      "A<alternatives><graphic/><alternatives><graphic/><textual-form>t</textual-form></alternatives></alternatives>",
      "At"
    ),
  ])
  func blocksInsideParagraphs(paragraph: String, expected: String) throws {
    #expect(try text(ofBody: "<p>\(paragraph)</p>", ["formulas": "tex"]) == expected)
  }

  /// One paragraph in, one out: § is a citation, ¶ a formula.
  @Test(arguments: [
    ("word [§1].", "word."), ("word §[1].", "word."), ("reviews such as [§34, §39].", "reviews such as [34, 39]."),
    ("reasoners; see, e.g., §[123],§[210].", "reasoners; see, e.g., [123],[210]."),
    ("a (such as [§1]) b", "a (such as [1]) b"),
    ("see for example [§5].", "see for example [5]."),
    ("shown, for instance, in §[5].", "shown, for instance, in [5]."),
    ("found in§[5].", "found in[5]."), ("the basis [§5].", "the basis."), ("cf. §[5].", "cf. [5]."),
    ("given via §[5], and", "given via [5], and"), ("see also §[5].", "see also [5]."), ("Gas §[5].", "Gas."),
    ("word §[1], §[2] and §[3] more", "word more"),
    ("word (§1)(§2) more", "word more"), ("word ([§1]) more", "word more"), ("a (STC; [§1]) b", "a (STC) b"),
    ("a (see e.g. §Smith 2004; §Jones 2005) b", "a b"), ("a (Figure 1; §Smith 2004) b", "a (Figure 1) b"),
    ("a (§Smith 2004; but see Box 2) b", "a (but see Box 2) b"), ("§Smith (2004) showed", "Smith (2004) showed"),
    ("§[1] begins", "begins"), ("as reported in §[5].", "as reported in [5]."), ("in [§5], and", "in [5], and"),
    ("(reviewed in [§5])", ""), ("a (Fig. 6 in §[3]) b", "a (Fig. 6 in [3]) b"), ("a, §[1], b", "a, b"),
    ("leprosy§[4]. They", "leprosy. They"), ("x ¶ is y", "x is y"), ("where ¶, and", "where, and"), ("a (¶) b", "a b"),
    ("§[3] reported that", "[3] reported that"), ("In 2004, §[3] showed", "In 2004, [3] showed"),
    ("It is. §[3] also found it.", "It is. [3] also found it."), ("but §[3] showed it", "but [3] showed it"),
    ("§[3]によれば、そうである。", "[3]によれば、そうである。"), ("これは§[3]で述べられた。", "これは[3]で述べられた。"),
    ("これは§[3]を参照。", "これは[3]を参照。"), ("文献§［3］によれば", "文献［3］によれば"), ("また、§[3]を見よ。", "また、[3]を見よ。"),
    ("Both §[3] and §[4] show", "Both [3] and [4] show"), ("Unlike §[3], we", "Unlike [3], we"),
    ("Smith et al. §[3] reported that", "Smith et al. reported that"),
    ("in mice, §[3] described by", "in mice, described by"),
    ("as shown. §[3] The next", "as shown. The next"), ("as shown, §[3] and so", "as shown, and so"),
    ("手法§[3]を用いた。", "手法を用いた。"), ("そうである。§[3]とくに", "そうである。とくに"), ("そうであるが§[3]、", "そうであるが、"),
    ("もの§[3]を用いた。", "ものを用いた。"), ("山田ら§[3]は", "山田らは"),
    ("f(x) and [0, 1] stay", "f(x) and [0, 1] stay"), ("音（§山田，2010）と［§1］", "音と"), ("a [§1", "a ["),
  ])
  func citationsGoWithWhatHeldThem(marked: String, expected: String) throws {
    var xml = ""
    for character in marked {
      switch character {
      case "§": xml += "<xref ref-type='bibr'>"
      case "¶": xml += "<inline-formula>x</inline-formula>"
      default: xml.append(character)
      }
    }
    // A citation ends before the sign that ends it here.
    var open = false
    var out = ""
    for part in xml.split(separator: "<xref ref-type='bibr'>", omittingEmptySubsequences: false) {
      guard open else {
        open = true
        out += part
        continue
      }
      let end = Self.citationEnd(part)
      out += "<xref ref-type='bibr'>" + part[..<end] + "</xref>" + part[end...]
    }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(
      Array("<article><body><p>\(out)</p><p>end</p></body></article>".utf8), to: folder + "/a.xml")
    let text = try run(folder + "/a.xml", ["unknownLicense": "keep"]).documents()[0].textString
    #expect(text == (expected.isEmpty ? "end" : expected + "\n\nend"))
  }

  /// A number ends with its bracket; a name behind its year, and that year's bracket.
  private static func citationEnd(_ part: Substring) -> Substring.Index {
    if part.hasPrefix("["), let end = part.firstIndex(of: "]") { return part.index(after: end) }
    if part.hasPrefix("［"), let end = part.firstIndex(of: "］") { return part.index(after: end) }
    var end = part.startIndex
    while end < part.endIndex, !part[end].isNumber { end = part.index(after: end) }
    while end < part.endIndex, part[end].isNumber { end = part.index(after: end) }
    if end < part.endIndex, part[..<end].contains("("), part[end] == ")" { end = part.index(after: end) }
    return end
  }
}

import Glibc
import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct JATSInputTests {
  private static let fixtures = packagePath("Fixtures/jats")
  private static let licensed = """
    <license xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="http://creativecommons.org/licenses/by/4.0/"/>
    """

  private func run(_ files: [String: [UInt8]], _ options: [JSONMember] = []) throws -> StageHarness {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for (name, bytes) in files { try FileSystem.write(bytes, to: folder + "/" + name) }
    let run = try StageHarness(
      JATSExtract.self,
      options: .object([JSONMember("articles", .string(folder)), JSONMember("minimumBytes", 0)] + options)
    ).run()
    #expect(run.ledger.imbalance == 0)
    return run
  }

  private func article(_ doi: String, _ body: String, declaration: String = "") -> [UInt8] {
    Array(
      """
      <?xml version="1.0"?>\(declaration)<article><front><article-meta>
      <article-id pub-id-type="doi">\(doi)</article-id>\(Self.licensed)</article-meta></front>\(body)</article>
      """.utf8)
  }

  private func outcome(_ bytes: [UInt8], _ options: [JSONMember] = []) throws -> String {
    let run = try self.run(["a.xml": bytes], options)
    if let drop = try run.drops().first { return "\(drop.reason): \(drop.detail ?? "")" }
    return try run.documents().map(\.textString).joined(separator: "|")
  }

  // MARK: Members of one name

  private static let archives = """
    import io, sys, tarfile, zipfile
    def xml(body, doi=""):
      front = f"<front><article-meta>{doi}{sys.argv[1]}</article-meta></front>"
      return f"<article>{front}<body><p>{body}</p></body></article>".encode()
    with zipfile.ZipFile("z.zip", "w") as z:
      for name, body in [("XX.xml", "6"), ("YY.xml", "7")]: z.writestr(name, xml(body))
    data = open("z.zip", "rb").read()
    for old, new in [(b"XX.xml", "一.xml"), (b"YY.xml", "二.xml")]: data = data.replace(old, new.encode("cp932"))
    open("w/z.zip", "wb").write(data)
    with tarfile.open("w/t.tar", "w") as tar:
      doi = '<article-id pub-id-type="doi">d</article-id>'
      for name, text in [("x.xml", xml("1")), ("../x.xml", xml("2")), ("C:\\\\x.xml", xml("3")), ("/x.xml", xml("2")),
          ("y.xml", xml("4", doi)), ("z.xml", xml("5", doi))]:
        member = tarfile.TarInfo(name)
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    """

  /// Names say nothing of the articles: they may be in code page 932, and unsafe ones meet when they are made safe.
  @Test func membersOfOneNameAreAllRead() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(Self.archives.utf8), to: folder + "/make.py")
    try #require(system("cd '\(folder)' && mkdir w && python3 make.py '\(Self.licensed)'") == 0)
    let run = try StageHarness(
      JATSExtract.self, options: ["articles": .string(folder + "/w"), "minimumBytes": 0]
    ).run()
    #expect(run.ledger.imbalance == 0)
    #expect(
      try run.documents().map { "\($0.idString) \($0.textString)" }.sorted() == [
        "doi:d 4", "pmc:t.tar/x.xml 1", "pmc:t.tar/x.xml~2 2", "pmc:t.tar/x.xml~3 3", "pmc:z.zip/一.xml 6",
        "pmc:z.zip/二.xml 7",
      ])
    #expect(
      try run.drops().map { "\($0.id) \($0.reason) \($0.survivor ?? "")" } == [
        "pmc:t.tar/x.xml duplicate pmc:t.tar/x.xml~2", "doi:d other-version doi:d",
      ])
  }

  // MARK: Hostile XML

  @Test func entitiesOfTheDocumentNeverExpand() throws {
    var laughs = "<!ENTITY l0 \"ha\">"
    for level in 1...9 { laughs += "<!ENTITY l\(level) \"\(String(repeating: "&l\(level - 1);", count: 10))\">" }
    let body = "<body><p>A &l9; B</p></body>"
    #expect(
      try outcome(article("1", body, declaration: "<!DOCTYPE article [\(laughs)]>"))
        == "malformed-xml: Entity 'l9' not defined in line 2")
    // With a DTD that is not loaded, what it may define is left out.
    let run = try self.run(["a.xml": article("1", body, declaration: "<!DOCTYPE article SYSTEM \"x.dtd\" [\(laughs)]>")]
    )
    #expect(try run.documents().map(\.textString) == ["A B"] && run.warnings == ["unknown-entity": 1])
  }

  /// libxml2 compares each attribute, and looks for each prefix, among all that are there.
  @Test func attributesAndNamespacesAreBounded() throws {
    let many = (0..<200_000).map { "a\($0)=\"\"" }.joined(separator: " ")
    #expect(
      try outcome(article("1", "<body><p \(many)>A</p></body>"))
        == "malformed-xml: an element has more than 256 attributes")
    let few = (0..<200).map { "a\($0)=\"=>\"" }.joined(separator: " ")
    let comment = "<!-- <p \(many)> --><?x \(many)?>"
    #expect(
      try outcome(article("1", "<body>\(comment)<p \(few)>A<![CDATA[<p \(few) \(few)>]]></p></body>")).hasPrefix(
        "A<p a0="))
    let spaces = (0..<200).map { "xmlns:n\($0)=\"u\"" }.joined(separator: " ")
    let nested = String(repeating: "<sec \(spaces)>", count: 6) + String(repeating: "</sec>", count: 6)
    #expect(
      try outcome(article("1", "<body>\(nested)</body>"))
        == "malformed-xml: more than 1024 namespaces are declared at once")
    let besides = String(repeating: "<p \(spaces)>A</p>", count: 20)
    #expect(try outcome(article("1", "<body>\(besides)</body>")).hasPrefix("A\n\nA"))
    let declared = "<!DOCTYPE article [<!ATTLIST p a CDATA \"x\">]>"
    #expect(
      try outcome(article("1", "<body><p>A</p></body>", declaration: declared))
        == "malformed-xml: it declares attributes")
  }

  @Test func metadataIsBounded() throws {
    let title = "<title-group><article-title>\(String(repeating: "題", count: 3_000))</article-title></title-group>"
    let xml = String(decoding: article("1", "<body><p>A</p></body>"), as: UTF8.self)
      .replacing("<license", with: title + "<license")
    let document = try #require(try run(["a.xml": Array(xml.utf8)]).documents().first)
    let metadata = try JSONValue.parse(document.metadata).value
    #expect(metadata["title"]?.string == String(repeating: "題", count: 1365))
    #expect(document.textString.hasPrefix(String(repeating: "題", count: 3_000)))
  }

  @Test func externalEntitiesAreNotRead() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array("SECRET".utf8), to: folder + "/secret")
    for reference in ["SYSTEM \"file://\(folder)/secret\"", "SYSTEM \"http://127.0.0.1:9/secret\""] {
      let doctype =
        "<!DOCTYPE article SYSTEM \"\(folder)/secret\" [<!ENTITY x \(reference)> <!ENTITY % y \(reference)> %y;]>"
      let run = try self.run(["a.xml": article("1", "<body><p>A &x; B</p></body>", declaration: doctype)])
      #expect(try run.documents().map(\.textString) == ["A B"])
    }
  }

  @Test func depthIsBounded() throws {
    let deep = String(repeating: "<sec>", count: 100_000)
    #expect(try outcome(article("1", "<body>" + deep)) == "malformed-xml: elements are nested more than 256 deep")
    let nested = String(repeating: "<sec>", count: 200) + "<p>x</p>" + String(repeating: "</sec>", count: 200)
    #expect(try outcome(article("1", "<body>\(nested)</body>")) == "x")
  }

  @Test func sizeIsBounded() throws {
    let run = try self.run(
      ["a.xml": article("1", "<body><p>\(String(repeating: "x", count: 5000))</p></body>")],
      [JSONMember("maximumArticleBytes", 4096)])
    let drop = try run.drops()[0]
    #expect(drop.reason == "too-large" && drop.threshold == 4096)
  }

  @Test func manyCitationsTakeLinearTime() throws {
    let body = "<body><p>" + String(repeating: "(<xref ref-type='bibr'>1</xref> ", count: 60_000) + "</p></body>"
    _ = try withoutHanging("60,000 citations") { try outcome(article("1", body)) }
  }

  @Test func whatIsNotWellFormedIsNamedWithItsPlace() throws {
    #expect(
      try outcome(article("1", "<body><p>A</body>")).hasPrefix("malformed-xml: Opening and ending tag mismatch: p"))
    #expect(try outcome(Array("<html><p>A</p></html>".utf8)) == "malformed-xml: it contains no <article>")
    #expect(try outcome([]).hasPrefix("malformed-xml: "))
    #expect(try outcome(Array("<article><body><p>A".utf8)).hasPrefix("malformed-xml: "))
  }

  // MARK: Containers

  @Test func theSameArticlesComeFromEveryContainer() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let texts = try ["wetland.xml", "kawa.nxml"].map { try FileSystem.read(Self.fixtures + "/" + $0) }
    try FileSystem.makeDirectory(folder + "/in/PMC7")
    try FileSystem.write(texts[0], to: folder + "/in/PMC7/wetland.xml")
    try FileSystem.write(texts[1], to: folder + "/in/PMC7/kawa.nxml")
    try FileSystem.write([0x89, 0x50], to: folder + "/in/PMC7/picture.png")
    try makeArchives(folder)
    let expected = try ids(folder + "/in")
    #expect(expected == ["PMC900001", "doi:10.9999/kawa.2"])
    for archive in ["a.tar", "a.tar.gz", "a.tar.zst", "a.zip", "packed"] {
      #expect(try ids("\(folder)/\(archive)") == expected, "\(archive)")
    }
  }

  private func makeArchives(_ folder: String) throws {
    let script = """
      import sys, os, tarfile, zipfile, gzip
      os.chdir(sys.argv[1])
      for name, mode in (("a.tar", "w"), ("a.tar.gz", "w:gz")):
          with tarfile.open(name, mode) as t: t.add("in/PMC7", "PMC7")
      with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
          z.write("in/PMC7/wetland.xml", "PMC7/wetland.xml")
          z.writestr("PMC7/kawa.nxml.gz", gzip.compress(open("in/PMC7/kawa.nxml", "rb").read()))
          z.writestr("../escape.xml", "<article/>")
      os.mkdir("packed")
      open("packed/wetland.xml.gz", "wb").write(gzip.compress(open("in/PMC7/wetland.xml", "rb").read()))
      os.link("in/PMC7/kawa.nxml", "packed/kawa.nxml")
      """
    try FileSystem.write(Array(script.utf8), to: folder + "/make.py")
    #expect(try ChildProcess([folder + "/make.py", folder], program: "python3").wait().status == 0)
    let file = try FileSink(folder + "/a.tar.zst")
    let sink = ZstdSink(file)
    try sink.write(try FileSystem.read(folder + "/a.tar"))
    try sink.commit()
  }

  private func ids(_ path: String) throws -> [String] {
    let run = try StageHarness(
      JATSExtract.self, options: ["articles": .string(path), "minimumBytes": 0]
    ).run()
    // A zip's member under a name that leads out of it is read too, and is no article's text.
    let drops = try run.drops().count
    #expect(run.ledger.imbalance == 0 && run.ledger.input.documents - drops == 2)
    return try run.documents().map(\.idString).sorted()
  }

  @Test func wiredFilesAreReadToo() throws {
    let stage = try StageHarness(JATSExtract.self, options: ["minimumBytes": 0])
    let path = Self.fixtures + "/wetland.xml"
    let bytes = try FileSystem.read(path)
    stage.add(
      files: [ArtifactFile(path: path, name: "wetland.xml", bytes: Int64(bytes.count), digest: Digester.digest(bytes))],
      to: "files")
    #expect(try stage.run().documents().map(\.idString) == ["PMC900001"])
  }

  @Test func aDamagedArchiveStopsOrIsNamed() throws {
    let archive = Array("not a tar".utf8)
    #expect { try self.run(["a.tar": archive]) } throws: { ($0 as? ShardError)?.code == .truncated }
    let run = try self.run(["a.tar": archive], [JSONMember("damagedArchives", "drop")])
    #expect(try run.drops().map(\.reason) == ["damaged-archive"])
  }

  // MARK: Ledger

  @Test func everyArticleIsWrittenOrNamed() throws {
    let text = "<body><p>Enough words for a text.</p></body>"
    var retracted = String(decoding: article("4", text), as: UTF8.self)
    retracted = retracted.replacing(
      "</article-meta>", with: "<related-article related-article-type=\"retraction-forward\"/></article-meta>")
    let run = try self.run(
      [
        "1.xml": article("1", text), "2.xml": article("1", text), "3.xml": article("3", ""),
        "4.xml": Array(retracted.utf8), "5.xml": article("5", "<body><p>Short.</p></body>"),
        "6.xml": Array("<set>\(String(decoding: article("6", text), as: UTF8.self).dropFirst(21))".utf8)
          + Array("\(String(decoding: article("7", text), as: UTF8.self).dropFirst(21))</set>".utf8),
      ], [JSONMember("minimumBytes", 20)])
    #expect(try run.documents().map(\.idString) == ["doi:1", "doi:6", "doi:7"])
    #expect(
      try run.drops() == [
        .init(id: "doi:1", reason: "duplicate", survivor: "doi:1", detail: "2.xml"),
        .init(id: "doi:3", reason: "no-body"), .init(id: "doi:4", reason: "retracted", detail: "a notice retracts it"),
        .init(id: "doi:5", reason: "too-short", value: 6, threshold: 20),
      ])
  }

  @Test func optionsThatCannotBeMeantAreErrors() throws {
    #expect {
      try StageHarness(JATSExtract.self, options: ["licenses": .strings(["CC BY-NX"])])
    } throws: { "\($0)".contains("'CC BY-NX' is not a valid choice. Did you mean 'CC BY-ND'?") }
    #expect { try StageHarness(JATSExtract.self, options: ["licenses": .strings([])]) } throws: {
      "\($0)".contains("allows no license, so nothing would be kept. Name some, such as CC0,")
    }
    #expect { try StageHarness(JATSExtract.self, options: [:]).run() } throws: {
      "\($0)".contains("articles: there is nothing to read.")
    }
    #expect { try run(["a.txt": [65]]) } throws: {
      "\($0)".contains("the given or wired files contain no .xml, .nxml, .tar or .zip of articles.")
    }
    let list = Self.fixtures + "/wetland.xml"
    #expect {
      try StageHarness(JATSExtract.self, options: ["articles": .string(list), "list": .string(list)]).run()
    } throws: {
      "\($0)".contains(
        "wetland.xml: its header has no columns \"Accession ID\" and \"License\". Name PMC's oa_file_list")
    }
  }
}

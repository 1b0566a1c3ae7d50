import TestKit
import Testing

@testable import MarkupKit
@testable import ShardKit

/// A text in pieces.
private final class Pieces: ByteSource {
  let name = "pieces"
  private let bytes: [UInt8]
  private let step: Int
  private var at = 0

  init(_ bytes: [UInt8], step: Int) {
    self.bytes = bytes
    self.step = step
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(step, buffer.count, bytes.count - at)
    buffer.copyBytes(from: bytes[at..<at + count])
    at += count
    return count
  }
}

/// Pages read by the scanner are what libxml2 makes of them, down to the messages about what follows them.
@Suite struct WikiPageScannerTests {
  private func items(_ dump: [UInt8], _ step: Int, isFragment: Bool = false, scansPages: Bool) throws -> [String] {
    let reader = WikiDumpReader(
      Pieces(dump, step: step), isFragment: isFragment, isLast: !isFragment, maximumPageBytes: 3000,
      scansPages: scansPages)
    var items: [String] = []
    while let item = try reader.next() {
      switch item {
      case .page(let page): items.append(description(page))
      case .damage(let damage):
        items.append("\(damage.kind) \(damage.message) \(damage.page.map(description) ?? "between")")
      }
    }
    return items
  }

  private func description(_ page: WikiDumpPage) -> String {
    let fields = [page.title, page.namespace, page.id, page.revision, page.timestamp, page.model]
    return (fields + [Array(page.text.bytes)]).map { String(decoding: $0, as: UTF8.self) }.joined(separator: "|")
      + " \(page.isRedirect) \(page.textBytes) \(page.textElements)"
  }

  private func expectEqual(_ dump: [UInt8], steps: [Int] = [1 << 20, 7]) throws {
    for step in steps {
      for isFragment in [false, true] {
        let read = try items(dump, step, isFragment: isFragment, scansPages: true)
        let expected = try items(dump, step, isFragment: isFragment, scansPages: false)
        #expect(read == expected, "\(String(decoding: dump, as: UTF8.self)), pieces of \(step)")
      }
    }
  }

  private static let usual = """
      <page>
        <title>織機 &amp; &quot;糸&quot;</title>
        <ns>0</ns>
        <id>7</id>
        <redirect title="A &lt;b&gt; &#039;c&#039;" />
        <revision>
          <id>100</id>
          <parentid>99</parentid>
          <timestamp>2026-01-01T00:00:00Z</timestamp>
          <contributor>
            <username>織る人</username>
            <id>5</id>
          </contributor>
          <minor />
          <comment>直した。</comment>
          <origin>100</origin>
          <model>wikitext</model>
          <format>text/x-wiki</format>
          <text bytes="40" sha1="abc" xml:space="preserve">'''織機'''は&lt;br /&gt;[[糸]]から布を織る。\t&amp;nbsp;
    二行目。</text>
          <sha1>abc</sha1>
        </revision>
      </page>

    """

  private func outcome(_ page: String) -> WikiPageScanner.Outcome {
    let parser = WikiDumpParser(maximumPageBytes: 1 << 20)
    return Array(page.utf8).withUnsafeBytes { WikiPageScanner.scan($0, into: parser) }
  }

  @Test func theUsualFormIsScanned() throws {
    let page = Self.usual.drop { $0 == " " }
    let length = page.utf8.count - 1
    #expect(outcome(String(page)) == .page(end: length))
    #expect(outcome("<page/>") == .unusual && outcome("</mediawiki>") == .unusual)
    for cut in 0..<length {
      #expect(outcome(String(decoding: Array(page.utf8)[..<cut], as: UTF8.self)) != .page(end: cut))
    }
    for file in ["jawiki.xml", "old.xml"] {
      let dump = String(decoding: try FileSystem.read(packagePath("Fixtures/wikipedia/" + file)), as: UTF8.self)
      for part in dump.split(separator: "<page>").dropFirst() where part.firstRange(of: "</page>") != nil {
        #expect(outcome("<page>" + part) != .incomplete)
      }
    }
  }

  private static let unusual = [
    "<page><title>a\r\nb</title></page>", "<page><title>&apos;&#38;&#x96E8;&unknown;</title></page>",
    "<page><revision><text>a]]>b</text></revision></page>", "<page><revision><text>]]&gt;</text></revision></page>",
    "<page><!-- </page> --><title>c</title></page>", "<page><title><![CDATA[</page>]]></title></page>",
    "<page a='1'><title>q</title></page>", "<page\n><title>n</title></page >",
    "<page><title b=\"1\" b=\"2\">x</title></page>",
    "<page><title xmlns:a=\"b\">y</title></page>", "<page><a:title>z</a:title></page>", "<Page><title>P</title></Page>",
    "<page><revision><text>u<br/>v<b>w</b></text></revision></page>", "<page><title>\u{FFFE}</title></page>",
    "<page><title>\u{1}</title></page>", "<page><title>open</titel></page>", "<page><ns/>text<id>3</id> &amp; </page>",
    "<page><x y=\"a<b\"/></page>", "<page><x y=\"&lt;\u{FFFF}\"/></page>", "<page><x y=\"&nbsp;\"/></page>",
    "<page><title>t</title><page><id>9</id></page></page>",
    "<page><redirect /><revision><id>1</id></revision><revision>"
      + "<id>2</id><text xml:space=\"preserve\" /></revision></page>", "<page><x", "</mediawiki>", "</page>",
    "<!DOCTYPE a>",
    "<page>" + String(repeating: "<x>", count: 40) + String(repeating: "</x>", count: 40) + "</page>",
    "<page><title>" + String(repeating: "長", count: 2000) + "</title><revision><text>"
      + String(repeating: "糸&amp;", count: 2000) + "</text></revision></page>",
    "<page><x y=\"" + String(repeating: "z", count: 70_000) + "\"/></page>",
    "<page><revision><text>" + String(repeating: "頁\n", count: 80_000) + "</text></revision></page>", "\u{FEFF}", "糸",
    "\n",
  ]

  private static let head = "<mediawiki xml:lang=\"ja\">\n<siteinfo><sitename>W</sitename></siteinfo>\n"

  @Test(arguments: unusual) func unusualFormsAreWhatLibxml2MakesOfThem(page: String) throws {
    let dump = Self.head + Self.usual + page + Self.usual + page + "</mediawiki>"
    try expectEqual(Array(dump.utf8))
  }

  @Test func encodingsAreThoseThatTheDumpDeclares() throws {
    let page = "<page><title>caf\u{E9}</title></page>"
    let latin = Array(
      "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><mediawiki>\(page)\(page)</mediawiki>".unicodeScalars
    )
    .map { UInt8($0.value) }
    #expect(try items(latin, 1 << 20, scansPages: true) == ["café|||||| false 0 0", "café|||||| false 0 0"])
    try expectEqual(latin, steps: [1 << 20])
    let wide = Array("\u{FEFF}<mediawiki>\(page)\(page)</mediawiki>".utf16).flatMap {
      [UInt8($0 & 255), UInt8($0 >> 8)]
    }
    try expectEqual(wide, steps: [1 << 20])
  }

  @Test func damagedDumpsAreWhatLibxml2MakesOfThem() throws {
    var random = SplitMix(seed: 1)
    let seeds = try ["jawiki.xml", "old.xml"].map { try FileSystem.read(packagePath("Fixtures/wikipedia/" + $0)) }
    let words =
      (["<", ">", "&", "/", "\"", "=", "]]>", "<page>", "</page>", "<text>", "</text>", "\r", "\u{0}"] + Self.unusual)
      .filter { $0.utf8.count < 200 }.map { Array($0.utf8) } + [[0xFF], [0xE3, 0x81], [0xEF, 0xBF, 0xBE]]
    for round in 0..<400 {
      var dump = round % 3 == 0 ? Array((Self.head + Self.usual + Self.usual + "</mediawiki>").utf8) : seeds[round % 2]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0...dump.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: dump.removeSubrange(place..<min(dump.count, place + Int.random(in: 1...9, using: &random)))
        case 1 where place < dump.count: dump[place] = UInt8.random(in: 0...255, using: &random)
        case 2 where round % 8 == 0: dump.removeSubrange(place...)
        default: dump.insert(contentsOf: words.randomElement(using: &random)!, at: place)
        }
      }
      // What libxml2 makes of damage depends on the pieces that it is given.
      try expectEqual(dump, steps: [1 << 20])
    }
  }
}

import ShardKit
import TestKit
import Testing

/// `report.datasheet` says of a corpus what its stages did, and shows nothing of what they removed.
@Suite struct DatasheetTests {
  private static let hostile = "<script>alert('x')</script>|\u{202E}`[a](javascript:b)"
  private static let mail = "taro.yamada@mail-of-a-person.jp"

  private static func document(_ rule: String) -> String {
    """
    { "format": 1, "name": "corpus", "stages": {
      "read": { "use": "documents.read", "options": { "files": "texts" } },
      "quality": { "use": "score.quality", "inputs": { "documents": "read" } },
      "good": { "use": "gate", "inputs": { "documents": "read", "signals": "quality" },
        "options": { "require": {
          "\(rule)": "characters >= 21 and hiraganaFraction >= 0.05",
          "most": "zlibRatio < quantile(zlibRatio, 0.9)" } } },
      "exact": { "use": "dedupe.exact", "inputs": { "documents": "good" } },
      "clear": { "use": "decontaminate", "inputs": { "documents": "exact" }, "options": { "sets": { "quiz": "quiz.txt" } } },
      "mask": { "use": "redact.pii", "inputs": { "documents": "clear" } },
      "sheet": { "use": "report.datasheet", "inputs": { "documents": "mask" },
        "options": { "title": "A & B <i>", "facts": { "Contact": "corpus@example.org" } } }
    } }
    """
  }

  private let bench: Workbench

  init() throws {
    bench = try Workbench(Self.document("long"), texts: [])
    var lines: [UInt8] = []
    for number in 0..<120 {
      var text = "川沿いの水車小屋では、毎朝パンが焼かれる。" + String(repeating: "雪と山\(number)。", count: number % 9)
      if number % 10 == 3 { text = "消えた短文その\(number)" }
      if number % 40 == 7 { text += " 連絡先は \(Self.mail) まで。" }
      if number % 30 == 11 { text = "川沿いの水車小屋では、毎朝パンが焼かれる。雪と山1。雪と山1。二度目は消える文である。" }
      Document(
        id: "d/\(number)", text: text, source: number % 6 == 0 ? Self.hostile : "web",
        metadata: number % 4 == 0
          ? [:] : ["license": number % 8 == 1 ? .string(Self.hostile) : "CC0-1.0", "language": "ja"]
      ).append(to: &lines)
    }
    try bench.write("texts/0.jsonl", String(decoding: lines, as: UTF8.self))
    let question = "川沿いの水車小屋では、毎朝パンが焼かれる。雪と山1。雪と山1。二度目は消える文である。"
    try bench.write("quiz.txt", question + "\nまったく別の問題文がここに十分な長さで置かれている。\n")
    let run = try bench.run("run", "corpus.json")
    #expect(run.status == 0, "\(run.err)")
  }

  private func file(_ name: String) throws -> String {
    let folder = String(try bench.run("artifact", "corpus.json", "sheet").out.dropLast())
    return String(decoding: try FileSystem.read("\(folder)/\(name)"), as: UTF8.self)
  }

  /// One run for all: each takes seconds.
  @Test func theSheetIsOfWhatWasDoneAndHidesWhatWasRemoved() throws {
    try theSheetSaysWhatWasDone()
    try nothingThatWasRemovedIsShownAndNothingInDataIsObeyed()
    try theSheetIsNeverOlderThanWhatItTells()
  }

  private func theSheetSaysWhatWasDone() throws {
    let (html, markdown) = (try file("datasheet.html"), try file("datasheet.md"))
    let json = try JSONValue.parse(try file("datasheet.json")).value
    let lineage = try JSONValue.parse(try bench.run("lineage", "corpus.json", "--json").out).value
    func ledger(_ stage: String) throws -> JSONValue {
      try #require(lineage["stages"]?.array?.first { $0["stage"]?.string == stage }?["made"]?["ledger"])
    }
    let kept = try #require(try ledger("mask")["output"]?["documents"]?.integer)
    #expect(json["corpus"]?["all"]?["documents"]?.integer == kept && kept > 60)
    for (stage, reasons) in [("good", ["long", "most"]), ("exact", ["exact-duplicate"])] {
      for reason in reasons {
        let count = try #require(try ledger(stage)["dropped"]?[reason]?["documents"]?.integer, "\(stage) \(reason)")
        let row = try #require(json["dropped"]?[stage]?[reason])
        #expect(row["documents"]?.integer == count && count > 0)
        let examples = try #require(row["examples"]?.array)
        #expect(examples.count == min(3, count) && examples.allSatisfy { html.contains($0["id"]?.string ?? "?") })
        #expect(markdown.contains("| \(stage) | \(reason) | \(count) |"))
      }
    }
    let corpus = try #require(json["corpus"])
    let licenses = try #require(corpus["licenses"]?["web"])
    #expect(licenses["unknown"]?["documents"]?.integer ?? 0 > 10)
    // Measures, with the thresholds of the gate at their numbers.
    let measure = try #require(
      json["measures"]?.array?.first?["histograms"]?.array?.first { $0["name"]?.string == "characters" })
    #expect(measure["documents"]?.integer == 120 && measure["bins"]?.array?.compactMap(\.integer).reduce(0, +) == 120)
    let thresholds = try #require(json["thresholds"]?.array)
    #expect(
      thresholds.compactMap { $0["measure"]?.string }.sorted() == ["characters", "hiraganaFraction", "zlibRatio"])
    #expect(html.contains("good: long &gt;= 21</text>") && html.contains("<line class=\"cut\""))
    #expect(html.contains("<td class=\"n\">3</td><td class=\"n\">3</td><td class=\"n\">0</td><td>mask</td>"), "mails")
    let row = "quiz</th><td class=\"n\">2</td><td class=\"n\">0</td><td class=\"n\">1</td><td>drop</td>"
    #expect(html.contains(row) && markdown.contains("| quiz | 2 | 0 | 1 | drop |"))
    #expect(!html.contains("No decontamination"))
    for limit in [
      "Toxic text was not looked for", "No search for near duplicates (dedupe.exact only)", "state no license",
    ] {
      #expect(html.contains(limit) && markdown.contains(limit))
    }
    #expect(html.contains("corpus@example.org"))
  }

  private func nothingThatWasRemovedIsShownAndNothingInDataIsObeyed() throws {
    for name in ["datasheet.html", "datasheet.md", "datasheet.json"] {
      let page = try file(name)
      for text in [Self.mail, "消えた短文", "二度目は消える", "連絡先"] { #expect(!page.contains(text), "\(name): \(text)") }
      guard name != "datasheet.json" else { continue }
      #expect(!page.contains("<script") && !page.contains("\u{202E}") && !page.contains("<i>"))
      #expect(page.contains("&lt;script&gt;") && page.contains("A &amp; B &lt;i&gt;"))
      #expect(!page.contains("[a](javascript") || name == "datasheet.html")
    }
    let html = try file("datasheet.html")
    for outside in ["src=", "@import", "url(", "<link", "href=\"http"] { #expect(!html.contains(outside)) }
    for tag in ["section", "table", "tr", "td", "th", "svg", "text", "figure", "ul", "li", "title"] {
      let opened = html.split(separator: "<\(tag)>").count + html.split(separator: "<\(tag) ").count - 2
      #expect(opened == html.split(separator: "</\(tag)>").count - 1, "\(tag)")
    }
  }

  /// The gate's documents stay the same when a rule gets another name; the sheet must not.
  private func theSheetIsNeverOlderThanWhatItTells() throws {
    #expect(try bench.run("run", "corpus.json").out.hasPrefix("nothing to do"))
    try bench.write("corpus.json", Self.document("longer"))
    let run = try bench.run("run", "corpus.json")
    #expect(run.out.contains("mask     fresh"), "\(run.out)")
    #expect(try file("datasheet.md").contains("| good | longer |"))
    #expect(try bench.run("run", "corpus.json").out.hasPrefix("nothing to do"))
  }
}

import ShardKit
import Testing

/// `pipeline trace` says what was done to a document that stays.
@Suite struct TraceNotesTests {
  @Test func aRemovedPassageIsNamedWithTheDocumentThatKeepsIt() throws {
    let document = """
      { "format": 1, "name": "corpus",
        "stages": {
          "read": { "use": "documents.read", "options": { "files": "texts" } },
          "passages": { "use": "dedupe.substrings", "inputs": { "documents": "read" }, "options": { "minimumCharacters": 20 } }
        } }
      """
    let passage = "この記事の無断転載を禁じます。詳しくは利用規約をご覧ください。"
    let bench = try Workbench(document, texts: [["山の朝は早い。\(passage)", "\(passage)町の夜は長い。"]])
    #expect(try bench.run("run", "corpus.json").status == 0)
    let lines = try bench.run("trace", "corpus.json", "f0/1").out
    #expect(lines.contains("kept: line 2 of documents/"), "\(lines)")
    #expect(lines.contains("changed: copied-passage: 31, in favor of f0/0 (at character 1: \(passage))"), "\(lines)")
    let json = try JSONValue.parse(try bench.run("trace", "corpus.json", "f0/1", "--json").out).value
    #expect(json["stages"]?.array?.last?["notes"]?.array?.first?["survivor"]?.string == "f0/0")
    #expect(!(try bench.run("trace", "corpus.json", "f0/0").out.contains("changed")))
  }
}

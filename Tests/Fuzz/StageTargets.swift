import PipelineKit
import ShardKit
import Stages
import TestKit

/// Stages, over files and over documents: what they seal can be read again.
let stageTargets: [String: FuzzTarget] = [
  "stage-aozora": source(
    AozoraRead.self, "works", names: ["a.txt", "a.zip", "a.tar"], fixtures: ["aozora/cards"]),
  "stage-aozora-index": source(
    AozoraRead.self, "index", names: ["a.csv"], variants: [["works": .string(packagePath("Fixtures/aozora/cards"))]],
    fixtures: ["aozora/list_person_all_extended_utf8.csv"]),
  "stage-cc100": source(CC100Read.self, "files", names: ["a.txt", "a.txt.xz"], fixtures: ["cc100"]),
  "stage-code": source(
    CodeSelect.self, "metadata", names: ["a.jsonl", "a.csv"],
    variants: [["maximumMalformedFraction": 1], ["contents": .string(packagePath("Fixtures/code/contents"))]],
    fixtures: ["code/metadata.csv", "code/metadata.jsonl"]),
  "stage-commoncrawl": source(
    CommonCrawlExtract.self, "files", names: ["a.warc", "a.warc.gz", "a.wet.gz"],
    variants: [
      ["languages": .list([]), "minimumCharacters": 0, "boilerplate": "keep"],
      ["languages": .list([]), "minimumCharacters": 0],
    ], samples: warcSamples),
  "stage-diet": source(
    DietRead.self, "pages", names: ["a.json", "a.xml"], variants: [["malformedPages": "drop"], ["document": "speech"]],
    fixtures: ["diet", "diet-malformed", "diet-meeting"]),
  "stage-documents": source(
    DocumentsRead.self, "files", names: ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"],
    variants: [
      ["maximumMalformedFraction": 1], ["maximumMalformedFraction": 1, "textField": "a.b", "idField": "c.d"],
    ],
    fixtures: ["documents", "mix"]),
  "stage-jats": source(
    JATSExtract.self, "articles", names: ["a.xml", "a.tar", "a.zip", "a.tar.gz"],
    variants: [["unknownLicense": "keep", "minimumBytes": 0], ["unknownLicense": "keep", "formulas": "tex"]],
    fixtures: ["jats"]),
  "stage-jats-list": source(
    JATSExtract.self, "list", names: ["a.csv"],
    variants: [["articles": .string(packagePath("Fixtures/jats")), "minimumBytes": 0]],
    samples: [
      "File,Article Citation,Accession ID,Last Updated,PMID,License,Retracted\n"
        + "a.tar.gz,\"J, 1\",PMC1,2020-01-01,2,CC BY,no\nb.tar.gz,J,PMC3,2020-01-01,,NO-CC CODE,yes\n"
    ]),
  "stage-llmjp": source(
    LLMJPSample.self, "quality", names: ["a.csv"],
    variants: [["records": .string(packagePath("Fixtures/llmjp")), "pathPrefix": "ja/"]],
    fixtures: ["llmjp/quality.csv"]),
  "stage-mds": source(
    MDSRead.self, "path", names: ["index.json"], samples: [mdsIndex(bytes: 30)]),
  "stage-text": source(
    TextRead.self, "files", names: ["a.txt", "a.txt.gz", "a.txt.bz2", "a.txt.zst", "a.txt.xz"], fixtures: ["cc100"]),
  "stage-wikipedia": source(
    WikipediaExtract.self, "dump", names: ["jawiki.xml", "jawiki.xml.bz2", "enwiki.xml"],
    fixtures: ["wikipedia/jawiki.xml", "wikipedia/old.xml", "wikipedia/jawiki-multistream.xml.bz2"]),

  "stage-clean": documents(
    TextClean.self,
    variants: [[:], ["phones": "token", "emails": "token", "urls": "keep"], ["nfkc": false], ["boilerplate": true]]),
  "stage-dedupe": documents(
    DedupeMinHash.self, variants: [[:], ["threshold": .number(0.5), "similarityFloor": .number(0.4)]]),
  "stage-exact": documents(DedupeExact.self, variants: [[:]]),
  "stage-language": documents(FilterLanguage.self, variants: [[:]]),
  "stage-quality": documents(
    FilterQuality.self, variants: [["preset": "swallow"], ["preset": "uzushio"], ["preset": "hojichar"]]),
  "stage-vocabulary": documents(TokenizerTrain.self, variants: [["vocabularySize": 300]]),
]

/// Runs a stage over one file that holds the input, and reads back what it sealed.
///
/// - Parameters:
///   - option: the option that names the file.
///   - names: file names to choose from by the input's first byte, since readers go by suffix too.
///   - variants: further options to choose from by the same byte.
private func source<S: Stage>(
  _ type: S.Type, _ option: String, names: [String], variants: [JSONValue] = [[:]], fixtures: [String] = [],
  samples: [String] = []
) -> FuzzTarget {
  choosing(names.count * variants.count, fixtures: fixtures, samples: samples) { choice, content in
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    put(content, "\(folder)/in/\(names[choice % names.count])")
    let options = merged(variants[choice / names.count], [option: "in"])
    check(try StageHarness(type, options: options, base: folder).run())
  }
}

/// Runs a stage over documents: the input's parts between NULs are their texts.
private func documents<S: Stage>(_ type: S.Type, variants: [JSONValue]) -> FuzzTarget {
  let samples = ["吾輩は猫である。名前はまだ無い。\n電話 03-1234-5678\u{0}Second text, a@b.example http://e.org/\u{0}吾輩は猫である。名前は無い。"]
  return choosing(variants.count, fixtures: ["cc100/ja.txt"], samples: samples) { choice, content in
    let texts = content.split(separator: 0, maxSplits: 16, omittingEmptySubsequences: false)
    let documents = texts.enumerated().map { number, text in
      Document(id: "fuzz/\(number)", text: String(decoding: text, as: UTF8.self), source: "fuzz")
    }
    let harness = try StageHarness(type, options: variants[choice])
    try harness.add(documents: [documents])
    check(try harness.run())
  }
}

/// What was sealed can be read again: documents are whole and valid UTF-8.
private func check(_ harness: StageHarness) {
  do {
    for document in try harness.documents() {
      for field in [document.id, document.text, document.source, document.metadata] {
        promise(isText(field), "a sealed field is UTF-8")
      }
    }
    _ = try harness.drops()
  } catch {
    promise(false, "what a stage seals can be read: \(error)")
  }
}

private func merged(_ a: JSONValue, _ b: JSONValue) -> JSONValue {
  guard case .object(let left) = a, case .object(let right) = b else { return b }
  return .object(left + right)
}

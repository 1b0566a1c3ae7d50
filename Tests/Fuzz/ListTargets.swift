import NetKit
import PipelineKit
import ShardKit
import TestKit

@testable import Stages
@testable import TrainerCore

/// Lists of files, pages, judgments and examples that people write or fetch.
let listTargets: [String: FuzzTarget] = [
  "list-lines": listReader(["http://e.org/ # remark\n# remark\nexample.jp\r\n\u{3000}a b"]) {
    _ = try ListedLines.read([$0])
  },
  "list-downloads": listReader([
    "https://e.org/a.gz sha256:\(String(repeating: "0", count: 64)) 12 name.gz # remark\nb/c.txt\n", "data/a.jsonl 5\n",
  ]) { file in
    let lines = try DownloadList.read([], [file], below: "https://e.org/d/", maximumLines: 1 << 16)
    for line in lines {
      let name = try DownloadLine(line, below: "https://e.org/d/", in: "list").name
      promise(ArchivePath.isSafe(name), "a name leads nowhere else")
    }
  },
  "list-sums": reader(
    samples: [
      "\(String(repeating: "a", count: 64))  12 a/b.gz\r\n\(String(repeating: "0", count: 40)) *./c\n# d\n",
      #"{"path":"a","digest":"git:\#(String(repeating: "0", count: 40))","bytes":5}"#,
    ], words: ["  ", " *", "./", "../", "\n", "sha256:", "99999999999999999999"]
  ) { input in
    _ = try? ListedFile(line: input)
    var listing = try FileListing.parse(input, source: "list")
    try listing.finish()
    promise(listing.files.allSatisfy { HubRepository.isPath($0.path) }, "a listed path stays below its folder")
  },
  "list-source": reader(
    samples: [
      #"{"repository":"a/b","kind":"dataset","endpoint":"https://h.example","revision":"main","commit":"0"}"#,
      #"{"listing":"https://e.org/l","folder":"https://e.org/"}"#,
    ], words: ["\"kind\":", "model", "dataset", "https://", "/"]
  ) { input in _ = try ListedSource(json: JSONValue.parse(input).value).url(of: "a/b") },
  "code-rows": listReader(
    [], fixtures: ["code/metadata.csv", "code/metadata.jsonl"],
    words: ["\"blob_id\":", "\"", ",", "{", "[", "\n", "null"]
  ) { file in try CodeRowReader.forEachRow(of: file) { _, _, _, _ in } },
  "code-contents": choosing(6, fixtures: ["code/contents"], samples: ["text"]) { choice, content in
    let encoding = ["", "Shift_JIS", "utf-16", "EUC-JP", "ISO-8859-1", "no such"][choice]
    let blob = Checksummer.checksum(content, .sha1).hex
    if case .text(let text) = ContentDecoding.text(content, blob: blob, encoding: encoding, limit: 1 << 20) {
      promise(isText(text) && !text.isEmpty && !text.contains(0), "a content's text is UTF-8 without NUL")
    }
  },
  "code-fetched": fileReader("fetched", bytes: [[3, 0, 0, 0, 97, 98, 99, 255, 255, 255, 255, 0, 0, 0, 0]]) { path in
    let fetched = try FetchedContents(path)
    while try fetched.next() != nil {}
  },
  "examples": choosing(
    JGLUEBenchmark.allCases.count,
    samples: [
      #"{"sentence1":"a","sentence2":"b","label":2.5}"# + "\n"
        + #"{"sentence1":"a","sentence2":"b","label":"neutral"}"#,
      #"{"question":"a","choice0":"b","choice1":"c","choice2":"d","choice3":"e","choice4":"f","label":1}"#,
      #"{"data":[{"paragraphs":[{"context":"吾輩は猫","qas":[{"id":"i","question":"q","answers":[{"text":"猫","#
        + #""answer_start":3}]}]}]}]}"#,
    ], words: ["\"label\":", "\"answer_start\":", "-1", "9223372036854775807", "\"answers\":[", "null", "\n"]
  ) { choice, content in
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    put(content, folder + "/a.json")
    _ = try BenchmarkExamples.read(JGLUEBenchmark.allCases[choice], path: folder + "/a.json")
  },
  "judgments": listReader(
    ["q1 0 d1 1\nq1\td2\t0.5\n", "query-id\tcorpus-id\tscore\nq d 2\n", #"{"query-id":1,"corpus-id":"d","score":3}"#],
    words: ["\t", "1e999", "nan", "-0", "{", "\"score\":"]
  ) { _ = try Judgments.read([$0.path]) },
  "text-records": listReader([#"{"_id":"a","title":"t","text":"x"}"# + "\n" + #"{"docid":5,"contents":"y"}"#]) {
    try TextRecord.forEach($0.path) { (_: TextRecord) in }
  },
  "topics": fileReader(
    "topics.tsv", fixtures: ["embedding/miracl/topics.tsv"], words: ["\t", "\r\n", "\t\t"]
  ) { try TextRecord.forEach($0) { (_: TextRecord) in } },
  "contrast-examples": listReader(
    [
      #"{"anchor":"a","positive":"b","negatives":["c","d"]}"#, #"{"query":"a","pos":["b"],"neg":[]}"#,
      #"{"sentence1":"a","sentence2":"b","label":"entailment"}"#,
    ], words: ["\"negatives\":[", "null", "4.5", "\n"]
  ) { _ = try ContrastExamples([$0.path]) },
  "jmteb-set": listReader(
    [
      #"{"sentence1":"a","sentence2":"b","label":1}"#, #"{"text":"a","label":"b"}"#,
      #"{"query":"a","retrieved_docs":["d"],"relevance_scores":[1]}"#, #"{"query":"a","relevant_docs":[3]}"#,
    ], words: ["\"label\":", "null", "[", "\n"]
  ) { file in
    let set = try JMTEBSet("set", [file], kind: nil)
    _ = try set.labels([set.validation, set.test])
    for record in set.test { _ = set.ids(record["relevant_docs"]) }
  },
  "embedding-settings": listReader(
    [#"{"pooling":"cls","normalizes":true,"queryPrefix":"q","documentPrefix":""}"#]
  ) { _ = try EmbeddingSettings(path: $0.path) },
]

private func listReader(
  _ samples: [String], fixtures: [String] = [], words: [String] = ["#", " ", "\n", "\r", "://", "../", "sha256:", ":"],
  _ body: @escaping @Sendable (ArtifactFile) throws -> Void
) -> FuzzTarget {
  fileReader("list.txt", fixtures: fixtures, samples: samples, words: words) { path in
    try body(ArtifactFile(path: path, name: "list.txt", bytes: 0, digest: Digester.digest([])))
  }
}

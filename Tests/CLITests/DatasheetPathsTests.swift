import ShardKit
import TestKit
import Testing

/// `report.datasheet` does not say of a corpus what was done to a part of it, or to other documents.
@Suite struct DatasheetPathsTests {
  private static let document = """
    { "format": 1, "name": "corpus", "stages": {
        "crawl": { "use": "documents.read", "options": { "files": "texts/0.jsonl" } },
        "packed": { "use": "mds.write", "inputs": { "documents": "crawl" } },
        "back": { "use": "mds.read", "inputs": { "mds": "packed" } },
        "books": { "use": "documents.read", "options": { "files": "texts/1.jsonl" } },
        "mask": { "use": "redact.pii", "inputs": { "documents": "books" } },
        "old": { "use": "documents.read", "options": { "files": "texts/2.jsonl" } },
        "oldmask": { "use": "redact.pii", "inputs": { "documents": "old" } },
        "clear": { "use": "decontaminate", "inputs": { "documents": "oldmask" },
          "options": { "sets": { "quiz": "quiz.txt" } } },
        "accepted": { "use": "dedupe.minhash", "inputs": { "documents": "clear" } },
        "near": { "use": "dedupe.minhash", "inputs": { "documents": ["back", "mask"], "against": "accepted.index" } },
        "sheet": { "use": "report.datasheet", "inputs": { "documents": "near" } } } }
    """

  @Test func sourcesThatBypassAStageAreNamed() throws {
    let bench = try Workbench(
      Self.document,
      texts: [
        ["川沿いの古い水車小屋では、今も毎朝パンが焼かれている。", "駅前の小さな図書室には、読み終えた本を置いていく棚がある。"],
        ["雪が降る前の晩、山の家では保存食の瓶を数える。", "港の灯台守は、霧の夜だけ古い鐘を鳴らすことにしている。"],
        ["坂の上の時計店には柱時計が七つある。連絡先は taro.yamada@mail-of-a-person.jp まで。", "谷あいの茶畑に人が集まる。"],
      ])
    try bench.write("quiz.txt", "まったく別の問題文がここに十分な長さで置かれている。\n")
    let run = try bench.run("run", "corpus.json")
    try #require(run.status == 0, "\(run.err)")
    let folder = String(try bench.run("artifact", "corpus.json", "sheet").out.dropLast())
    let json = try JSONValue.parse(FileSystem.read(folder + "/datasheet.json")).value
    let page = String(decoding: try FileSystem.read(folder + "/datasheet.md"), as: UTF8.self)
    let limits = (json["limits"]?.array ?? []).compactMap(\.string)
    #expect(limits.contains("Personal data was not looked for in: crawl."), "\(limits)")
    #expect(limits.contains { $0.hasPrefix("No decontamination: ") }, "only other documents were searched")
    #expect(limits.contains("No filter by quality.") && !limits.contains { $0.contains("duplicat") })
    #expect(page.contains("Personal data was looked for, and none was found."), "the mail is in other documents")
    #expect(page.contains("not searched for questions of test sets"))
    #expect(page.contains("| Read by the sources | 4 records |"), "two sources, and none of the accepted documents")
    #expect(json["dropped"]?.members?.map(\.key).sorted() == ["back", "books", "crawl", "mask", "near", "packed"])
    #expect(json["measures"]?.array?.isEmpty == true, "hidden measures of dedupe.minhash are not the corpus's")
  }
}

import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

/// Test sets in a folder of their own, in the forms in which they are published.
private final class TestSets {
  let folder = temporaryDirectory()
  deinit { try? FileSystem.removeTree(folder) }

  func write(_ name: String, _ text: String) throws { try FileSystem.write(Array(text.utf8), to: "\(folder)/\(name)") }

  func searched(
    _ sets: JSONValue, _ files: [[Document]], options more: [JSONMember] = [], backwards: Bool = false
  ) throws -> StageHarness {
    let harness = try StageHarness(
      Decontaminate.self, options: .object([JSONMember("sets", sets)] + more), base: folder)
    try harness.add(documents: files)
    return try harness.run(backwards: backwards)
  }
}

extension StageHarness {
  fileprivate func reported() throws -> JSONValue {
    let file = try #require(files("report").first { $0.name.hasSuffix(".json") })
    return try JSONValue.parse(try FileSystem.read(file.path)).value
  }

  /// The ids of the questions found, by test set.
  fileprivate func found() throws -> [String: [String]] {
    let sets = try reported()["sets"]?.members ?? []
    return Dictionary(
      uniqueKeysWithValues: sets.map { set in
        (set.key, set.value["contaminated"]?.array?.compactMap { $0["question"]?.string } ?? [])
      })
  }
}

@Suite struct DecontaminateTests {
  private let question = "川をさかのぼって産卵する魚のうち、秋にサケ漁が最も盛んになる川はA〜Cのどれですか？"
  private let filler = "水車小屋では朝早くから粉が挽かれ、町のパン屋へ運ばれていく。昼には子どもたちが集まって遊んでいた。"

  @Test func everyDisguiseIsFoundAndNamed() throws {
    let sets = TestSets()
    try sets.write(
      "choices.jsonl",
      """
      {"q_id": 7, "question": "\(question)", "choice0": "鯉", "choice1": "鮭", "label": 1}
      {"q_id": 8, "question": "湖の氷が割れる大きな音を地元の人たちは何と呼んできたのでしょうか。", "choice0": "渡り", "label": 0}

      """)
    let planted = [
      Document(id: "exact", text: "\(filler)\n\(question)\n\(filler)"),
      Document(id: "punctuation", text: "\(filler)「川をさかのぼって、産卵する魚のうち・秋にサケ漁が最も盛んになる川は、A-Cのどれですか」\(filler)"),
      Document(id: "wide", text: "\(filler)川をさかのぼって産卵する魚のうち　秋にｻｹ漁が最も盛んになる川はＡ～Ｃのどれですか\(filler)"),
      Document(id: "lines", text: "\(filler)川をさかのぼって\r\n産卵する魚のうち、\n　秋にサケ漁が最も盛ん\nになる川はA〜Cの\u{200B}どれですか？\(filler)"),
      Document(id: "part", text: "\(filler)さかのぼって産卵する魚のうち、秋にサケ漁が最も盛んになる川はA、Cのどれですか、と先生は尋ねた。"),
    ]
    let clean = [
      Document(id: "clean", text: filler),
      Document(id: "near", text: "\(filler)川をさかのぼって産卵する魚は、秋に漁が盛んになる。"), Document(id: "empty", text: "。\n"),
    ]
    let harness = try sets.searched(["choices": "choices.jsonl"], [planted, clean])
    #expect(try harness.documents() == clean)
    let drops = try harness.drops()
    #expect(drops.map(\.id) == planted.map(\.idString))
    #expect(drops.allSatisfy { $0.reason == "in-choices" && $0.detail == "question 7" && $0.threshold == 0.5 })
    #expect(drops.prefix(4).allSatisfy { $0.value == 1 })
    #expect(drops.last?.value.map { $0 > 0.9 && $0 < 1 } == true)
    #expect(try harness.found() == ["choices": ["7"]])
    #expect(harness.ledger.imbalance == 0 && harness.ledger.dropped["in-choices"]?.documents == 5)
    let entry = try #require(try harness.reported()["sets"]?["choices"]?["contaminated"]?.array?.first)
    let examples = try #require(entry["examples"]?.array)
    #expect(entry["documents"] == 5 && examples.count == 5 && entry["text"]?.string == question)
    for (document, example) in zip([planted[0], planted[3]], [examples[0], examples[1]]) {
      let place = try #require(example["start"]?.integer)..<#require(example["end"]?.integer)
      #expect(example["document"]?.string == document.idString)
      #expect(example["matching"]?.string == String(decoding: document.text[place], as: UTF8.self))
    }
    let page = try #require(harness.files("report").first { $0.name.hasSuffix(".md") })
    #expect(String(decoding: try FileSystem.read(page.path), as: UTF8.self).contains("| choices | 2 | 0 | 1 | 0 |"))
  }

  @Test func everyFormOfTestSetIsRead() throws {
    let sets = TestSets()
    let texts = (0..<8).map { "第\($0)問。渡り鳥の群れが\($0 + 3)年ぶりに戻ってきた湿地の名前を、地図から選んで答えなさい。" }
    try sets.write(
      "squad.json",
      #"{"data": [{"paragraphs": [{"context": "その湿地は島の北の端にある。", "qas": [{"id": "a1", "question": "\#(texts[0])", "answers": [{"text": "北", "answer_start": 7}]}]}]}]}"#
    )
    try sets.write("llm-jp-eval.json", "{\n \"samples\": [\n {\"input\": \"\(texts[1])\", \"output\": \"北\"}]}")
    try sets.write("list.txt", "\(texts[2])\n\n\(texts[3])\n")
    try sets.write("records.json", #"["\#(texts[4])", {"id": 4, "sentence1": "\#(texts[5])", "sentence2": "短い。"}]"#)
    try sets.write("table.tsv", "index\tquestion1\tlabel\n9\t\(texts[6])\t1\n")
    try sets.write("plain.csv", "\"\(texts[7])\",別の文です。,2.5\n")
    try sets.write(
      "words.jsonl",
      #"{"body": {"text": ["The keeper of the old lighthouse counted every ship that passed the cape before winter came."]}, "key": 1}"#
    )
    try sets.write("LICENSE", "terms")
    let english =
      "Notes: THE KEEPER of the old\nlight-house counted every ship, that passed the cape before winter came!"
    let documents = (texts + [english]).enumerated().map { Document(id: "\($0)", text: "前書き。\($1)後書き。") }
    let names = ["squad.json", "llm-jp-eval.json", "list.txt", "records.json", "table.tsv", "plain.csv", "LICENSE"]
    let japanese = try sets.searched(["all": .strings(names)], [documents])
    #expect(try japanese.found() == ["all": ["a1", "1", "1", "3", "1", "4", "9", "1"]])
    #expect(try japanese.documents().map(\.idString) == ["8"])
    let latin = try sets.searched(
      ["words": "words.jsonl"], [documents], options: [JSONMember("fields", .strings(["body"]))])
    #expect(try latin.drops().map { [$0.id, $0.reason] } == [["8", "in-words"]])
    let passages: [JSONMember] = [JSONMember("passages", true), JSONMember("minimumCharacters", 8)]
    let quoted = [Document(id: "p", text: "報告書によれば、その湿地は、島の北の端にある。")]
    #expect(try sets.searched(["squad": "squad.json"], [quoted]).documents() == quoted)
    #expect(try sets.searched(["squad": "squad.json"], [quoted], options: passages).documents().isEmpty)
  }

  /// Of a short question, an answer must stand near it; a phrase of many documents is no question.
  @Test func shortAndCommonTextsAreNoEvidence() throws {
    let sets = TestSets()
    try sets.write(
      "short.jsonl",
      #"{"question": "一番高い山はどれか", "answer": "剣ヶ峰"}"# + "\n" + #"{"question": "湖は？", "answer": "北"}"# + "\n"
        + #"{"question": "いつもご利用いただきまして誠にありがとうございます"}"# + "\n")
    let near = Document(id: "near", text: "問題。一番高い山は、どれか？ 答えは剣ヶ峰である。")
    let far = Document(id: "far", text: "一番高い山はどれか。" + String(repeating: "雲が流れる。", count: 40) + "剣ヶ峰。")
    let greetings = (0..<4).map { Document(id: "g\($0)", text: "第\($0)店。いつもご利用いただきまして、誠にありがとうございます。") }
    let all = [near, far] + greetings
    let harness = try sets.searched(["s": "short.jsonl"], [all], options: [JSONMember("commonDocuments", 3)])
    #expect(try harness.drops().map(\.id) == ["near"])
    #expect(harness.warnings["too-short"] == 1)
    let common = try #require(try harness.reported()["sets"]?["s"]?["commonPhrases"]?.array)
    #expect(common.count == 1 && common[0]["question"] == "3" && common[0]["documents"] == 4)
    let rare = try sets.searched(["s": "short.jsonl"], [all], options: [JSONMember("commonDocuments", 4)])
    #expect(try rare.drops().count == 5)
  }

  @Test func passagesAreCutToSentencesOrTagged() throws {
    let sets = TestSets()
    try sets.write("a.txt", question + "\n")
    try sets.write("b.txt", question + "\n")
    let text = "山の朝は早い。先生は「\(question)」と尋ねた。皆は黙った。\n鳥が鳴く。"
    let documents = [
      Document(id: "whole", text: question),
      Document(id: "inside", text: text, source: "s", metadata: ["k": 1, "contamination": "old"]),
      Document(id: "clean", text: filler),
    ]
    let cut = try sets.searched(["a": "a.txt"], [documents], options: [JSONMember("action", "cut")])
    #expect(try cut.documents().map(\.textString) == ["山の朝は早い。と尋ねた。皆は黙った。\n鳥が鳴く。", filler])
    #expect(try cut.drops().map { [$0.id, $0.reason] } == [["whole", "in-a"]])
    #expect(cut.ledger.imbalance == 0)
    let tagged = try sets.searched(
      ["a": "a.txt", "b": "b.txt"], [documents], options: [JSONMember("action", "tag")])
    #expect(try tagged.documents().map(\.text) == documents.map(\.text) && tagged.drops().isEmpty)
    let metadata = try JSONValue.parse(try tagged.documents()[1].metadata).value
    #expect(metadata["k"] == 1)
    #expect(metadata["contamination"]?.array?.map { $0["benchmark"] } == ["a", "b"])
    #expect(try tagged.documents()[2] == documents[2])
  }

  /// Neither the order of the work nor the division of the documents into files makes a difference.
  @Test func everyArrangementHasTheSameReport() throws {
    let sets = TestSets()
    var random = SplitMix(seed: 11)
    let alphabet = Array("水山川空鳥魚花月風雪朝夕町村道石木草")
    func sentence() -> String { String((0..<40).map { _ in alphabet.randomElement(using: &random)! }) + "。" }
    let questions = (0..<30).map { _ in sentence() }
    try sets.write("q.txt", questions.joined(separator: "\n"))
    let documents = (0..<60).map { number in
      Document(id: "d\(number)", text: sentence() + (number % 3 == 0 ? questions[number % 10] : "") + sentence())
    }
    let expected = try sets.searched(["q": "q.txt"], [documents])
    #expect(try expected.drops().count == 20)
    let report = try expected.reported(), drops = Set(try expected.drops().map { "\($0)" })
    let parts = documents.shuffled(using: &random)
    let other = try sets.searched(
      ["q": "q.txt"], [Array(parts[..<7]), Array(parts[7..<40]), Array(parts[40...])], backwards: true)
    #expect(try other.reported() == report && Set(try other.drops().map { "\($0)" }) == drops)
    #expect(try sets.searched(["q": "q.txt"], [documents]).digests == expected.digests)
  }

  @Test func whatCannotBeReadIsRefused() throws {
    let sets = TestSets()
    try sets.write("labels.jsonl", #"{"label": 1}"#)
    try sets.write("broken.jsonl", "{\"question\": \"x\"}\n{\"question\":\n")
    try sets.write("README.md", "words")
    func message(_ name: String) -> String {
      do {
        _ = try sets.searched(["a": .string(name)], [[Document(id: "a", text: "b")]])
        return ""
      } catch { return "\(error)" }
    }
    #expect(message("labels.jsonl").contains("has no question"))
    #expect(message("broken.jsonl").contains("broken.jsonl:2"))
    #expect(message("README.md").contains("has no file that ends with"))
    #expect(message("absent.jsonl").contains("no such file"))
    #expect(throws: StageError.self) { try StageHarness(Decontaminate.self, options: ["sets": ["A B": "x"]]) }
    #expect(throws: StageError.self) { try StageHarness(Decontaminate.self, options: [:]) }
  }
}

@Suite struct UncheckedTestSetsTests {
  private func remarks(_ change: (String) -> String = { $0 }) throws -> [String: [String]] {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.makeDirectory(folder + "/jglue/jsts")
    for name in ["train-v1.json", "valid-v1.json"] {
      try FileSystem.write(Array("{}".utf8), to: "\(folder)/jglue/jsts/\(name)")
    }
    let document = change(
      """
      {"format": 1, "stages": {
        "a": {"use": "documents.read", "options": {"files": "a.jsonl"}},
        "b": {"use": "documents.read", "options": {"files": "b.jsonl"}},
        "search": {"use": "decontaminate", "inputs": {"documents": ["a", "b"]},
          "options": {"sets": {"jsts": "jglue/jsts/valid-v1.json"}}},
        "tokenizer": {"use": "tokenizer.train", "inputs": {"documents": ["a", "b"]}},
        "tokens": {"use": "tokenizer.encode", "inputs": {"documents": "search", "tokenizer": "tokenizer"}},
        "train": {"use": "model.pretrain", "inputs": {"tokens": "tokens", "tokenizer": "tokenizer"}},
        "jglue": {"use": "evaluate.jglue", "inputs": {"checkpoint": "train", "tokenizer": "tokenizer"},
          "options": {"folder": "jglue"}}}}
      """)
    try FileSystem.write(Array(document.utf8), to: folder + "/p.json")
    let graph = try Graph(PipelineSpec.load(folder + "/p.json"), registry: .builtin)
    return Dictionary(uniqueKeysWithValues: zip(graph.nodes.map(\.name), UncheckedTestSets(graph).remarks))
      .filter { !$0.value.isEmpty }
  }

  @Test func aTestSetThatNothingSearchesForIsRemarkedOn() throws {
    #expect(try remarks().isEmpty)
    let direct = try remarks { $0.replacing(#""documents": "search""#, with: #""documents": ["search", "b"]"#) }
    #expect(direct.keys.sorted() == ["jglue"])
    #expect(direct["jglue"]?.first?.contains("'train' is not searched for the questions of jsts/valid-v1.json") == true)
    let other = try remarks { $0.replacing(#""jglue/jsts/valid-v1.json""#, with: #""jglue/jsts/train-v1.json""#) }
    #expect(other.keys.sorted() == ["jglue"])
    // Tokens from elsewhere: nothing is known of their documents.
    let remote = try remarks {
      $0.replacing(
        #""inputs": {"tokens": "tokens", "tokenizer": "tokenizer"}"#, with: #""inputs": {"tokenizer": "tokenizer"}"#)
    }
    #expect(remote.isEmpty)
  }
}

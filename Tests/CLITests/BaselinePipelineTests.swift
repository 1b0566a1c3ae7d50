import ShardKit
import TestKit
import Testing

private let peer = PeerScript("baseline_bert.py")

/// `Pipelines/baseline.json` over models in the forms in which others are published, saved by transformers with random weights:
/// two BERTs of MeCab's words, which are equal, and a RoBERTa of Unigram's pieces.
@Suite(
  .serialized,
  .needs(Workbench.hasEngine && peer.isUsable, "needs Scripts/engine and Scripts/install --tests"))
struct BaselinePipelineTests {
  private static let sentences = [
    "私は図書館で本を読んだ。", "春に港で船を見た。", "猫は魚のにおいで目をさます。", "漁師は笑って手をふった。", "子どもたちは朝の市場で働いている。", "雨だ。",
    "大阪から来た客が振り返った。", "牛丼を食べた！",
  ]

  private static func pairs(_ count: Int) -> String {
    (0..<count).map { i in
      let a = sentences[i % 8], b = sentences[(i * 3 + i / 8) % 8]
      return #"{"sentence_pair_id": "\#(i)", "sentence1": "\#(a)", "sentence2": "\#(b)", "label": \#(Double(i % 6))}"#
    }.joined(separator: "\n")
  }

  @Test func publishedModelsStandBesideOnesOwn() throws {
    let bench = try Workbench()
    let folder = bench.folder
    let data = folder + "/data/jglue/jsts"
    try FileSystem.makeDirectory(data)
    try FileSystem.write(Array(Self.pairs(24).utf8), to: data + "/train-v1.3.json")
    try FileSystem.write(Array(Self.pairs(12).utf8), to: data + "/valid-v1.3.json")
    try FileSystem.write(Array((Self.sentences.joined(separator: "\n") + "\n").utf8), to: folder + "/sentences")
    for (form, name) in [("make", "a"), ("make", "own"), ("roberta", "b")] {
      try #require(peer.run(form, "\(folder)/\(name)", folder + "/sentences") != nil)
    }
    let dictionary = String(decoding: try #require(peer.run("dictionary")).dropLast(), as: UTF8.self)
    let text = """
      { "format": 1, "name": "baseline", "extends": "\(packagePath("Pipelines/tiny/baseline.json"))",
        "parameters": {
          "models": [
            { "name": "tohoku", "folder": "\(folder)/a", "data": "\(folder)/data" },
            { "name": "waseda", "folder": "\(folder)/b", "data": "\(folder)/data" }
          ],
          "baseline": "tohoku", "dictionary": "\(dictionary)", "own": "\(folder)/own", "ownDictionary": "\(dictionary)",
          "data": "\(folder)/data", "published": "\(packagePath("Pipelines/published"))" } }
      """
    let document = folder + "/baseline.json"
    try FileSystem.write(Array(text.utf8), to: document)
    let store = ["--store", folder + "/store"]
    let outcome = try bench.run(["run", document] + store, environment: ["OMP_WAIT_POLICY": "passive"])
    try #require(outcome.status == 0, "\(outcome.err)")
    func read(_ artifact: String, _ file: String) throws -> String {
      let place = try bench.run(["artifact", document, artifact] + store).out.split(separator: "\n").first
      return String(decoding: try FileSystem.read("\(try #require(place))/\(file)"), as: UTF8.self)
    }
    let side = try read("side-by-side.report", "scores.md")
    #expect(side.contains("| score | tohoku | waseda | Δ | Own model | Δ |"), "\(side)")
    for score in ["JSTS Spearman", "JSTS Pearson", "STS Spearman", "STS Pearson"] {
      let row = try #require(side.split(separator: "\n").first { $0.hasPrefix("| \(score) |") })
      #expect(row.hasSuffix(" | +0.00 |"), "equal models have equal scores: \(row)")
    }
    let jglue = try read("own-jglue.report", "jglue.md")
    #expect(jglue.contains("Δ: the difference from tohoku.") && jglue.contains("| waseda | "), "\(jglue)")
    let sts = try read("own-sts.report", "sts.md")
    #expect(sts.contains("| Ruri base | 0.834 | ") && sts.contains("| **Own model** | "), "\(sts)")
    let card = try read("card.model", "README.md")
    #expect(
      card.contains("| task | metric | score | tohoku | Δ | deviation |") && card.contains("| +0.000 |"), "\(card)")
  }
}

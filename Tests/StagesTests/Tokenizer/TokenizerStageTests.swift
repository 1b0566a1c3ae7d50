import PipelineKit
import ShardKit
import Stages
import TestKit
import TextKit
import Testing

private let huggingFace = PeerScript("huggingface_tokenizers.py")
private let streaming = PeerScript("mosaicml_streaming.py")
private let subjects = ["猫", "漁師", "先生", "図書館の人", "妹", "旅人"]
private let places = ["港", "市場", "山の上", "がっこう", "パン屋", "駅のホーム"]
private let verbs = ["歩いている。", "本を読む。", "笑った！", "コーヒーを飲む。", "友だちを待っていた。", "2026年の話をした。"]

private func sentences(_ count: Int, from first: Int = 0) -> [Document] {
  (first..<first + count).map { i in
    let text = "\(subjects[i % 6])は\(places[i / 6 % 6])で\(verbs[(i * 5 + i / 36) % 6])"
    return Document(id: "s\(i)", text: text + (i % 7 == 0 ? "\n" + text : ""))
  }
}

private func trained(_ files: [[Document]], _ options: JSONValue = ["vocabularySize": 300]) throws -> StageHarness {
  let harness = try StageHarness(TokenizerTrain.self, options: options)
  try harness.add(documents: files)
  return try harness.run()
}

private func bytes(_ harness: StageHarness, _ name: String) throws -> [UInt8] {
  try FileSystem.read(try #require(harness.files("tokenizer").first { $0.name == name }).path)
}

@Suite struct TokenizerTrainTests {
  @Test func writesTheThreeFilesAndBalances() throws {
    let harness = try trained([sentences(40), sentences(30, from: 40)])
    #expect(harness.files("tokenizer").map(\.name) == ["tokenizer.json", "tokenizer_config.json", "vocab.txt"])
    #expect(harness.ledger.imbalance == 0 && harness.ledger.consumed.documents == 70)
    let vocabulary = try bytes(harness, "vocab.txt").split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
    #expect(vocabulary.prefix(5) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    #expect(vocabulary.contains("図書館の人は") || vocabulary.contains("##している") || vocabulary.count > 150)
  }

  @Test func shardsOrderAndSpillsChangeNothing() throws {
    let all = sentences(120)
    let one = try trained([all])
    let three = try trained([Array(all[80...]), Array(all[..<40]), Array(all[40..<80])])
    let spilling = try trained([all], ["vocabularySize": 300, "countingMemory": "1MiB"])
    for name in ["tokenizer.json", "vocab.txt", "tokenizer_config.json"] {
      #expect(try bytes(one, name) == bytes(three, name))
      #expect(try bytes(one, name) == bytes(spilling, name))
    }
  }

  @Test func unusedTokensStandBehindTheSpecialOnes() throws {
    let harness = try trained([sentences(40)], ["vocabularySize": 300, "unusedTokens": 2])
    let vocabulary = try bytes(harness, "vocab.txt").split(separator: 0x0A).map { String(decoding: $0, as: UTF8.self) }
    #expect(vocabulary[5...6] == ["[unused0]", "[unused1]"])
  }

  private static let subwords: [JSONValue] = [
    ["model": "bpe", "vocabularySize": 420], ["model": "bpe", "preTokenizer": "bytes", "vocabularySize": 420],
    ["model": "unigram", "vocabularySize": 420], ["model": "unigram", "vocabularySize": 160, "byteFallback": false],
  ]

  /// Whatever the shards, their order and the spills; and the files are what Hugging Face's tokenizers read, with the
  /// same ids.
  @Test(.needs(huggingFace.isUsable, "the Python package tokenizers is not installed"), arguments: subwords)
  func bytePairsAndUnigramsAreTrained(options: JSONValue) throws {
    let all = sentences(120)
    let one = try trained([all], options)
    #expect(one.files("tokenizer").map(\.name) == ["tokenizer.json", "tokenizer_config.json"])
    let three = try trained([Array(all[80...]), Array(all[..<40]), Array(all[40..<80])], options)
    #expect(try bytes(one, "tokenizer.json") == bytes(three, "tokenizer.json"))
    let path = try #require(one.files("tokenizer").first { $0.name == "tokenizer.json" }).path
    let tokenizer = try Tokenizer(path: path)
    #expect(tokenizer.special(.mask) == 4 && tokenizer.special(.padding) == 0)
    #expect(tokenizer.frame.before == [2] && tokenizer.frame.after == [3])
    let texts = all.map { $0.text } + ["謎 <s>[MASK]  x\n".utf8, "ＡＢか\u{3099} 😀".utf8].map { Array($0) }
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(texts.flatMap { $0 + [0] }, to: folder + "/texts")
    let theirs = try #require(huggingFace.run("ids", folder + "/texts", path)).split(
      separator: 0, omittingEmptySubsequences: false)
    let session = try TokenizerSession(tokenizer)
    var ids = TokenBuffer()
    for (text, expected) in zip(texts, theirs) {
      ids.removeAll()
      try text.withUnsafeBufferPointer { try session.encode($0, into: &ids) }
      #expect(Array(ids.ids.map { String($0) }.joined(separator: " ").utf8) == Array(expected))
    }
  }

  @Test func aPreTokenizerOfAnotherModelIsRefused() {
    for options: JSONValue in [
      ["model": "bpe", "preTokenizer": "mecab"], ["model": "unigram", "preTokenizer": "bytes"],
      ["preTokenizer": "metaspace"],
    ] {
      #expect(throws: (any Error).self) { _ = try StageHarness(TokenizerTrain.self, options: options).run() }
    }
  }

  @Test func optionsThatCannotWorkAreRefused() {
    #expect(throws: (any Error).self) {
      _ = try StageHarness(TokenizerTrain.self, options: ["specialTokens": .strings(["[PAD]", "[UNK]"])])
        .run()
    }
  }

  @Test(.needs((try? MeCab()) != nil, "MeCab is not installed"))
  func mecabCutsIntoMorphemes() throws {
    let harness = try trained([sentences(60)], ["vocabularySize": 300, "preTokenizer": "mecab"])
    let configuration = try JSONValue.parse(try bytes(harness, "tokenizer_config.json")).value
    #expect(configuration["tokenizer_class"]?.string == "BertJapaneseTokenizer")
    let path = try #require(harness.files("tokenizer").first { $0.name == "tokenizer.json" }).path
    let tokenizer = try WordPieceTokenizer(path: path)
    #expect(tokenizer.words == .mecab)
    var ids = TokenBuffer()
    try Array("猫は港で歩いている。".utf8).withUnsafeBufferPointer {
      try TokenizerSession(tokenizer).encode($0, into: &ids)
    }
    let tokens = ids.ids.map { String(decoding: tokenizer.tokens[Int($0)], as: UTF8.self) }
    #expect(tokens.prefix(4) == ["猫", "は", "港", "で"])
  }
}

@Suite struct TokenizerEvaluateTests {
  private func evaluated(_ documents: [Document], _ options: JSONValue = [:]) throws -> StageHarness {
    let trained = try trained([sentences(60)])
    let harness = try StageHarness(TokenizerEvaluate.self, options: options)
    harness.add(files: trained.files("tokenizer"), to: "tokenizer", from: "tokenizer")
    try harness.add(documents: [documents, []])
    try harness.run()
    #expect(harness.ledger.imbalance == 0)
    return harness
  }

  @Test func measuresKnownTexts() throws {
    let harness = try evaluated(sentences(20, from: 100))
    let json = try JSONValue.parse(try FileSystem.read(harness.files("metrics")[0].path)).value
    #expect(json["unknownPerToken"]?.double == 0 && json["documents"]?.integer == 20)
    #expect((json["charactersPerToken"]?.double ?? 0) > 1)
  }

  @Test func tooManyUnknownWordsFailTheRunAndNameTheCharacters() {
    #expect {
      _ = try evaluated([Document(id: "a", text: "鬱。鬱。薔。猫")])
    } throws: {
      "\($0)".contains("42.857 % of tokens are unknown, 0.500 % are allowed")
        && "\($0)".contains("most frequent unknown characters: 鬱 (2), 薔 (1)")
    }
  }

  @Test func theRateMayBeOfWords() throws {
    let harness = try evaluated(
      [Document(id: "a", text: "鬱。猫は歩いている")], ["maximumOOVFraction": .number(0.5), "per": "word"])
    #expect(harness.metrics["unknown per word"] == 1.0 / 3)
  }
}

@Suite struct TokenizeTests {
  private func tokenized(_ files: [[Document]], _ options: JSONValue, backwards: Bool = false) throws -> StageHarness {
    let trained = try trained([sentences(60)])
    let harness = try StageHarness(TokenizerEncode.self, options: options)
    harness.add(files: trained.files("tokenizer"), to: "tokenizer", from: "tokenizer")
    try harness.add(documents: files)
    return try harness.run(backwards: backwards)
  }

  /// Samples as (ids, parts).
  private func samples(_ harness: StageHarness) throws -> [(ids: [UInt16], parts: JSONValue)] {
    let folder = String(harness.files("tokens")[0].path.dropLast("index.json".count))
    var out: [(ids: [UInt16], parts: JSONValue)] = []
    for shard in try MDSIndex(path: folder + "index.json").shards {
      let bytes = try FileSystem.read(folder + shard.raw.basename)
      func u32(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
      for i in 0..<shard.samples {
        let start = u32(4 + 4 * i)
        let json = Array(bytes[start + 8..<start + 8 + u32(start)])
        // Dynamic shape: one byte for rank and width, then the length.
        let array = start + 8 + u32(start)
        let width = 1 << Int(bytes[array] & 3)
        let values = bytes[(array + 1 + width)..<(array + u32(start + 4))]
        let ids = stride(from: values.startIndex, to: values.endIndex, by: 2).map {
          UInt16(values[$0]) | UInt16(values[$0 + 1]) << 8
        }
        out.append((ids, try JSONValue.parse(json).value))
      }
    }
    return out
  }

  @Test func aDocumentIsASampleBetweenSpecialTokens() throws {
    let harness = try tokenized([sentences(5), sentences(3, from: 5)], [:])
    let all = try samples(harness)
    #expect(all.count == 8 && all.allSatisfy { $0.ids.first == 2 && $0.ids.last == 3 })
    #expect(all.map { $0.parts.array?.first?.array?.first?.string } == (0..<8).map { "s\($0)" })
    #expect(harness.ledger.imbalance == 0 && harness.ledger.consumed.documents == 8)
  }

  @Test(arguments: ["none", "concatenate", "bestfit"])
  func noTokenIsLostWhateverThePacking(_ packing: String) throws {
    let whole = try samples(try tokenized([sentences(50)], ["sequenceLength": 0, "addSpecialTokens": false]))
    var documents: [String: [UInt16]] = [:]
    for sample in whole { documents[sample.parts.array![0].array![0].string!] = sample.ids }
    let packed = try tokenized(
      [sentences(50)], ["sequenceLength": 16, "addSpecialTokens": false, "packing": .string(packing)])
    var found: [String: [UInt16]] = [:]
    for sample in try samples(packed) {
      #expect(sample.ids.count <= 16)
      var at = 0
      for part in sample.parts.array!.map({ $0.array! }) {
        let id = part[0].string!
        let ids = Array(sample.ids[at..<at + part[2].integer!])
        found[id, default: Array(repeating: 0, count: documents[id]!.count)]
          .replaceSubrange(part[1].integer!..<part[1].integer! + ids.count, with: ids)
        at += part[2].integer!
      }
      #expect(at == sample.ids.count)
    }
    #expect(found == documents)
    #expect(packed.ledger.imbalance == 0)
    if packing != "none" { #expect(packed.ledger.merged["packed"]?.documents == 50) }
    if packing == "concatenate" { #expect(try samples(packed).dropLast().allSatisfy { $0.ids.count == 16 }) }
  }

  @Test(
    .needs(streaming.isUsable, "the Python package mosaicml-streaming is not installed"),
    arguments: ["none", "zstd"])
  func streamingReadsTheSamples(_ compression: String) throws {
    let harness = try tokenized(
      [sentences(30)],
      ["packing": "bestfit", "sequenceLength": 32, "shardBytes": 1024, "compression": .string(compression)])
    let folder = String(harness.files("tokens")[0].path.dropLast("index.json".count))
    let local = temporaryDirectory()
    defer { try? FileSystem.removeTree(local) }
    let output = try #require(streaming.run(folder, local))
    let read = try output.split(separator: 0x0A).map { try JSONValue.parse(Array($0)).value }
    #expect(read.allSatisfy { $0["documents"]?.array?.isEmpty == false })
    let plain = try tokenized([sentences(30)], ["packing": "bestfit", "sequenceLength": 32, "shardBytes": 1024])
    let expected = try samples(plain).map { $0.ids.map { Int($0) } }
    #expect(read.map { $0["input_ids"]!.array!.map { $0.integer! } } == expected)
  }

  @Test func tasksInAnyOrderGiveTheSameBytes() throws {
    let files = (0..<4).map { sentences(20, from: 20 * $0) }
    let options: JSONValue = ["packing": "bestfit", "sequenceLength": 24, "shardBytes": 1024]
    #expect(try tokenized(files, options).digests == tokenized(files, options, backwards: true).digests)
  }

  @Test func documentsWithoutTokensAreDrops() throws {
    let harness = try tokenized([[Document(id: "empty", text: " \n")]], [:])
    #expect(try harness.drops().map(\.reason) == ["no-tokens"])
    #expect(harness.ledger.imbalance == 0)
  }

  @Test func aLengthWithoutRoomIsRefused() {
    #expect(throws: (any Error).self) { try tokenized([sentences(1)], ["sequenceLength": 2]) }
    #expect(throws: (any Error).self) { try tokenized([sentences(1)], ["sequenceLength": 0, "packing": "bestfit"]) }
  }
}

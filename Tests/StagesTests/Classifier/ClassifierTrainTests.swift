import Glibc
import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

@Suite struct ClassifierTrainTests {
  /// Texts of two kinds that share words, some with the other kind's label.
  static func documents(_ count: Int, seed: UInt64 = 3, noise: Int = 10) -> [Document] {
    var random = SplitMix(seed: seed)
    let words = [["川沿いの", "図書室で", "本を読んだ。", "静かな"], ["激安", "送料無料！", "今すぐ", "クリック"], ["町の", "店", "と", "朝"]]
    return (0..<count).map { number in
      let kind = number % 2
      let text = (0..<12).map { _ in
        words[Int.random(in: 0..<3, using: &random) == 0 ? kind : 2][Int.random(in: 0..<4, using: &random)]
      }.joined()
      let label = Int.random(in: 0..<100, using: &random) < noise ? 1 - kind : kind
      return Document(id: "\(number)", text: text, metadata: ["label": .string(["good", "bad"][label])])
    }
  }

  static func train(
    _ files: [[Document]], _ options: JSONValue = [:], backwards: Bool = false
  ) throws -> StageHarness {
    let harness = try StageHarness(ClassifierTrain.self, options: settings(options))
    try harness.add(documents: files)
    return try harness.run(backwards: backwards)
  }

  private static let shape = GramShape(shortest: 1, longest: 3, bits: 14, edge: 12)
  /// Of n-grams of 1 to 3 characters: 14, and two for each length.
  private static let traits = 20

  private static func settings(_ options: JSONValue) -> JSONValue {
    .object([JSONMember("bits", .integer(14))] + (options.members ?? []))
  }

  private static func score(_ files: [[Document]], by classifier: StageHarness) throws -> [[Double]] {
    let harness = try StageHarness(ScoreClassifier.self, options: ["fields": .list([])])
    try harness.add(documents: files)
    harness.add(files: classifier.files("classifier"), to: "classifier", from: "train", output: "classifier")
    try harness.run()
    #expect(harness.ledger.imbalance == 0)
    return try harness.files("signals").map { file in
      let reader = try SignalsReader(file.path)
      return try reader.numbers(try #require(reader.column("probability")), block: 0)
    }
  }

  @Test func whatDistinguishesTheLabelsIsLearned() throws {
    let documents = Self.documents(400)
    let trained = try Self.train([Array(documents.prefix(250)), Array(documents.suffix(150))], ["topGrams": 5000])
    #expect(trained.ledger.imbalance == 0)
    // A tenth of the labels is wrong.
    let auc = try #require(trained.metrics["auc"])
    #expect(auc > 0.86 && auc < 0.97)
    #expect(trained.metrics["positive"]! + trained.metrics["negative"]! == 400)
    let grams = try String(decoding: FileSystem.read(trained.directory + "/node/report/grams.tsv"), as: UTF8.self)
    for (gram, isPositive) in [("本", true), ("激", false)] {
      let row = grams.split(separator: "\n").first { $0.hasPrefix(gram + "\t") }
      #expect(try #require(row).split(separator: "\t")[1].hasPrefix("-") != isPositive)
    }
    let svg = try FileSystem.read(trained.directory + "/node/report/precision-recall.svg")
    #expect(String(decoding: svg, as: UTF8.self).contains("AUC \(fixed(auc, 3))"))
    let scores = try Self.score(
      [
        [Document(id: "a", text: "静かな図書室で本を読んだ。")],
        [Document(id: "b", text: "今すぐクリック！送料無料！"), Document(id: "c", text: "")],
      ],
      by: trained)
    #expect(scores[0][0] > 0.75 && scores[1][0] < 0.25 && (0.2...0.8).contains(scores[1][1]))
  }

  @Test func theBytesDependOnNoOrderOfTasks() throws {
    let documents = Self.documents(120)
    let files = [Array(documents[..<40]), Array(documents[40..<41]), Array(documents[41...])]
    let (one, other) = (try Self.train(files), try Self.train(files, backwards: true))
    #expect(one.digests == other.digests && one.digests.count > 8)
    #expect(try Self.train(files, ["seed": 1]).digests != one.digests)
  }

  @Test func twoCorporaAreLabelsToo() throws {
    let documents = Self.documents(200, noise: 0)
    let byLabel = try Self.train([documents])
    let harness = try StageHarness(ClassifierTrain.self, options: Self.settings([:]))
    try harness.add(
      documents: [documents.filter { String(decoding: $0.metadata, as: UTF8.self).contains("good") }], to: "positive",
      from: "books")
    try harness.add(
      documents: [documents.filter { String(decoding: $0.metadata, as: UTF8.self).contains("bad") }], to: "negative",
      from: "web")
    try harness.run()
    #expect(abs(harness.metrics["auc"]! - byLabel.metrics["auc"]!) < 0.02)
    #expect(harness.metrics["positive"] == 100 && harness.metrics["negative"] == 100)
    let lonely = try StageHarness(ClassifierTrain.self)
    try lonely.add(documents: [documents], to: "positive")
    #expect { try lonely.run() } throws: { "\($0)".contains("only documents of one label are wired") }
  }

  /// However large one input or file is, names are looked for in the others too.
  @Test func namesOfNGramsComeFromEveryInputAndFile() throws {
    let harness = try StageHarness(ClassifierTrain.self, options: Self.settings([:]))
    let documents = Self.documents(160, noise: 0)
    for (kind, port) in ["positive", "negative"].enumerated() {
      let own = documents.enumerated().filter { $0.offset % 2 == kind }.map(\.element)
      try harness.add(documents: [own], to: port, from: port)
    }
    try harness.run()
    // Not trained on: it has none of the n-grams that decide.
    let filler = (0..<40).map { Document(id: "\($0)", text: String(repeating: "と町、", count: 40)) }
    let other = try StageHarness(ClassifierTrain.self)
    try other.add(documents: [filler])
    func path(_ harness: StageHarness, _ stage: String) -> String {
      "\(harness.directory)/input/\(stage)/\(TaskPlan.padded(0)).jsonl.zst"
    }
    let model = try ClassifierFile(harness.files("classifier")[0].path).model
    let books = [path(harness, "positive")], web = [path(other, "upstream"), path(harness, "negative")]
    // Each input and each file has more than its part of the bytes.
    let grams = try DecidingGrams(model, count: 3, texts: [[], books, web], bytes: 12_000)
    #expect(grams.positive.count == 3 && grams.negative.count == 3)
    #expect((grams.positive + grams.negative).allSatisfy { $0.occurrences > 0 }, "\(grams.table)")
    let onlyBooks = try DecidingGrams(model, count: 3, texts: [[], books, []], bytes: 12_000)
    #expect(onlyBooks.positive.map(\.name) == grams.positive.map(\.name))
    #expect(onlyBooks.negative.allSatisfy { $0.name.hasPrefix("(number ") && $0.occurrences == 0 })
    #expect(onlyBooks.table.contains("(number ") && !onlyBooks.table.contains("␣"))
  }

  @Test func documentsWithoutOneOfTheLabelsAreDropped() throws {
    var documents = Self.documents(60)
    documents += [
      Document(id: "none", text: "無し"), Document(id: "other", text: "別", metadata: ["label": "unsure"]),
      Document(id: "object", text: "表", metadata: ["label": ["good": true]]),
    ]
    let trained = try Self.train([documents], ["negativeLabels": .list(["bad"])])
    #expect(
      try trained.drops() == [
        .init(id: "none", reason: "no-label"), .init(id: "other", reason: "other-label", detail: "unsure"),
        .init(id: "object", reason: "no-label"),
      ])
    #expect { try Self.train([documents], ["positiveLabels": .list(["nice"])]) } throws: {
      "\($0)".contains("all have one label")
    }
    // A hundred copies of four texts are no more than four.
    let few = (0..<100).map { Document(id: "f\($0)", text: "別の文\($0 % 4)", metadata: ["label": "few"]) }
    for (label, kind) in [("bad", "a positive"), ("good", "the other")] {
      let labels: [JSONMember] = [
        JSONMember("positiveLabels", .strings([label == "bad" ? "few" : "good"])),
        JSONMember("negativeLabels", .strings([label == "bad" ? "bad" : "few"])),
      ]
      #expect { try Self.train([documents, few], .object(labels)) } throws: {
        "\($0)".contains("only 4 different texts have \(kind) label, fewer than folds (5)")
      }
    }
    #expect(throws: StageError.self) { try StageHarness(ClassifierTrain.self, options: ["shortest": 5]) }
    #expect(throws: StageError.self) {
      try StageHarness(ClassifierTrain.self, options: ["positiveLabels": .list(["a"]), "negativeLabels": .list(["a"])])
    }
  }

  /// Equal texts are judged by a classifier that has seen none of them.
  @Test func equalTextsAreInOneFold() throws {
    let documents = Self.documents(40).flatMap { document in
      (0..<3).map { copy in
        var one = document
        one.id = Array("\(document.idString)-\(copy)".utf8)
        return one
      }
    }
    let harness = try Self.train([documents])
    let counted = try CountedDocuments(harness.files("counts"), Self.shape)
    let folds = counted.folds(5, seed: 0)
    var byHash: [UInt64: Set<UInt8>] = [:]
    for (row, fold) in zip(counted.rows, folds) { byHash[row.hash, default: []].insert(fold) }
    #expect(byHash.values.allSatisfy { $0.count == 1 } && Set(folds).count == 5)
  }

  /// The loss is the least: its gradient, by the formula, is nearly zero.
  @Test func theWeightsHaveTheLeastLoss() throws {
    let harness = try Self.train([Self.documents(80)])
    let counted = try CountedDocuments(harness.files("counts"), Self.shape)
    let rows = Array(counted.rows.indices)
    var features = LogisticRegression.features(counted, rows: rows, Self.shape, minimum: 2)
    features.traits = TraitFeatures(counted, rows: rows)
    var regression = LogisticRegression(counted, rows: rows, features: features, cost: 3) {}
    let solution = try regression.solve(tolerance: 1e-8)
    var gradient = solution.weights, bias = 0.0
    for (row, margin) in zip(rows, regression.margins(rows, solution)) {
      let sign = counted.rows[row].isPositive ? 1.0 : -1
      let slope = -3 * sign / (1 + exp(sign * margin))
      bias += slope
      counted.forEachPart(row) { part, found in
        var vector: [Int: Double] = [:]
        for packed in found where features.places[Int(packed >> 8)] >= 0 {
          let place = Int(features.places[Int(packed >> 8)])
          vector[place] = (1 + log(1 + log(Double(packed & 0xFF)))) * features.scales[place]
        }
        let squares = vector.values.reduce(0) { $0 + $1 * $1 }
        let factor = ([0.8, 0.05, 0.1, 0.05][part] / squares).squareRoot()
        for (place, value) in vector { gradient[place] += slope * value * factor }
      }
      let size = (0.2 / Double(Self.traits * TraitSteps.cutsPerTrait)).squareRoot()
      for (trait, step) in features.traits.steps(counted.traits(row)).enumerated() {
        for cut in 0..<TraitSteps.cutsPerTrait {
          let place = features.scales.count + trait * TraitSteps.cutsPerTrait + cut
          gradient[place] += slope * (cut < Int(step) ? size : -size)
        }
      }
    }
    #expect(gradient.count == features.scales.count + Self.traits * TraitSteps.cutsPerTrait)
    #expect(gradient.allSatisfy { abs($0) < 1e-5 } && abs(bias) < 1e-5)
    #expect(solution.weights.contains { abs($0) > 0.1 })
  }

  @Test func cutsDivideTheValuesOfEachTraitEvenly() throws {
    let harness = try Self.train([Self.documents(70)])
    let counted = try CountedDocuments(harness.files("counts"), Self.shape)
    let features = TraitFeatures(counted, rows: Array(5..<70))
    let expected = (0..<Self.traits).flatMap { trait in
      let values = (5..<70).map { counted.traits($0)[trait] }.sorted()
      return (1...31).map { values[65 * $0 / 32] }
    }
    #expect(features.table([Double](repeating: 0, count: features.count)[...]).cuts == expected)
  }

  /// What scoring gives from the file is what the regression gives from the counts.
  @Test func scoringAgreesWithTraining() throws {
    let documents = Self.documents(60)
    let harness = try Self.train([documents], ["calibration": "none"])
    let counted = try CountedDocuments(harness.files("counts"), Self.shape)
    let rows = Array(counted.rows.indices)
    var features = LogisticRegression.features(counted, rows: rows, Self.shape, minimum: 2)
    features.traits = TraitFeatures(counted, rows: rows)
    var regression = LogisticRegression(counted, rows: rows, features: features, cost: 32) {}
    let margins = regression.margins(rows, try regression.solve())
    let scores = try Self.score([documents], by: harness)[0]
    #expect(zip(margins, scores).allSatisfy { abs(1 / (1 + exp(-$0)) - $1) < 1e-5 })
    #expect(try Self.train([documents], ["traits": false]).digests != harness.digests)
  }

  @Test func whatIsNoClassifierIsRefused() throws {
    let trained = try Self.train([Self.documents(40)])
    let path = trained.files("classifier")[0].path
    var bytes = try FileSystem.read(path)
    for damaged in [Array(bytes.prefix(bytes.count / 2)), Array("nothing".utf8)] {
      try FileSystem.write(damaged, to: trained.directory + "/damaged.safetensors")
      #expect(throws: (any Error).self) { try ClassifierFile(trained.directory + "/damaged.safetensors") }
    }
    // Format 1 has the same names and another meaning.
    let old = bytes.firstRange(of: Array(#"\"format\":2"#.utf8))
    var older = bytes
    older[try #require(old).upperBound - 1] = UInt8(ascii: "1")
    try FileSystem.write(older, to: trained.directory + "/old.safetensors")
    #expect { try ClassifierFile(trained.directory + "/old.safetensors") } throws: {
      "\($0)".contains("format 1, not of format 2") && "\($0)".contains("Train it again")
    }
    // A weight that is no number.
    bytes.replaceSubrange((bytes.count - 4)..., with: [0, 0, 0xC0, 0x7F])
    try FileSystem.write(bytes, to: trained.directory + "/nan.safetensors")
    #expect { try ClassifierFile(trained.directory + "/nan.safetensors") } throws: {
      "\($0)".contains("do not fit together")
    }
  }
}

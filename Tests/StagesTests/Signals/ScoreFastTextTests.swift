import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

/// What the stage says is what fastText's own program says, for models of every kind that it makes.
@Suite struct ScoreFastTextTests {
  private static let program = FileSystem.program(named: "fasttext")

  /// Lines of three labels, as fastText trains on them; some share words.
  private static let lines: [String] = {
    var random = SplitMix(seed: 21)
    let words = [
      ["川沿い", "図書室", "読書", "café", "静かな"], ["激安", "送料無料", "今すぐ", "クリック!"], ["定理", "証明", "∀x", "補題"], ["町", "の", "と"],
    ]
    return (0..<240).map { number in
      let kind = [0, 0, 0, 1, 1, 2][number % 6]
      let text = (0..<8).map { _ in
        let list = words[Int.random(in: 0..<3, using: &random) == 0 ? 3 : kind]
        return list[Int.random(in: 0..<list.count, using: &random)]
      }
      return "__label__\(["good", "ad", "math"][kind]) \(text.joined(separator: " "))"
    }
  }()

  private static let texts = [
    "静かな 図書室 と 読書", "今すぐ クリック! 激安 の 町", "未知の言葉 定理 証明 ∀x", "二行の\n文章\tと　空白", "", "__label__good 証明",
    "a", "𠮷野家 café café café 補題 補題 補題 補題",
    // Last, because the program takes what follows for another line.
    "図書室 読書 </s> 激安 送料無料",
  ]

  private static func run(_ arguments: [String]) throws -> String {
    let result = try ChildCommand(try #require(program), arguments, timeoutSeconds: 60).run()
    #expect(result.status == 0, "\(String(decoding: result.errors, as: UTF8.self))")
    return String(decoding: result.output, as: UTF8.self)
  }

  private static func model(_ settings: [String], in folder: String) throws -> String {
    try FileSystem.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: folder + "/train.txt")
    _ = try run(
      ["supervised", "-input", folder + "/train.txt", "-output", folder + "/m", "-thread", "1", "-epoch", "25"]
        + ["-dim", "12", "-bucket", "3000"] + settings)
    return folder + "/m.bin"
  }

  private static func probabilities(_ text: String, _ model: FastTextModel) -> [String: Float] {
    let found = Array(text.utf8).withUnsafeBufferPointer { model.probabilities(of: $0) }
    return Dictionary(uniqueKeysWithValues: zip(model.labels, found))
  }

  private static func check(
    _ path: String, _ texts: [String], in folder: String, labels: Int = 3, tolerance: Float = 3e-5
  ) throws {
    let model = try FastTextModel(path)
    let lines = texts.map { String($0.map { $0.isNewline ? " " : $0 }) + "\n" }
    try FileSystem.write(Array(lines.joined().utf8), to: folder + "/texts.txt")
    let said = try run(["predict-prob", path, folder + "/texts.txt", "\(labels)"])
    let answers = said.split(separator: "\n", omittingEmptySubsequences: false)
    for (text, answer) in zip(texts, answers) {
      let own = probabilities(text, model)
      let parts = answer.split(separator: " ")
      #expect(own.isEmpty == parts.isEmpty)
      for place in stride(from: 0, to: parts.count, by: 2) {
        let label = String(parts[place].dropFirst("__label__".count))
        let value = try #require(Float(parts[place + 1])), found = try #require(own[label])
        // The program adds a hundred-thousandth before it takes a logarithm, in a tree at every node.
        #expect(abs(value - found) < tolerance, "\(path) \(text) \(label)")
      }
    }
  }

  @Test(.needs(program != nil, "needs fastText's program (apt-get install fasttext)"))
  func probabilitiesAreThoseOfTheProgram() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    for settings in [
      [], ["-loss", "ova", "-wordNgrams", "3"], ["-loss", "hs", "-minn", "2", "-maxn", "4"],
      ["-loss", "ns", "-minn", "1", "-maxn", "3", "-wordNgrams", "2"],
    ] {
      try Self.check(try Self.model(settings, in: folder), Self.texts, in: folder)
    }
    for quantized in [["-qnorm"], ["-cutoff", "300", "-retrain", "-epoch", "1"]] {
      _ = try Self.model(["-minn", "2", "-maxn", "3", "-wordNgrams", "2"], in: folder)
      _ = try Self.run(
        ["quantize", "-input", folder + "/train.txt", "-output", folder + "/m", "-dsub", "5", "-thread", "1"]
          + quantized)
      try Self.check(folder + "/m.ftz", Self.texts, in: folder)
    }
  }

  @Test(.needs(program != nil, "needs fastText's program (apt-get install fasttext)"), .needsRealTexts)
  func aPublishedModelSaysTheSame() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let path = try #require(realDataPath) + "/langid/lid.176.ftz"
    let texts = [
      "吾輩は猫である。名前はまだ無い。", "It was a bright cold day in April.", "Ça va très bien, merci.", "安全保障理事會", "привет",
    ]
    try Self.check(path, texts, in: folder, labels: 5, tolerance: 1.5e-4)
  }

  @Test(.needs(program != nil, "needs fastText's program (apt-get install fasttext)"))
  func columnsHaveLabelsAndTheirExpectation() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let path = try Self.model([], in: folder)
    func stage(_ options: [JSONMember]) throws -> StageHarness {
      let harness = try StageHarness(
        ScoreFastText.self,
        options: .object([JSONMember("model", .string(path)), JSONMember("fields", .list([]))] + options))
      try harness.add(documents: [[Document(id: "a", text: "図書室 読書"), Document(id: "b", text: "激安 送料無料")]])
      return harness
    }
    let harness = try stage([
      JSONMember("labels", .list(["ad"])), JSONMember("values", ["ad": 0, "good": 2, "math": 3]),
    ]).run()
    let reader = try SignalsReader(try #require(harness.files("signals").first).path)
    #expect(try reader.texts(try #require(reader.column("label")), block: 0).values == ["good", "ad"])
    let model = try FastTextModel(path)
    for (row, text) in ["図書室 読書", "激安 送料無料"].enumerated() {
      let own = Self.probabilities(text, model).mapValues { Double($0) }
      let ad = try reader.numbers(try #require(reader.column("probability.ad")), block: 0)[row]
      let mean = try reader.numbers(try #require(reader.column("expectation")), block: 0)[row]
      #expect(ad == own["ad"] && abs(mean - (2 * own["good"]! + 3 * own["math"]!)) < 1e-6)
    }
    #expect { try stage([JSONMember("labels", .list(["goood"]))]).run() } throws: {
      "\($0)".contains("no label 'goood'") && "\($0)".contains("good")
    }
  }

  @Test func labelsThatRulesCannotWriteAreCalledByTheirPlace() throws {
    #expect(
      ScorerOptions.columns("probability", ["ad", "a b", "zh-min-nan", "良い"])
        == ["probability.ad", "probability.1", "probability.2", "probability.良い"])
    _ = try StageHarness(ScoreFastText.self, options: ["labels": .strings(["ad", "a b", "zh-min-nan", "良い"])])
    for (labels, name) in [(["ad", "ad"], "probability.ad"), (["1", "a-b"], "probability.1")] {
      #expect { try StageHarness(ScoreFastText.self, options: ["labels": .strings(labels)]) } throws: {
        "\($0)".contains("labels") && "\($0)".contains("'\(labels[1])' would be named '\(name)'")
      }
    }
  }

  /// Whatever is cut or changed in a model is refused or read without a crash.
  @Test(.needs(program != nil, "needs fastText's program (apt-get install fasttext)"))
  func damagedModelsAreRefused() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let bytes = try FileSystem.read(try Self.model(["-loss", "hs", "-minn", "2", "-maxn", "3"], in: folder))
    let path = folder + "/damaged.bin"
    for length in [0, 3, 60, 200, bytes.count / 2, bytes.count - 1] {
      try FileSystem.write(Array(bytes.prefix(length)), to: path)
      #expect(throws: ShardError.self) { try FastTextModel(path) }
    }
    for place in 0..<120 {
      var changed = bytes
      changed[place] = 0xFF
      try FileSystem.write(changed, to: path)
      if let model = try? FastTextModel(path) { _ = Self.probabilities("図書室 読書", model) }
    }
  }
}

public import PipelineKit
import ShardKit
import TextKit

/// Keeps documents in the selected languages.
///
/// Clear cases of Japanese are decided by scripts: at least a fifth of the bytes of letters are kana, and four fifths are
/// kana or kanji. All others are decided by CLD2.
public struct FilterLanguage: PassingStage, SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Languages to keep, as CLD2's ISO 639 codes: ja, en, zh, zh-Hant or ko.") var languages = ["ja"]
    @Option(
      "Minimum fraction of the text in these languages together, 0…1 (by bytes of letters).", in: 0...1,
      formerly: "minimumShare")
    var minimumFraction = 0.5
    @Option("Drops documents if CLD2 is not sure of the language.") var reliableOnly = false
    @Option("Size of a document's beginning that is examined.", in: ByteCount(256)...ByteCount(1 << 30))
    var sampleBytes = ByteCount(64 << 10)
    @Option(
      "Accepts a text as Japanese without CLD2 if at least 20 % of its letters are kana and 80 % kana or kanji, by bytes."
    )
    var kanaDecides = true

    public init() {}
  }

  public static let name = "filter.language"
  public static let revision = 2
  public static let summary = "Keeps documents in the selected languages, by scripts and CLD2."
  static let documents = Input<Documents>("documents", "The documents to judge.")
  static let kept = Output<Documents>("documents", "The documents in the selected languages.")
  public static let inputs = [documents.port]
  public static let outputs = [kept.port]
  public static var passed: Input<Documents> { documents }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    guard !options.languages.isEmpty else {
      throw StageError(.options, "languages", "no language is given", hint: "Give at least one, such as \"ja\".")
    }
  }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    // Another version of the detector may give other results.
    try TaskPlan.perFile(context.files(Self.documents)).map {
      try $0.with(payload: ["cld2": "\(LanguageGuess.detectorVersion)"])
    }
  }

  public func pass(_ workspace: Workspace) throws -> DocumentPass {
    let output = try workspace.documents(to: Self.kept)
    return DocumentPass { document in
      let verdict = verdict(document.text)
      if let reason = verdict.dropped {
        try workspace.drop(
          document, DropReason(reason, value: verdict.share, threshold: options.minimumFraction, detail: verdict.detail)
        )
      } else {
        try output.write(document)
      }
      workspace.metric(verdict.isByScript ? "by-script" : "by-cld2", 1)
    }
  }

  struct Verdict: Equatable {
    var dropped: String?
    var share: Double
    /// "zh 97 %, en 3 %".
    var detail = ""
    var isByScript = false
  }

  func verdict(_ text: [UInt8]) -> Verdict {
    text.withUnsafeBufferPointer { text in
      let sample = JapaneseScript.sample(text, bytes: options.sampleBytes.bytes)
      if options.kanaDecides, options.languages.contains("ja"),
        let share = JapaneseScript.clearlyJapanese(sample, minimumFraction: options.minimumFraction)
      {
        return Verdict(dropped: nil, share: share, isByScript: true)
      }
      return verdict(LanguageGuess.cld2(sample))
    }
  }

  private func verdict(_ guess: LanguageGuess) -> Verdict {
    let share = guess.parts.filter { options.languages.contains($0.code) }.reduce(0) { $0 + $1.share }
    let names = guess.parts.map { "\($0.code == "un" ? "unknown" : $0.code) \(percent($0.share))" }
    let detail = names.isEmpty ? "unknown" : names.joined(separator: ", ")
    if share < options.minimumFraction || guess.parts.isEmpty {
      return Verdict(dropped: "language", share: share, detail: detail)
    }
    let isUnsure = options.reliableOnly && !guess.isReliable
    return Verdict(dropped: isUnsure ? "language-unreliable" : nil, share: share, detail: detail)
  }
}

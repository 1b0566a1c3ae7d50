public import PipelineKit
import ShardKit
import TextKit

/// Cleans the text of each document. Documents that become empty, or show signs of a wrong encoding, are dropped.
public struct TextClean: PassingStage, SinglePhaseStage {
  public static let name = "text.clean"
  public static let revision = 5
  public static let summary =
    "Normalizes and cleans the text of each document: NFKC, white space, URLs, boilerplate."
  static let documents = Input<Documents>("documents", "The documents to clean.")
  static let cleaned = Output<Documents>("documents", "The documents with clean text.")
  public static let inputs = [documents.port]
  public static let outputs = [cleaned.port]
  public static var passed: Input<Documents> { documents }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let lists = try context.files(options.boilerplateLists)
    return context.files(Self.documents).enumerated().map { i, file in
      TaskPlan(key: TaskPlan.padded(i), inputs: [.main: [file], "phrases": lists])
    }
  }

  public func pass(_ workspace: Workspace) throws -> DocumentPass {
    let lists = try PhraseLists.read(workspace.files("phrases"))
    var cleaner = TextCleaner(options.rules(boilerplate: lists))
    let output = try workspace.documents(to: Self.cleaned)
    var changed = 0
    return DocumentPass { document in
      if let limit = options.maximumMojibakeFraction {
        let share = document.text.withUnsafeBufferPointer { Mojibake.share($0) }
        if share > limit {
          try workspace.drop(document, DropReason("mojibake", value: share, threshold: limit))
          return
        }
      }
      changed += cleaner.clean(&document.text) ? 1 : 0
      if document.text.count < options.minimumBytes {
        try workspace.drop(
          document, DropReason("too-short", value: Double(document.text.count), threshold: Double(options.minimumBytes))
        )
      } else {
        try output.write(document)
      }
    } end: {
      workspace.metric("documents-changed", Double(changed))
      for rule in CleaningRule.allCases where cleaner.counts[rule] > 0 {
        workspace.metric("characters-\(rule.name)", Double(cleaner.counts[rule]))
      }
    }
  }
}

extension TextClean {
  public struct Options: StageOptions {
    @Option(
      "Unicode NFKC: ＡＢＣ → ABC, ｶﾞ → ガ, （ → (. Dakuten are composed, never dropped; standalone marks "
        + "(゛ ´ ￣) compose (か゛ → が) or are kept.")
    var nfkc = true
    @Option("，→、 and ．→。 in texts that mostly use the latter; not between digits or Latin letters.")
    var punctuation = true
    @Option(
      "Collapses runs of spaces (ideographic too), trims lines, and keeps at most one blank line, none at the ends.")
    var whitespace = true
    @Option("Removes control, zero-width and bidirectional characters and soft hyphens.") var controls = true
    @Option("http, https, ftp and www URLs; token: replaced by <url>.") var urls = Treatment.remove
    @Option("E-mail addresses; token: replaced by <email>.") var emails = Treatment.keep
    @Option(
      "Japanese telephone numbers, of either width, with any dash; token: the last four digits become XXXX.")
    var phones = Treatment.keep
    @Option("Removes empty brackets: （）「」 and the like.") var emptyBrackets = true
    @Option("Removes lines of navigation, sharing and copyright at both ends (続きを読む, トップページ, …).")
    var boilerplate = true
    @Option("Non-blank lines examined at each end.", in: 1...1000) var boilerplateLines = 6
    @Option("Files of additional boilerplate lines, one per line, UTF-8.") var boilerplateLists = InputFiles()
    @Option(
      "Documents with a larger fraction (0…1) of characters that show a wrong encoding (U+FFFD, 縺, 繧, 繝) are dropped. "
        + "null: off.",
      formerly: "maximumMojibakeShare")
    var maximumMojibakeFraction: Double? = 0.01
    @Option("Documents with fewer bytes after cleaning are dropped.", in: 0...1_000_000) var minimumBytes = 1

    public init() {}

    enum Treatment: String, OptionChoice { case keep, remove, token }

    func rules(boilerplate phrases: [String]) -> CleaningRules {
      var rules = CleaningRules()
      rules.nfkc = nfkc
      rules.unifiesPunctuation = punctuation
      rules.tidiesWhitespace = whitespace
      rules.removesControls = controls
      rules.urls = urls.cleaning
      rules.emails = emails.cleaning
      rules.phones = phones.cleaning
      rules.removesEmptyBrackets = emptyBrackets
      rules.boilerplate = boilerplate ? .japaneseWeb(and: phrases) : nil
      rules.boilerplateLines = boilerplateLines
      return rules
    }
  }
}

extension TextClean.Options.Treatment {
  fileprivate var cleaning: CleaningRules.Treatment {
    switch self {
    case .keep: .keep
    case .remove: .remove
    case .token: .mask
    }
  }
}

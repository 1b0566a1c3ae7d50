public import PipelineKit
import ShardKit
import TextKit

/// Cleans the text of each document. What nothing is left of, or shows signs of a wrong encoding, is dropped.
public struct TextClean: SinglePhaseStage {
  public static let name = "text.clean"
  public static let revision = 4
  public static let summary =
    "Normalizes and cleans the text of each document: NFKC, white space, addresses, boilerplate."
  static let documents = Input<Documents>("documents", "The documents to clean.")
  static let cleaned = Output<Documents>("documents", "The documents with clean text.")
  public static let inputs = [documents.port]
  public static let outputs = [cleaned.port]

  private let options: Options

  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    let lists = try context.files(options.boilerplateLists)
    return context.files(Self.documents).enumerated().map { i, file in
      TaskPlan(key: TaskPlan.padded(i), inputs: [.main: [file], "phrases": lists])
    }
  }

  public func run(_ workspace: Workspace) throws {
    let lists = try PhraseLists.read(workspace.files("phrases"))
    var cleaner = TextCleaner(options.rules(boilerplate: lists))
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.cleaned)
    var document = Document()
    var changed = 0
    while try stream.next(&document) {
      if let limit = options.maximumMojibakeFraction {
        let share = document.text.withUnsafeBufferPointer { Mojibake.share($0) }
        if share > limit {
          try workspace.drop(document, DropReason("mojibake", value: share, threshold: limit))
          continue
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
    }
    workspace.metric("documents-changed", Double(changed))
    for rule in CleaningRule.allCases where cleaner.counts[rule] > 0 {
      workspace.metric("characters-\(rule.name)", Double(cleaner.counts[rule]))
    }
  }
}

extension TextClean {
  public struct Options: StageOptions {
    @Option(
      "Unicode form KC: ＡＢＣ → ABC, ｶﾞ → ガ, （ → (. Dakuten are composed, never dropped; marks that stand by themselves "
        + "(゛ ´ ￣) compose (か゛ → が) or stay.")
    var nfkc = true
    @Option("，→、 and ．→。 in texts where those are written more often; not between digits or Latin letters.")
    var punctuation = true
    @Option("One space for a run of spaces (ideographic too), lines trimmed, at most one blank line, none at the ends.")
    var whitespace = true
    @Option("Removes control, zero-width and bidirectional characters and soft hyphens.") var controls = true
    @Option("http, https, ftp and www addresses; token writes <url>.") var urls = Treatment.remove
    @Option("E-mail addresses; token writes <email>.") var emails = Treatment.keep
    @Option(
      "Japanese telephone numbers, in either width and with any dash; token writes XXXX for the last four digits.")
    var phones = Treatment.keep
    @Option("Removes brackets with nothing in them: （）「」 and the like.") var emptyBrackets = true
    @Option("Removes lines of navigation, sharing and copyright at both ends (続きを読む, トップページ, …).")
    var boilerplate = true
    @Option("How many lines that are not blank are looked at, at each end.", in: 1...1000) var boilerplateLines = 6
    @Option("Files of further such lines, one a line, UTF-8.") var boilerplateLists = InputFiles()
    @Option(
      "Documents of which more characters, 0…1, show a wrong encoding (U+FFFD, 縺, 繧, 繝) are dropped; null is off.",
      formerly: "maximumMojibakeShare")
    var maximumMojibakeFraction: Double? = 0.01
    @Option("Documents with less text after cleaning are dropped.", in: 0...1_000_000) var minimumBytes = 1

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

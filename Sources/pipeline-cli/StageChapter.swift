import PipelineKit

/// Where a kind of stage stands in lists for people: by what it does in a pipeline, not by alphabet.
enum StageChapter: String, CaseIterable {
  case fetch = "Crawl and download"
  case read = "Read sources"
  case clean = "Clean and filter"
  case dedupe = "Deduplicate and mix"
  case write = "Tokenize and write shards"
  case train = "Train"
  case evaluate = "Evaluate"
  case publish = "Convert, describe and upload"
  case own = "Run programs of your own"
  case other = "Other"

  /// By name alone, so that a new stage needs no entry here: what its verb says, else what its family says.
  init(_ name: String) {
    let parts = name.split(separator: ".").map(String.init)
    self = Self.exceptions[name] ?? Self.verbs[parts.last ?? ""] ?? Self.families[parts.first ?? ""] ?? .other
  }

  private static let exceptions: [String: StageChapter] = [
    "huggingface.convert": .publish, "huggingface.read": .train, "model.card": .publish,
  ]
  private static let verbs: [String: StageChapter] = [
    "crawl": .fetch, "download": .fetch, "upload": .publish, "read": .read, "extract": .read, "select": .read,
    "sample": .read, "embed": .dedupe,
  ]
  private static let families: [String: StageChapter] = [
    "text": .clean, "filter": .clean, "redact": .clean, "score": .clean, "gate": .clean, "infer": .clean,
    "classifier": .clean,
    "dedupe": .dedupe, "decontaminate": .dedupe, "mix": .dedupe, "tokenizer": .write, "mds": .write, "parquet": .write,
    "model": .train, "check": .train, "evaluate": .evaluate, "report": .publish, "command": .own,
  ]

  /// The kinds of a registry, chapter by chapter; chapters without any are left out.
  static func chapters(of registry: StageRegistry) -> [(chapter: StageChapter, stages: [StageDescription])] {
    allCases.compactMap { chapter in
      let stages = registry.stages.filter { StageChapter($0.name) == chapter }
      return stages.isEmpty ? nil : (chapter, stages)
    }
  }
}

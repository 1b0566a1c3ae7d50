import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

/// A reader, text.clean, filter.language, filter.quality and what reads them, in a folder of its own.
struct PassPipeline {
  let folder = temporaryDirectory()

  /// - Parameters:
  ///   - clean: more members of the stage `clean`.
  ///   - quality: more options of the stage `quality`.
  ///   - more: further stages, each after a comma.
  func graph(passes: Bool = true, clean: String = "", quality: String = "", more: String = "") throws -> Graph {
    let document = """
      { "format": 1, "name": "t", "passes": \(passes), "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts", "bytesPerTask": 1000 } },
        "clean": { "use": "text.clean", "inputs": { "documents": "read" }\(clean) },
        "language": { "use": "filter.language", "inputs": { "documents": "clean" } },
        "quality": { "use": "filter.quality", "inputs": { "documents": "language" },
          "options": { "preset": "none", "minimumCharacters": 12\(quality) } },
        "exact": { "use": "dedupe.exact", "inputs": { "documents": "quality" } }\(more) } }
      """
    return try Graph(try PipelineSpec.parse(Array(document.utf8), path: folder + "/p.json"), registry: .builtin)
  }

  func open(_ store: String) throws -> RunStore { try RunStore(root: "\(folder)/\(store)") }

  /// Runs the pipeline; see `graph` for its variants.
  /// - Returns: by stage and phase: the tasks, and how many of them were done before.
  func run(
    _ store: String, passes: Bool = true, clean: String = "", quality: String = "", more: String = "",
    _ change: (inout PipelineRun.Settings) -> Void = { _ in }
  ) throws -> [String: [Int]] {
    try run(store, try graph(passes: passes, clean: clean, quality: quality, more: more), change).tasks
  }

  /// - Parameter end: the stage after which the run is stopped.
  /// - Returns: also what was fetched.
  @discardableResult
  func run(
    _ store: String, _ graph: Graph, locked: LockedArtifacts? = nil, endAfter end: String? = nil,
    _ change: (inout PipelineRun.Settings) -> Void = { _ in }
  ) throws -> (tasks: [String: [Int]], fetched: Set<String>) {
    var settings = PipelineRun.Settings()
    change(&settings)
    var run = try PipelineRun(graph: graph, store: try open(store), settings: settings)
    run.locked = locked
    var tasks: [String: [Int]] = [:]
    var fetched: Set<String> = []
    var isOver = false
    let outcome = try run.run(interruption: { isOver ? 1 : 0 }) { event in
      switch event {
      case .phaseBegan(let stage, let phase, let count, let kept): tasks["\(stage) \(phase)"] = [count, kept]
      case .fetched(let stage, _, _, _): fetched.insert(stage)
      case .sealed(let stage, _, _): isOver = isOver || stage == end
      case .taskFailed(let stage, _, let key, let message): Issue.record("\(stage) \(key): \(message)")
      case .stageFailed(let stage, let message): Issue.record("\(stage): \(message)")
      default: break
      }
    }
    #expect(outcome == (end == nil ? .done : .interrupted))
    return (tasks, fetched)
  }

  func manifest(_ store: String, _ stage: String) throws -> NodeManifest {
    try #require(try RunStore(root: "\(folder)/\(store)").newestSealed(stage: stage, pipeline: "t")?.manifest)
  }

  /// Whether an output's documents were handed on and not kept.
  func hasPassed(_ store: String, _ stage: String, _ port: String) throws -> Bool {
    try manifest(store, stage).files.contains { $0.port == port && $0.isPassed }
  }

  /// Digests of what is kept, by port and name.
  func digests(_ store: String, _ stage: String) throws -> [String: String] {
    try manifest(store, stage).files.filter { !$0.isPassed }.reduce(into: [:]) {
      $0["\($1.port)/\($1.name)"] = $1.digest.hex
    }
  }

  /// Everything that two stores must have in common.
  func expectEqual(_ store: String, _ other: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    for stage in ["read", "clean", "language", "quality", "exact"] {
      let (a, b) = (try manifest(store, stage), try manifest(other, stage))
      #expect(a.ledger == b.ledger && a.warnings == b.warnings, "\(stage)", sourceLocation: sourceLocation)
      #expect(a.metrics == b.metrics && a.tasks == b.tasks, "\(stage)", sourceLocation: sourceLocation)
      let (kept, all) = (try digests(store, stage), try digests(other, stage))
      #expect(kept.allSatisfy { all[$0.key] == $0.value }, "\(stage)", sourceLocation: sourceLocation)
      #expect(
        Set(a.files.map { "\($0.port)/\($0.name) \($0.documents) \($0.textBytes)" })
          == Set(b.files.map { "\($0.port)/\($0.name) \($0.documents) \($0.textBytes)" }), "\(stage)",
        sourceLocation: sourceLocation)
    }
    #expect(try digests(store, "exact") == digests(other, "exact"), sourceLocation: sourceLocation)
  }

  /// Files of many kinds: Japanese, other languages, short texts, copies, metadata in odd forms, nothing at all.
  func write(files: Int = 5) throws {
    try FileSystem.makeDirectory(folder + "/texts")
    var random = SplitMix(seed: 11)
    for file in 0..<files {
      var lines = ""
      for number in 0..<(file == 2 ? 1 : 30) {
        let id = "d\(file)-\(number)"
        let metadata = [
          "", #", "metadata": {"a": 1,  "b": [1, 2]}"#, #", "metadata": {"a": 1, "a": 2}"#, #", "metadata": {}"#,
          #", "other": {"x": null}, "added": "2024-01-01""#,
        ][Int(random.next() % 5)]
        let text =
          switch file == 2 ? 4 : random.next() % 6 {
          case 0: "短い文。"
          case 1: "This one is written in English, as anybody can see, and it is long enough."
          case 2: "これは　全角ＡＢＣと\\n改行と http://example.com/a を含む日本語の文章です。\(number % 3)"
          case 3: "同じ文章が何度も出てくるので、重複として取り除かれるはずの日本語です。"
          case 4: "Hi."
          default: "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\(random.next() % 1000)"
          }
        lines += #"{"id": "\#(id)", "text": "\#(text)"\#(metadata)}"# + "\n"
      }
      try FileSystem.write(Array(lines.utf8), to: "\(folder)/texts/\(file).jsonl")
    }
  }
}

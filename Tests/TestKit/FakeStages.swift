import Glibc
public import PipelineKit
import ShardKit

/// Reads Dolma documents from files, one task per file. Counts how often tasks ran, for tests of resuming.
public struct FakeSource: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("What to take.", holdsRecords: false) public var lists = InputFiles()
    @Option("JSON lines to read.", required: true) public var files = InputFiles()

    public init() {}
  }

  public static let name = "fake.source"
  public static let revision = 1
  public static let summary = "Reads documents."
  static let out = Output<Documents>("documents", "The documents.")
  public static let outputs = [out.port]
  let options: Options
  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) throws -> [TaskPlan] {
    TaskPlan.perFile(try context.files(options.files))
  }

  public func run(_ workspace: Workspace) throws {
    FakeLog.add("source/\(workspace.task.key)")
    // A file that begins with '#' contains no records.
    if try FileSystem.read(workspace.file().path).first == UInt8(ascii: "#") { return }
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.out)
    var document = Document()
    while try stream.next(&document) { try output.write(document) }
  }
}

/// Drops documents shorter than an option; fails on purpose if the document's text requests it.
public struct FakeFilter: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("Shorter documents are dropped.", in: 0...1000) public var minimumBytes = 0
    @Option("Added to each text.") public var suffix = ""
    @Option("Forgets the first document, which a ledger must notice.") public var loses = false
    @Option("Changes nothing in the result.", affectsOutput: false) public var bufferBytes = 1

    public init() {}
  }

  public static let name = "fake.filter"
  public static let revision = 1
  public static let summary = "Filters documents."
  static let documents = Input<Documents>("documents", "What to filter.")
  static let kept = Output<Documents>("kept", "What stays.")
  public static let inputs = [documents.port]
  public static let outputs = [kept.port]
  let options: Options
  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) -> [TaskPlan] {
    TaskPlan.perFile(context.files(Self.documents))
  }

  public func run(_ workspace: Workspace) throws {
    FakeLog.add("filter/\(workspace.task.key)")
    let stream = workspace.documents()
    let output = try workspace.documents(to: Self.kept)
    var document = Document()
    var isFirst = true
    while try stream.next(&document) {
      let text = document.textString
      if text.hasPrefix("FAIL") { throw StageError(.check, document.idString, "the document asks for a failure") }
      if text.hasPrefix("FLAKY"), FakeLog.count("filter/\(workspace.task.key)") < 3 {
        throw ShardError(.io, "disk", "a fault that passes")
      }
      if text.hasPrefix("SLOW") {
        while true {
          try workspace.control.check()
          usleep(5000)
        }
      }
      defer { isFirst = false }
      if options.loses, isFirst { continue }
      if document.text.count < options.minimumBytes {
        try workspace.drop(
          document, DropReason("too-short", value: Double(document.text.count), threshold: Double(options.minimumBytes))
        )
        continue
      }
      document.text += Array(options.suffix.utf8)
      try output.write(document)
    }
  }
}

/// Two phases: counts per file, then one task that writes the sum under a label, which counting does not use.
public struct FakeSum: Stage {
  public struct Options: StageOptions {
    @Option("Stands beside the sum.") public var label = ""
    @Option("Each count is multiplied by it.", in: 1...9) public var factor = 1

    public init() {}
  }

  public static let name = "fake.sum"
  public static let revision = 1
  public static let summary = "Sums the documents' bytes."
  public enum Phase: String, StagePhase { case count, sum }
  static let documents = Input<Documents>("documents", "What to sum.", named: true)
  static let counts = Output<Intermediate>("counts", "A count a file.", hidden: true)
  static let total = Output<Metrics>("total", "The sum.")
  public static let inputs = [documents.port]
  public static let outputs = [counts.port, total.port]
  let options: Options
  public init(options: Options) { self.options = options }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .count: ["factor"]
    case .sum: ["label"]
    }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) -> [TaskPlan] {
    switch phase {
    case .count: TaskPlan.perFile(context.files(Self.documents))
    case .sum: [TaskPlan(key: "all", inputs: [.main: context.files(Self.counts)])]
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    FakeLog.add("\(phase)/\(workspace.task.key)")
    if options.factor > 1 || !options.label.isEmpty {
      FakeLog.add("\(phase) knows \(options.factor)\(options.label)")
    }
    if phase == .count {
      let stream = workspace.documents()
      var sum = 0
      while let document = try stream.next() {
        sum += options.factor * document.text.count
        workspace.consume(bytes: document.text.count)
      }
      try workspace.write(Self.counts, name: "\(workspace.task.key).txt", Array("\(sum)".utf8))
    } else {
      var sum = 0
      for file in workspace.files(Self.counts) {
        sum += Int(String(decoding: try FileSystem.read(file.path), as: UTF8.self)) ?? 0
      }
      try workspace.write(Self.total, name: "total.json", Array("{\"bytes\":\(sum)\(options.label)}\n".utf8))
    }
  }
}

/// Waits, as for a server, until a fake source has run: forever if nothing else may run at the same time.
public struct FakeCrawl: SinglePhaseStage {
  public struct Options: StageOptions {
    @Option("How many.", in: 1...100) public var tasks = 1

    public init() {}
  }

  public static let name = "fake.crawl"
  public static let revision = 1
  public static let summary = "Waits."
  static let out = Output<Files>("files", "A file a task.")
  public static let outputs = [out.port]
  public static let waitingPhases = Set(Phase.allCases)
  let options: Options
  public init(options: Options) { self.options = options }

  public func tasks(in context: PlanningContext) -> [TaskPlan] {
    (0..<options.tasks).map { TaskPlan(key: TaskPlan.padded($0)) }
  }

  public func run(_ workspace: Workspace) throws {
    for _ in 0..<60_000 where !FakeLog.all.contains(where: { $0.hasPrefix("source/") }) {
      try workspace.control.check()
      usleep(5000)
    }
    guard FakeLog.all.contains(where: { $0.hasPrefix("source/") }) else {
      throw StageError(.check, workspace.task.key, "nothing ran beside it")
    }
    try workspace.write(Self.out, name: workspace.task.key, Array("done".utf8))
  }
}

/// Which fake tasks ran in this process since the last reset.
public enum FakeLog {
  nonisolated(unsafe) private static var entries: [String] = []
  nonisolated(unsafe) private static var lock = pthread_mutex_t()

  private static func locked<T>(_ body: () -> T) -> T {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    return body()
  }

  public static func reset() { locked { entries = [] } }
  static func add(_ entry: String) { locked { entries.append(entry) } }
  public static var all: [String] { locked { entries.sorted() } }
  public static func count(_ entry: String) -> Int { locked { entries.filter { $0 == entry }.count } }
}

extension StageRegistry {
  public static let fake = StageRegistry([
    StageDescription(FakeSource.self), StageDescription(FakeFilter.self), StageDescription(FakeSum.self),
    StageDescription(FakeCrawl.self),
  ])
}

/// A folder with a pipeline file, its data and its store, for tests that run pipelines in this process.
public final class FakePipeline {
  public let folder: String
  public var document: String

  /// - Parameter texts: documents by file.
  public init(_ document: String, texts: [[String]]) throws {
    folder = temporaryDirectory()
    self.document = document
    try FileSystem.makeDirectory(folder + "/data")
    for (i, texts) in texts.enumerated() { try write(file: i, texts) }
    FakeLog.reset()
  }

  deinit { try? FileSystem.removeTree(folder) }

  public func write(file: Int, _ texts: [String]) throws {
    var lines: [UInt8] = []
    for (j, text) in texts.enumerated() { Document(id: "f\(file)-\(j)", text: text, source: "fake").append(to: &lines) }
    try FileSystem.write(lines, to: "\(folder)/data/\(file).jsonl")
  }

  public func graph() throws -> Graph {
    try Graph(try PipelineSpec.parse(Array(document.utf8), path: folder + "/p.json"), registry: .fake)
  }

  public func store() throws -> RunStore { try RunStore(root: folder + "/.pipeline") }

  public func pipelineRun(_ change: (inout PipelineRun.Settings) -> Void = { _ in }) throws -> PipelineRun {
    var settings = PipelineRun.Settings()
    settings.jobs = 2
    change(&settings)
    return try PipelineRun(graph: graph(), store: store(), settings: settings)
  }

  /// Runs and returns the outcome with all events; the log of fake tasks starts empty.
  @discardableResult
  public func run(
    _ change: (inout PipelineRun.Settings) -> Void = { _ in }
  ) throws -> (outcome: RunOutcome, events: [RunEvent]) {
    FakeLog.reset()
    var events: [RunEvent] = []
    let outcome = try pipelineRun(change).run(listen: { events.append($0) })
    return (outcome, events)
  }

  /// By stage: the verdict of what a run would do.
  public func plan(_ change: (inout PipelineRun.Settings) -> Void = { _ in }) throws -> [String: Verdict] {
    let run = try pipelineRun(change)
    return Dictionary(
      uniqueKeysWithValues: try run.plan().verdicts.map { (run.graph.nodes[$0.node].name, $0.verdict) })
  }
}

import PipelineKit
import ShardKit
import TrainerCore

/// GLUE's files in a folder, by task, as its authors released them (`CoLA/train.tsv`, `MNLI/dev_matched.tsv`), MRPC also as
/// its own authors did (`MRPC/msr_paraphrase_train.txt` with `dev_ids.tsv`); or the Hub's (`mnli/train-00000-of-00001.parquet`).
struct GLUEFiles {
  private var found: [GLUETask: [ArtifactFile]] = [:]

  init(_ files: [ArtifactFile]) {
    for task in GLUETask.allCases {
      let own = files.filter { file in
        guard let parent = ArchivePath.parts(file.name).dropLast().last else { return false }
        return Self.folders(task).contains(parent.lowercased()) && Self.role(file) != nil
      }
      let roles = Set(own.compactMap(Self.role))
      if roles.contains(.training), roles.contains(.development) || roles.contains(.developmentPairs) {
        found[task] = own
      }
    }
  }

  private static func folders(_ task: GLUETask) -> Set<String> {
    [task.rawValue, task.title.lowercased()]
  }

  enum Role { case training, development, developmentPairs }

  static func role(_ file: ArtifactFile) -> Role? {
    let name = ArchivePath.lastPart(of: file.name)
    if name.hasPrefix("train") || name == "msr_paraphrase_train.txt" { return .training }
    if name.hasPrefix("dev_ids") { return .developmentPairs }
    return name.hasPrefix("dev") || name.hasPrefix("validation") ? .development : nil
  }

  /// The requested tasks, or all that are present.
  func chosen(_ tasks: [GLUETask]) throws -> [(GLUETask, [ArtifactFile])] {
    for task in tasks where found[task] == nil {
      throw StageError(
        .input, "options.folder", "has no \(task.title)/train.tsv with \(task.title)/dev.tsv",
        hint: "Fetch GLUE's data, or remove '\(task.rawValue)' from 'tasks'.")
    }
    let chosen = GLUETask.allCases.compactMap { task in
      tasks.isEmpty || tasks.contains(task) ? found[task].map { (task, $0) } : nil
    }
    guard !chosen.isEmpty else {
      throw StageError(
        .input, "options.folder", "has no task with train.tsv and dev.tsv",
        hint:
          "Give the folder of GLUE's data, which has a folder per task: CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, RTE."
      )
    }
    return chosen
  }
}

/// A task's examples as files of lines.
struct GLUEExamples {
  var training = ""
  /// Development sets by name, such as dev_matched, with the numbers of their examples.
  var development: [(name: String, path: String, count: Int)] = []
  /// What is known of the examples of all development sets, in order.
  var targets: [[Double]] = []
  var leftOut = 0

  /// - Parameters:
  ///   - files: of one task.
  ///   - folder: where the lines are written.
  ///   - maximum: examples of each set at most; 0: all.
  init(_ task: GLUETask, _ files: [ArtifactFile], folder: String, maximum: Int) throws {
    let pairs = files.first { GLUEFiles.role($0) == .developmentPairs }
    let training = files.filter { GLUEFiles.role($0) == .training }
    let development = files.filter { GLUEFiles.role($0) == .development }
    let isReleasedByAuthors = development.isEmpty
    var reader = try GLUEReader(task, developmentPairs: isReleasedByAuthors ? pairs?.path : nil)
    self.training = "\(folder)/train.jsonl"
    let sink = try FileSink(self.training)
    var count = 0
    for file in training {
      try reader.forEach(file.path, .training) { example in
        count += 1
        if maximum == 0 || count <= maximum { try sink.write(example.line) }
      }
    }
    try sink.commit()
    for (number, file) in (isReleasedByAuthors ? training : development).enumerated() {
      let path = "\(folder)/dev-\(number).jsonl"
      let sink = try FileSink(path)
      var count = 0
      try reader.forEach(file.path, .development) { example in
        guard maximum == 0 || count < maximum else { return }
        count += 1
        targets.append(task.task.targets(example.label) ?? [])
        try sink.write(example.line)
      }
      try sink.commit()
      self.development.append((Self.name(file, isReleasedByAuthors), path, count))
    }
    leftOut = reader.leftOut
  }

  /// `dev`, `matched` or `mismatched`.
  private static func name(_ file: ArtifactFile, _ isReleasedByAuthors: Bool) -> String {
    let name = ArchivePath.lastPart(of: file.name)
    if isReleasedByAuthors { return "dev" }
    return name.contains("mismatched") ? "mismatched" : name.contains("matched") ? "matched" : "dev"
  }
}

/// One fine-tuning run, and the content of its file in `runs`.
struct GLUERun: Codable, Equatable, Sendable {
  var task: GLUETask
  var seed: Int
  /// The seed of the run on MNLI that it begins with; nil: with the given model.
  var follows: Int?

  var key: String { "\(task.rawValue)-\(seed)" }
  static let fileSuffix = ".run.json"

  init(task: GLUETask, seed: Int, follows: Int? = nil) { (self.task, self.seed, self.follows) = (task, seed, follows) }

  init(_ file: ArtifactFile) throws {
    let json = try JSONValue.parse(try FileSystem.read(file.path)).value
    do { self = try json.decode() } catch { throw StageError(.input, file.name, "is not a GLUE run") }
  }
}

/// The content of a run's file in `scores`.
struct GLUEScores: Codable {
  /// The figures of one development set.
  struct Measured: Codable {
    struct Figure: Codable {
      var name: String
      var value: Double
    }

    var name: String
    var figures: [Figure]

    init(_ name: String, _ figures: [(name: String, value: Double)]) {
      self.name = name
      self.figures = figures.map { Figure(name: $0.name, value: $0.value) }
    }

    /// 0 if it was not measured.
    subscript(metric: String) -> Double { figures.first { $0.name == metric }?.value ?? 0 }
  }

  var run: GLUERun
  var sets: [Measured]

  /// The mean of the task's metrics over its development sets.
  var score: Double { Correlation.mean(sets.flatMap { set in run.task.metrics.map { set[$0] } }) }

  init(run: GLUERun, sets: [Measured]) { (self.run, self.sets) = (run, sets) }

  init(_ file: ArtifactFile) throws {
    let json = try JSONValue.parse(try FileSystem.read(file.path)).value
    do { self = try json.decode() } catch { throw StageError(.input, file.name, "is not a run") }
  }
}

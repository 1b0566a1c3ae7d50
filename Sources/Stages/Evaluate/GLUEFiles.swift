import PipelineKit
import ShardKit
import TrainerCore

/// GLUE's files in a folder, by task, as its authors released them (`CoLA/train.tsv`, `MNLI/dev_matched.tsv`), MRPC also as
/// its own authors did (`MRPC/msr_paraphrase_train.txt` with `dev_ids.tsv`); or the Hub's (`mnli/train-00000-of-00001.parquet`).
///
/// GLUE's script leaves the files of MRPC's authors, which hold its development set too, beside those it makes of them: they
/// count only where there are no others.
struct GLUEFiles {
  private var found: [GLUETask: [ArtifactFile]] = [:]

  init(_ files: [ArtifactFile]) {
    for task in GLUETask.allCases {
      let own = files.filter { file in
        guard let parent = ArchivePath.parts(file.name).dropLast().last else { return false }
        return Self.folders(task).contains(parent.lowercased())
      }
      let forms: [[Role]] = [[.training, .development]] + (task == .mrpc ? [[.authorsTraining, .authorsPairs]] : [])
      found[task] = forms.lazy.map { roles in
        roles.map { role in own.filter { Self.role($0) == role } }
      }.first { !$0.contains(where: \.isEmpty) }?.flatMap { $0 }
    }
  }

  private static func folders(_ task: GLUETask) -> Set<String> {
    [task.rawValue, task.title.lowercased()]
  }

  /// `authorsTraining` and `authorsPairs` are the files of MRPC's authors: all pairs, and which of them are of the
  /// development set.
  enum Role { case training, development, authorsTraining, authorsPairs }

  static func role(_ file: ArtifactFile) -> Role? {
    let name = ArchivePath.lastPart(of: file.name)
    if name == "msr_paraphrase_train.txt" { return .authorsTraining }
    if name.hasPrefix("train") { return .training }
    if name.hasPrefix("dev_ids") { return .authorsPairs }
    return name.hasPrefix("dev") || name.hasPrefix("validation") ? .development : nil
  }

  /// Of a development set: `dev`, `matched` or `mismatched`.
  static func setName(_ file: ArtifactFile) -> String {
    let name = ArchivePath.lastPart(of: file.name)
    return name.contains("mismatched") ? "mismatched" : name.contains("matched") ? "matched" : "dev"
  }

  /// The requested tasks, or all that are present.
  /// - Throws: `StageError` (`input`) if a requested task, or every one, is missing, or a set is there twice.
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
    for (_, files) in chosen {
      try ReleasedFiles.check(files) { "\(Self.role($0).map { "\($0)" } ?? "") \(Self.setName($0))" }
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
    let pairs = files.first { GLUEFiles.role($0) == .authorsPairs }
    let training = files.filter { [.training, .authorsTraining].contains(GLUEFiles.role($0)) }
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
      self.development.append((GLUEFiles.setName(file), path, count))
    }
    leftOut = reader.leftOut
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

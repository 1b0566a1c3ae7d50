import PipelineKit
import ShardKit
import TrainerCore

/// A finished training as its artifacts tell of it, for trackers of experiments.
///
/// Its steps are those of the report's `metrics.jsonl`, with times and rates, or, without a report, those of `curve.csv`.
struct ReplayedTraining {
  /// What the task was planned with.
  struct Sources: Codable {
    /// The stage that trained.
    var stage = ""
    /// The source stage of each file of figures.
    var figures: [String] = []
  }

  static let metrics = Input<Metrics>(
    "metrics", "The metrics of one model.pretrain, and of stages that evaluated its model.", many: true)
  static let reports = Input<Report>(
    "reports", "The report of the same model.pretrain, which has times and rates.", required: false, many: true)

  private static let curve: TaskInputs.Role = "curve"
  private static let facts: TaskInputs.Role = "facts"
  private static let figures: TaskInputs.Role = "figures"
  private static let heldOut: TaskInputs.Role = "heldOut"
  private static let curveName = "curve.csv"
  private static let heldOutName = "validation.csv"
  private static let maximumFigureBytes = 1 << 24
  private static let maximumFigures = 1000

  var stage: String
  /// A JSON object per line, as `MetricsLog` writes them.
  var points: String
  /// The same for the same training, wherever and whenever it took place.
  var identity: Digest
  /// What the training was given: batch size, device and so on.
  var settings: [JSONMember]
  /// Numbers that other stages measured, as `stage/file/name`.
  var results: [(name: String, value: Double)]

  // MARK: Planning

  /// The one task of a stage that replays a training.
  /// - Throws: `StageError` if the inputs are not of one training.
  static func task(_ key: String, in context: PlanningContext) throws -> TaskPlan {
    let artifacts = context.artifacts(metrics)
    let trainings = artifacts.filter { artifact in artifact.files.contains { $0.name == curveName } }
    guard trainings.count == 1, let training = trainings.first else {
      let found = trainings.map(\.stage).joined(separator: ", ")
      throw StageError(
        .input, "inputs.metrics",
        trainings.isEmpty ? "none of them is of a training: there is no \(curveName)" : "several trainings: \(found)",
        hint: "Wire the metrics of one model.pretrain, such as \"pretrain.metrics\"; one such stage per training.")
    }
    let reports = context.artifacts(reports)
    let report = reports.first { $0.stage == training.stage }
    guard report != nil || reports.isEmpty else {
      throw StageError(
        .input, "inputs.reports", "none of them is of '\(training.stage)'", hint: "Wire \"\(training.stage).report\".")
    }
    var sources = Sources(stage: training.stage)
    var figures: [ArtifactFile] = []
    for artifact in artifacts where artifact.stage != training.stage {
      for file in artifact.files where file.name.hasSuffix(".json") && file.bytes < maximumFigureBytes {
        sources.figures.append(artifact.stage)
        figures.append(file)
      }
    }
    let log = report?.files.first { $0.name == TrainingWatch.logName }
    let facts = (training.files + (report?.files ?? [])).filter {
      ["training.json", "machine.json"].contains($0.name) && $0.bytes < maximumFigureBytes
    }
    var inputs: TaskInputs = [
      .main: log.map { [$0] } ?? [], curve: training.files.filter { $0.name == curveName }, Self.facts: facts,
      Self.figures: figures,
    ]
    let losses = training.files.filter { $0.name == heldOutName }
    if !losses.isEmpty { inputs += [heldOut: losses] }
    return try TaskPlan(key: key, inputs: inputs, payload: sources)
  }

  // MARK: Reading

  /// - Throws: `StageError` or `ShardError` if its files cannot be read.
  init(_ workspace: Workspace) throws {
    let sources: Sources = try workspace.payload()
    stage = sources.stage
    let curve = try workspace.file(Self.curve)
    let facts = workspace.files(Self.facts)
    var digester = Digester()
    for file in [curve] + facts where file.name != "machine.json" { digester.update(field: file.digest.hex) }
    identity = digester.finish()
    settings = []
    for file in facts {
      for member in try Self.json(file).members ?? [] where member.key != "loss" {
        if !settings.contains(where: { $0.key.isExactly(member.key) }) { settings.append(member) }
      }
    }
    results = []
    for (stage, file) in zip(sources.figures, workspace.files(Self.figures)) {
      let name = "\(stage)/\(file.name.dropLast(".json".count))"
      Self.collect(try Self.json(file), as: name, in: &results)
    }
    if let log = workspace.files(.main).first {
      points = log.path
    } else {
      points = try workspace.temporaryDirectory() + "/points.jsonl"
      try Self.convert(curve, to: points)
    }
    if let losses = workspace.files(Self.heldOut).first {
      let merged = try workspace.temporaryDirectory() + "/merged.jsonl"
      try HeldOutTable(losses).merge(with: points, to: merged)
      points = merged
    }
  }

  private static func json(_ file: ArtifactFile) throws -> JSONValue {
    try JSONValue.parse(try FileSystem.read(file.path, limit: maximumFigureBytes)).value
  }

  /// The numbers of a JSON value by their places in it.
  private static func collect(_ json: JSONValue, as name: String, in results: inout [(name: String, value: Double)]) {
    guard results.count < maximumFigures else { return }
    if let value = json.double, value.isFinite { results.append((name, value)) }
    for member in json.members ?? [] { collect(member.value, as: "\(name)/\(member.key)", in: &results) }
  }

  /// A table's rows under the names that the log has; numbers that are not finite become null.
  private static func convert(_ curve: ArtifactFile, to path: String) throws {
    let sink = try FileSink(path)
    let lines = LineReader(try FileSource(curve.path), maximumLineBytes: 4096)
    let names = ["step", MetricNames.loss, MetricNames.learningRate, MetricNames.gradientNorm]
    _ = try lines.next()
    while let line = try lines.next() {
      let words = String(decoding: line, as: UTF8.self).split(separator: ",")
      guard words.count == names.count, let step = Int(words[0]) else {
        throw StageError(.input, curve.path, "is not the curve of a training", hint: "Train again.")
      }
      var row = [JSONMember(names[0], .integer(step))]
      for (name, word) in zip(names, words).dropFirst() { row.append(JSONMember(name, .number(Double(word) ?? .nan))) }
      try sink.write(JSONValue.object(row).text() + "\n")
    }
    try sink.commit()
  }
}

public import PipelineKit
import ShardKit
import TextKit

/// Trains a linear classifier on the n-grams of characters of labelled documents.
///
/// Three phases: *count* counts the n-grams of each input file, *fit* trains one classifier per fold, which judges the
/// documents that it has not seen, and one on all; *judge* measures, calibrates and writes. Labels are read again only by
/// *count*, texts for the names of the n-grams that decide.
public struct ClassifierTrain: Stage {
  public struct Options: StageOptions {
    @Option("For the input documents: the metadata field with the label, such as label or review.verdict.")
    public var labelField = "label"
    @Option("For the input documents: the labels of those to be told from the others.")
    public var positiveLabels = ["good"]
    @Option("For the input documents: the labels of the others; documents with a third one are dropped. []: all else.")
    public var negativeLabels: [String] = []
    @Option("Characters of the shortest n-grams.", in: 1...8) public var shortest = 1
    @Option("Characters of the longest n-grams.", in: 1...8) public var longest = 3
    @Option(
      "Characters at the beginning and at the end of a text whose n-grams count a second time, apart from those of the "
        + "whole text, as the first and last characters of each sentence do. 0: none of these.", in: 0...1000)
    public var edge = 12
    @Option(
      "n-grams are numbered by a hash of this many bits. It bounds the memory: about 80 bytes for each of 2 to the power "
        + "of it; fewer bits confuse n-grams of large corpora.", in: 8...24)
    public var bits = 22
    @Option("n-grams that fewer documents have do not count.", in: 1...1_000_000) public var minimumDocuments = 2
    @Option(
      "Whether to learn from traits of the whole text too: its length, fractions of scripts and punctuation, and how varied "
        + "its n-grams are.")
    public var traits = true
    @Option(
      "How much an error costs beside large weights (the C of scikit-learn and liblinear): less for few or noisy labels.",
      in: 0.000_001...1_000_000)
    public var cost = 32.0
    @Option("The number of parts, each of which a classifier trained on the others judges.", in: 2...50)
    public var folds = 5
    @Option("Decides which documents are in which fold.", in: 0...1 << 40) public var seed = 0
    @Option(
      "How margins become probabilities, learned from the folds: platt fits a sigmoid, isotonic any rising curve (for "
        + "thousands of labels), none takes the model's own.")
    var calibration = Calibration.Method.platt
    @Option("The number of n-grams to report that decide most, of each label.", in: 0...10_000) public var topGrams =
      100

    public init() {}
  }

  public static let name = "classifier.train"
  public static let revision = 3
  public static let summary =
    "Trains a linear classifier on n-grams of characters, from labels or from two corpora, and measures it."
  static let documents = Input<Documents>(
    "documents", "Documents with a label in their metadata.", required: false)
  static let positive = Input<Documents>("positive", "Documents to be told from the others.", required: false)
  static let negative = Input<Documents>("negative", "The others.", required: false)
  static let counts = Output<Intermediate>("counts", "Counted n-grams, by document.", hidden: true)
  static let fits = Output<Intermediate>("fits", "Margins of held-out documents; weights.", hidden: true)
  static let classifier = Output<Classifier>("classifier", "classifier.safetensors: the weights and the calibration.")
  static let metrics = Output<Metrics>(
    "metrics", "classifier.json: AUC, average precision and calibration on held-out documents.")
  static let report = Output<Report>(
    "report", "classifier.md, precision-recall.svg and grams.tsv: how well it judges, and the n-grams that decide.")
  public static let inputs = [documents.port, positive.port, negative.port]
  public static let outputs = [counts.port, fits.port, classifier.port, metrics.port, report.port]
  public enum Phase: String, StagePhase { case count, fit, judge }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .count: ["labelField", "positiveLabels", "negativeLabels", "shortest", "longest", "edge", "bits"]
    case .fit: ["shortest", "longest", "edge", "bits", "minimumDocuments", "traits", "cost", "folds", "seed"]
    case .judge: nil
    }
  }

  let options: Options

  public init(options: Options) { self.options = options }

  var shape: GramShape {
    GramShape(shortest: options.shortest, longest: options.longest, bits: options.bits, edge: options.edge)
  }

  public func validate() throws {
    guard options.shortest <= options.longest else {
      throw StageError(.options, "shortest", "is \(options.shortest), above longest (\(options.longest))")
    }
    guard !options.positiveLabels.isEmpty else {
      throw StageError(.options, "positiveLabels", "names no label", hint: "Name one or more, such as [\"good\"].")
    }
    if let both = options.positiveLabels.first(where: options.negativeLabels.contains) {
      throw StageError(.options, "negativeLabels", "'\(both)' is among the positiveLabels too")
    }
  }

  // MARK: Tasks

  /// Where a task's documents have their labels.
  enum Labels: String, Codable, CaseIterable {
    case metadata, positive, negative

    /// Of these documents as texts for the names of n-grams.
    var role: TaskInputs.Role { TaskInputs.Role("texts.\(rawValue)") }
  }

  public func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    let sources = [(Labels.metadata, Self.documents), (.positive, Self.positive), (.negative, Self.negative)]
      .map { (labels: $0.0, files: context.files($0.1)) }
    let features = 1 << options.bits
    switch phase {
    case .count:
      try Self.check(sources.map { !$0.files.isEmpty })
      let tasks = sources.flatMap { source in source.files.map { (source.labels, $0) } }
      return try tasks.enumerated().map { number, task in
        try TaskPlan(
          key: TaskPlan.padded(number), inputs: [.main: [task.1]], payload: task.0,
          memoryBytes: (32 << 20) + 4 * features)
      }
    case .fit:
      let counts = context.files(Self.counts)
      let memoryBytes = (32 << 20) + Self.bytes(features: features, sources.flatMap(\.files))
      return try (0...options.folds).map { fold in
        let key = fold < options.folds ? "fold-\(padded(fold + 1, 2))" : "whole"
        return try TaskPlan(key: key, inputs: [.main: counts], payload: fold, memoryBytes: memoryBytes)
      }
    case .judge:
      var inputs: TaskInputs = [.main: context.files(Self.counts), "fits": context.files(Self.fits)]
      for source in sources where !source.files.isEmpty { inputs += [source.labels.role: source.files] }
      return [
        TaskPlan(
          key: "classifier", inputs: inputs,
          memoryBytes: (64 << 20) + Self.bytes(features: features, sources.flatMap(\.files)))
      ]
    }
  }

  /// What fitting keeps at once: of a feature its place, its scale and eight vectors of Newton's method; of a document
  /// where its n-grams are, its traits' steps, its margins and what splits it into folds. Judging keeps less.
  private static func bytes(features: Int, _ files: [ArtifactFile]) -> Int {
    80 * features + 200 * files.reduce(0) { $0 + $1.documents }
  }

  private static func check(_ wired: [Bool]) throws {
    guard wired[0] || (wired[1] && wired[2]) else {
      throw StageError(
        .input, "inputs", wired[1] || wired[2] ? "only documents of one label are wired" : "no documents are wired",
        hint: "Wire documents with labels in their metadata to 'documents', or both 'positive' and 'negative'.")
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .count: try count(workspace)
    case .fit: try fit(workspace)
    case .judge: try judge(workspace)
    }
  }

  // MARK: Counting

  private func count(_ workspace: Workspace) throws {
    let source: Labels = try workspace.payload()
    let label = LabelReader(options)
    let counter = GramCounter(shape)
    let name = workspace.task.key + ".counts"
    let file = try workspace.file(Self.counts, name)
    let stream = workspace.documents()
    var document = Document()
    var written = 0
    while try stream.next(&document) {
      let isPositive: Bool
      switch source {
      case .positive: isPositive = true
      case .negative: isPositive = false
      case .metadata:
        switch label.read(document.metadata) {
        case .success(let found): isPositive = found
        case .failure(let reason):
          try workspace.drop(document, reason.reason)
          continue
        }
      }
      document.text.withUnsafeBufferPointer { counter.count($0) }
      let record = CountedDocuments.record(hash: recordHash(document.text), isPositive: isPositive, counter)
      try file.write(records: record[...])
      workspace.consume(bytes: document.text.count)
      written += 1
    }
    try workspace.publish(Self.counts, file, name: name, documents: written)
  }

  // MARK: Fitting

  private func fit(_ workspace: Workspace) throws {
    let fold: Int = try workspace.payload()
    let documents = try CountedDocuments(workspace.files(.main), shape)
    let folds = documents.folds(options.folds, seed: UInt64(options.seed))
    let own = documents.rows.indices.filter { Int(folds[$0]) != fold }
    try checkLabels(documents, own)
    var features = LogisticRegression.features(documents, rows: own, shape, minimum: options.minimumDocuments)
    if options.traits { features.traits = TraitFeatures(documents, rows: own) }
    var regression = LogisticRegression(documents, rows: own, features: features, cost: options.cost) {
      try workspace.control.check()
    }
    let solution = try regression.solve()
    if fold < options.folds {
      let held = documents.rows.indices.filter { Int(folds[$0]) == fold }
      let name = workspace.task.key + ".margins"
      let file = try workspace.file(Self.fits, name)
      try file.write(records: regression.margins(held, solution)[...])
      try workspace.publish(Self.fits, file, name: name)
    } else {
      workspace.metric("features", Double(features.scales.count))
      workspace.metric("iterations", Double(solution.iterations))
      let model = ClassifierFile(shape, features, solution, Calibration(.none, margins: [], labels: []))
      try model.write(workspace, to: Self.fits, name: "whole.safetensors")
    }
  }

  private func checkLabels(_ documents: CountedDocuments, _ rows: [Int]) throws {
    let hint = "Check labelField and positiveLabels; each label needs documents of at least \(options.folds) texts."
    func refuse(_ why: String) -> StageError { StageError(.input, "documents", why, hint: hint) }
    let texts = [true, false].map { label in
      Set(documents.rows.lazy.filter { $0.isPositive == label }.map(\.hash)).count
    }
    guard !documents.rows.isEmpty else { throw refuse("none has a label") }
    guard !texts.contains(0) else { throw refuse("all have one label") }
    if let few = texts.firstIndex(where: { $0 < options.folds }) {
      throw refuse(
        "only \(texts[few]) different texts have \(few == 0 ? "a positive" : "the other") label, "
          + "fewer than folds (\(options.folds))")
    }
    let positives = rows.count { documents.rows[$0].isPositive }
    guard positives > 0, positives < rows.count else {
      throw refuse("without one of the folds all have one label: too many texts have both labels")
    }
  }
}

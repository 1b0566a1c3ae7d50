public import ShardKit

/// Metrics as JSON lines, one a step, each written at once: `{"step":1,"time":…,"loss/train/total":…}`.
///
/// Numbers that are not finite stand as `null`.
public final class MetricsLog {
  public var path: String { file.path }
  private let file: AppendedFile

  /// - Parameter resumedStep: steps past it are trained again, so their records go, and a line that a kill cut short; 0
  ///   begins anew.
  public init(_ path: String, resumedStep: Int) throws(ShardError) {
    let kept = FileSystem.exists(path) ? try Self.length(of: path, until: resumedStep) : 0
    file = try AppendedFile(path, cutTo: kept)
  }

  public func add(_ metrics: StepMetrics, wallTime: Double? = nil) throws(ShardError) {
    var members = [JSONMember("step", .integer(metrics.step)), JSONMember("time", .number(wallTime ?? wallSeconds()))]
    for scalar in metrics.scalars {
      members.append(JSONMember(scalar.name, Self.json(scalar.value)))
    }
    try file.append(Array(JSONValue.object(members).text().utf8) + [10])
  }

  /// Counts as integers, the rest in the seven digits that a float has.
  private static func json(_ value: Double) -> JSONValue {
    if let whole = Int(exactly: value) { return .integer(whole) }
    return .number(Double("\(Float(value))") ?? value)
  }

  /// Bytes up to the first record past a step; lines that are no records count to the one before.
  private static func length(of path: String, until step: Int) throws(ShardError) -> Int64 {
    let lines = LineReader(try FileSource(path), maximumLineBytes: 1 << 20)
    let reader = JSONObjectReader()
    var kept: Int64 = 0
    while true {
      let start = lines.position
      guard let line = try lines.next() else { return kept }
      // Without its line end the last line is one that a kill cut short, though it may read well.
      guard lines.position - start > line.count, let found = read(line, reader) else { continue }
      guard found.step <= step else { return kept }
      kept = lines.position
    }
  }

  // MARK: Reading

  /// The curves of a log, in its order; lines that are no records are passed over.
  public static func curve(_ path: String) throws(ShardError) -> [TrainingPoint] {
    let lines = LineReader(try FileSource(path), maximumLineBytes: 1 << 20)
    let reader = JSONObjectReader()
    var points: [TrainingPoint] = []
    while let line = try lines.next() { if let point = read(line, reader) { points.append(point) } }
    return points
  }

  /// nil if the line is no record.
  private static func read(_ line: UnsafeRawBufferPointer, _ reader: JSONObjectReader) -> TrainingPoint? {
    var point = TrainingPoint(step: -1)
    let wrong = reader.read(padded: line) { field in
      if field.has(key: "step") {
        point.step = parseUnsigned(field.value).flatMap { Int(exactly: $0) } ?? -1
      } else if isKey(field, MetricNames.loss) {
        point.loss = parseDecimal(field.value) ?? .nan
      } else if isKey(field, MetricNames.learningRate) {
        point.learningRate = parseDecimal(field.value) ?? .nan
      } else if isKey(field, MetricNames.gradientNorm) {
        point.gradientNorm = parseDecimal(field.value) ?? .nan
      }
    }
    return wrong == nil && point.step >= 0 ? point : nil
  }

  private static func isKey(_ field: JSONObjectReader.Field, _ name: String) -> Bool {
    field.key.elementsEqual(name.utf8)
  }
}

/// A point of the training's curves; NaN where a value is unknown or not finite.
public struct TrainingPoint: Equatable, Sendable {
  public var step: Int
  public var loss = Double.nan
  public var learningRate = Double.nan
  public var gradientNorm = Double.nan

  public init(step: Int, loss: Double = .nan, learningRate: Double = .nan, gradientNorm: Double = .nan) {
    self.step = step
    self.loss = loss
    self.learningRate = learningRate
    self.gradientNorm = gradientNorm
  }
}

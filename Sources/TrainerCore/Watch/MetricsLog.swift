public import ShardKit

/// Metrics as JSON lines, one per step, each written at once: `{"step":1,"time":…,"loss/train/total":…}`.
///
/// Numbers that are not finite are written as `null`.
public final class MetricsLog {
  public var path: String { file.path }
  private let file: AppendedFile

  /// - Parameter resumedStep: records of later steps, which are trained again, and a line that a kill cut short are
  ///   removed; 0 starts from scratch.
  /// - Throws: `ShardError` if the file cannot be read or written.
  public init(_ path: String, resumedStep: Int) throws(ShardError) {
    let kept = FileSystem.exists(path) ? try Self.length(of: path, until: resumedStep) : 0
    file = try AppendedFile(path, cutTo: kept)
  }

  /// - Throws: `ShardError` if the file cannot be written.
  public func add(_ metrics: StepMetrics, wallTime: Double? = nil) throws(ShardError) {
    var members = [JSONMember("step", .integer(metrics.step)), JSONMember("time", .number(wallTime ?? wallSeconds()))]
    for scalar in metrics.scalars {
      members.append(JSONMember(scalar.name, Self.json(scalar.value)))
    }
    try file.append(Array(JSONValue.object(members).text().utf8) + [10])
  }

  /// Integers as they are, other numbers with the seven digits that a float has.
  private static func json(_ value: Double) -> JSONValue {
    if let whole = Int(exactly: value) { return .integer(whole) }
    return .number(Double("\(Float(value))") ?? value)
  }

  /// Bytes up to the first record of a later step; lines that are not records belong to the one before.
  private static func length(of path: String, until step: Int) throws(ShardError) -> Int64 {
    let lines = LineReader(try FileSource(path), maximumLineBytes: 1 << 20)
    let reader = JSONObjectReader()
    var kept: Int64 = 0
    while true {
      let start = lines.position
      guard let line = try lines.next() else { return kept }
      // A last line without a line end was cut short by a kill, even if it can be parsed.
      guard lines.position - start > line.count, let found = read(line, reader) else { continue }
      guard found.step <= step else { return kept }
      kept = lines.position
    }
  }

  // MARK: Reading

  /// The curves of a log, in its order; lines that are not records are passed over.
  /// - Throws: `ShardError` if the file cannot be read.
  public static func curve(_ path: String) throws(ShardError) -> [TrainingPoint] {
    let lines = LineReader(try FileSource(path), maximumLineBytes: 1 << 20)
    let reader = JSONObjectReader()
    var points: [TrainingPoint] = []
    while let line = try lines.next() { if let point = read(line, reader) { points.append(point) } }
    return points
  }

  /// nil if the line is not a record.
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

/// A point of the training's curves; NaN if a value is unknown or not finite.
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

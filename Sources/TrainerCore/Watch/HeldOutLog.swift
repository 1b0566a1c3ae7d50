public import ShardKit

/// Scores on held-out tokens after a step.
public struct HeldOutRecord: JSONRecord, Equatable, Sendable {
  public var step: Int
  /// What decides which checkpoint is the best, in nats.
  @JSONFigure public var loss: Double
  /// Whether it is the lowest loss so far.
  public var isBest: Bool
  public var scores: [HeldOutScore]
  /// `HeldOutTokens.identity`.
  public var measure: String

  init(step: Int, loss: Double, isBest: Bool, scores: [HeldOutScore], _ tokens: HeldOutTokens) {
    self.step = step
    self.loss = loss
    self.isBest = isBest
    self.scores = scores
    measure = tokens.identity
  }

  var scalars: [StepMetrics.Named] { scores.flatMap(\.scalars) }
}

extension HeldOutScore {
  /// Under the names that Composer gives to an evaluation of this name.
  public var scalars: [StepMetrics.Named] {
    [
      StepMetrics.Named("metrics/\(name)/LanguageCrossEntropy", loss),
      StepMetrics.Named("metrics/\(name)/MaskedAccuracy", accuracy),
    ]
  }
}

/// Scores on held-out tokens as JSON lines, one per measurement, without times: the same for the same training.
public final class HeldOutLog {
  private let file: AppendedFile
  /// In the order of steps, with those of runs before.
  private(set) var records: [HeldOutRecord]
  private static let limitBytes = 1 << 28

  /// - Parameter resumedStep: records of later steps are removed; 0 starts from scratch.
  /// - Throws: `ShardError` if the file cannot be read or written.
  init(_ path: String, resumedStep: Int) throws(ShardError) {
    records = try FileSystem.exists(path) ? Self.records(path).filter { $0.step <= resumedStep } : []
    try FileSystem.write(records.flatMap(Self.line), to: path)
    file = try AppendedFile(path)
  }

  private static func line(_ record: HeldOutRecord) -> [UInt8] { Array(record.json.text().utf8) + [10] }

  /// - Throws: `ShardError` if the file cannot be written.
  func add(_ record: HeldOutRecord) throws(ShardError) {
    try file.append(Self.line(record))
    records.append(record)
  }

  /// The records of a log; lines that are none, such as one that a kill cut short, are passed over.
  /// - Throws: `ShardError` if the file cannot be read.
  public static func records(_ path: String) throws(ShardError) -> [HeldOutRecord] {
    try FileSystem.read(path, limit: limitBytes).split(separator: 10).compactMap {
      try? JSONValue.parse(Array($0)).value.decode(HeldOutRecord.self)
    }
  }
}

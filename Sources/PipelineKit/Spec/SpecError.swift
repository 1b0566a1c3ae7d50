public import ShardKit

/// An error in a pipeline file or its parameters.
public struct SpecError: DescribedError, Equatable {
  public var file: String
  public var line: Int?
  public var column: Int?
  /// `stages.clean.inputs.documents`
  public var jsonPath: String
  public var message: String

  public init(file: String, line: Int? = nil, column: Int? = nil, jsonPath: String, message: String) {
    self.file = file
    self.line = line
    self.column = column
    self.jsonPath = jsonPath
    self.message = message
  }

  /// `corpus.json:12:5: stages.clean.use`
  public var subject: String {
    var place = file
    if let line, let column { place += ":\(line):\(column)" }
    return jsonPath.isEmpty ? place : "\(place): \(jsonPath)"
  }
}

/// All errors of a pipeline file at once, in file order.
public struct SpecErrors: DescribedError, Equatable {
  /// The first hundred.
  public var errors: [SpecError]
  /// How many more there are.
  public var omitted = 0
  public var message: String {
    let more = omitted > 0 ? ["There \(omitted == 1 ? "is 1 more error" : "are \(omitted) more errors")."] : []
    return (errors.map(\.description) + more).joined(separator: "\n")
  }

  static let most = 100

  /// Adds an error; errors beyond the first hundred are only counted, without building their messages.
  mutating func add(_ error: @autoclosure () -> SpecError) {
    if errors.count < Self.most { errors.append(error()) } else { omitted += 1 }
  }
}

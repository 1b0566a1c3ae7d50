public import ShardKit

/// An error in a pipeline file or its parameters.
public struct SpecError: DescribedError, Equatable {
  public var file: String
  public var line: Int?
  public var column: Int?
  /// `stages.clean.inputs.documents`
  public var jsonPath: String
  /// Of a stage that `foreach` made: `item 2 of foreach, "ja_wiki"`.
  public var expansion: String?
  public var message: String

  public init(
    file: String, line: Int? = nil, column: Int? = nil, jsonPath: String, expansion: String? = nil, message: String
  ) {
    self.file = file
    self.line = line
    self.column = column
    self.jsonPath = jsonPath
    self.expansion = expansion
    self.message = message
  }

  /// `corpus.json:12:5: stages.clean.use`
  public var subject: String {
    var place = file
    if let line, let column { place += ":\(line):\(column)" }
    if !jsonPath.isEmpty { place += ": \(jsonPath)" }
    return place + (expansion.map { " (\($0))" } ?? "")
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

  /// One mistake in a stage that `foreach` repeats is one error: the first, with the number of the others.
  var gathered: SpecErrors {
    var places: [String: Int] = [:]
    var counts: [Int: Int] = [:]
    var out: [SpecError] = []
    for error in errors {
      guard error.expansion != nil, let line = error.line, let column = error.column else {
        out.append(error)
        continue
      }
      let key = "\(error.file)\u{0}\(line):\(column)\u{0}\(error.message)"
      if let place = places[key] {
        counts[place, default: 0] += 1
      } else {
        places[key] = out.count
        out.append(error)
      }
    }
    for (place, count) in counts {
      out[place].expansion? += ", and \(count) more \(count == 1 ? "item" : "items")"
    }
    return SpecErrors(errors: out, omitted: omitted)
  }
}

extension SourceMap {
  func error(at offset: Int?, root: String, _ jsonPath: String, _ message: String) -> SpecError {
    guard let offset else { return SpecError(file: root, jsonPath: jsonPath, message: message) }
    let place = place(of: offset, root: root)
    var path = jsonPath
    if let name = place.value { path = name.hasSuffix(jsonPath) ? name : "\(name): \(jsonPath)" }
    return SpecError(
      file: place.file, line: place.line, column: place.column, jsonPath: path, expansion: place.expansion,
      message: message)
  }
}

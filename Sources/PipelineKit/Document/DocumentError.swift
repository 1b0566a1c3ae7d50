import ShardKit

/// A mistake in a pipeline document or its parameters.
public struct DocumentError: Error, Equatable, Sendable, CustomStringConvertible {
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

  /// `corpus.json:12:5: stages.clean.use: no stage kind is named 'text.claen'. Did you mean 'text.clean'?`
  public var description: String {
    var place = file
    if let line, let column { place += ":\(line):\(column)" }
    let end = message.hasSuffix("?") || message.hasSuffix(".") ? "" : "."
    return jsonPath.isEmpty ? "\(place): \(message)\(end)" : "\(place): \(jsonPath): \(message)\(end)"
  }
}

/// All mistakes of a document at once, in the order of the text.
public struct DocumentErrors: Error, Equatable, Sendable, CustomStringConvertible {
  public var errors: [DocumentError]
  public var description: String { errors.map(\.description).joined(separator: "\n") }
}

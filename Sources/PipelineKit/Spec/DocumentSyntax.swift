public import ShardKit

/// The syntax of a pipeline file or a profile file, told by its name. Both give the same tree.
public enum DocumentSyntax: Sendable {
  /// JSON, with comments and trailing commas.
  case json
  /// The core schema of YAML 1.2, without tags.
  case yaml

  /// Endings of pipeline files, of which `.json` is the usual one.
  public static let endings = [".json", ".jsonc", ".yaml", ".yml"]

  public init(path: String) {
    self = path.hasSuffix(".yaml") || path.hasSuffix(".yml") ? .yaml : .json
  }

  /// Whether a word names a pipeline file by its ending.
  public static func isDocument(_ path: String) -> Bool { endings.contains { path.hasSuffix($0) } }

  /// The last part of a path without the ending of a pipeline file.
  public static func stem(of path: String) -> String {
    let file = ArchivePath.lastPart(of: path)
    guard let ending = endings.first(where: { file.hasSuffix($0) }) else { return file }
    return String(file.dropLast(ending.count))
  }

  /// Reads a text into a tree whose offsets are positions in the text.
  /// - Throws: `JSONSyntaxError` with the place of the first mistake.
  public func parse(_ text: [UInt8]) throws(JSONSyntaxError) -> JSONNode {
    switch self {
    case .json: try JSONValue.parse(text, .commented)
    case .yaml: try YAMLText.parse(text)
    }
  }
}

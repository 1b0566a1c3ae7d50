/// A field of a document that an option can name.
public enum DocumentField: Equatable, Sendable {
  case id, text, source, added, created, version, metadata
  /// `metadata.KEY`, or `metadata.KEY.KEY`.
  case member(String)

  public static let names = ["id", "text", "source", "added", "created", "version", "metadata"]

  public init?(_ path: String) {
    switch path {
    case "id": self = .id
    case "text": self = .text
    case "source": self = .source
    case "added": self = .added
    case "created": self = .created
    case "version": self = .version
    case "metadata": self = .metadata
    default:
      let keys = path.split(separator: ".", omittingEmptySubsequences: false)
      guard keys.count > 1, keys[0] == "metadata", !keys.contains("") else { return nil }
      self = .member(keys.dropFirst().joined(separator: "."))
    }
  }

  /// As an option names it.
  public var name: String {
    switch self {
    case .member(let path): "metadata.\(path)"
    default: "\(self)"
    }
  }
}

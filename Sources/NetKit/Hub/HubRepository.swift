import ShardKit

/// A repository on the Hugging Face Hub or on a compatible server.
public struct HubRepository: Equatable, Sendable {
  public enum Kind: String, CaseIterable, Codable, Sendable { case model, dataset }

  /// Without a trailing slash.
  public let endpoint: String
  public let kind: Kind
  /// `owner/name`.
  public let name: String
  /// Scheme, host and port: the receiver of the token.
  public let origin: String

  public static let publicEndpoint = "https://huggingface.co"

  /// A repository with the name `OWNER/NAME`.
  /// - Throws: `NetError` (`.address`) if the name or the endpoint is not valid.
  public init(_ name: String, kind: Kind, endpoint: String = publicEndpoint) throws(NetError) {
    let url = try WebURL(endpoint)
    guard !url.holdsSecret, !url.target.contains("?") else {
      throw NetError(.address, url.shown, "the URL of a Hub must not contain a query or a password")
    }
    var text = url.text
    while text.hasSuffix("/") { text.removeLast() }
    self.endpoint = text
    origin = url.origin
    self.kind = kind
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ Self.isName($0) }) else {
      throw NetError(
        .address, "", "'\(name)' is not a valid repository name",
        hint: "Write it as OWNER/NAME with letters, digits, '-', '_' and '.'.")
    }
    self.name = name
  }

  private static func isName(_ part: Substring) -> Bool {
    let plain = part.utf8.allSatisfy {
      $0 >= 48 && $0 <= 57 || $0 >= 65 && $0 <= 90 || $0 >= 97 && $0 <= 122 || [0x2D, 0x5F, 0x2E].contains($0)
    }
    return plain && !part.isEmpty && part.utf8.count <= 96 && part.first != "." && part.first != "-"
  }

  var owner: String { ArchivePath.folder(of: name) }
  var plainName: String { ArchivePath.lastPart(of: name) }

  /// The web page of the repository.
  public var page: String { "\(endpoint)/\(kind == .dataset ? "datasets/" : "")\(name)" }

  func api(_ words: String...) throws(NetError) -> WebURL {
    let path = words.map { "/" + PercentEncoding.encode($0) }.joined()
    return try WebURL("\(endpoint)/api/\(kind.rawValue)s/\(name)\(path)")
  }

  /// The URL of a file of a revision. Large files redirect to their storage.
  /// - Throws: `NetError` (`.address`) if the result is not a valid URL.
  public func file(_ path: String, revision: String) throws(NetError) -> WebURL {
    try WebURL("\(page)/resolve/\(PercentEncoding.encode(revision))/").resolvingPath(path)
  }

  /// Whether a text is a valid revision: a branch, a tag or a commit.
  public static func isRevision(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 255 && name.utf8.allSatisfy { $0 > 32 && $0 != 127 }
      && !name.utf8.contains(where: { "~^:?*[\\".utf8.contains($0) }) && !name.contains("..")
  }

  /// Whether a path is valid in a repository: below its root, and not in git's own folder.
  public static func isPath(_ path: String) -> Bool {
    ArchivePath.isSafe(path)
      && ArchivePath.parts(path).allSatisfy { part in
        !part.isEmpty && part != "." && part.lowercased() != ".git"
      }
  }

  /// Whether it is a full commit hash, which never changes its meaning.
  public static func isCommit(_ revision: String) -> Bool {
    revision.utf8.count == 40 && revision.utf8.allSatisfy { $0 >= 48 && $0 <= 57 || $0 >= 97 && $0 <= 102 }
  }
}

extension WebURL {
  /// Appends a path to this URL. Nothing in it is treated as a query, a fragment or another server.
  /// - Throws: `NetError` (`.address`) if the result is not a valid URL.
  public func resolvingPath(_ path: String) throws(NetError) -> WebURL {
    let folder = text.prefix { $0 != "?" }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).map { PercentEncoding.encode($0) }
    return try WebURL("\(folder)\(folder.hasSuffix("/") ? "" : "/")\(parts.joined(separator: "/"))")
  }
}

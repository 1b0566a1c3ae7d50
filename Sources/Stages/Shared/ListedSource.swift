import NetKit
import PipelineKit
import ShardKit

/// Where listed files are stored.
///
/// Not part of a task's fingerprint: a file is identified by its digest. So it is not fetched again after a commit that
/// did not change it, or from a mirror.
enum ListedSource: Equatable, Sendable {
  case hub(HubRepository, revision: String, commit: String)
  case plain(listing: WebURL, folder: String)

  func url(of path: String) throws -> WebURL {
    switch self {
    case .hub(let repository, _, let commit): return try repository.file(path, revision: commit)
    case .plain(_, let folder): return try WebURL(folder).resolvingPath(path)
    }
  }

  /// The origins that receive a token: those that the pipeline file names, but no redirect targets.
  var origins: [String] {
    switch self {
    case .hub(let repository, _, _): [repository.origin]
    case .plain(let listing, let folder): [listing.origin, (try? WebURL(folder).origin) ?? ""]
    }
  }

  var json: JSONValue {
    switch self {
    case .hub(let repository, let revision, let commit):
      [
        "repository": .string(repository.name), "kind": .string(repository.kind.rawValue),
        "endpoint": .string(repository.endpoint), "revision": .string(revision), "commit": .string(commit),
      ]
    case .plain(let listing, let folder): ["listing": .string(listing.text), "folder": .string(folder)]
    }
  }

  /// Reads what `json` wrote.
  init(_ json: JSONValue) throws {
    if let listing = json["listing"]?.string, let folder = json["folder"]?.string {
      self = .plain(listing: try WebURL(listing), folder: folder)
      return
    }
    guard let name = json["repository"]?.string, let endpoint = json["endpoint"]?.string,
      let kind = json["kind"]?.string.flatMap(HubRepository.Kind.init(rawValue:)), let commit = json["commit"]?.string
    else { throw StageError(.input, "listing", "the stored listing is damaged", hint: "Run with --force.") }
    self = .hub(
      try HubRepository(name, kind: kind, endpoint: endpoint), revision: json["revision"]?.string ?? commit,
      commit: commit)
  }
}

/// Selects files from a listing.
struct ListedSelection {
  var directories: [String] = []
  var include: [PathPattern]
  var exclude: [PathPattern]
  /// 0: all.
  var maximumFiles: Int

  func select(from listing: FileListing, source: String) throws -> [ListedFile] {
    let folders = directories.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
    for (folder, name) in zip(folders, directories)
    where !listing.files.contains(where: { $0.path.utf8.starts(with: folder.utf8) }) {
      throw StageError(
        .options, "directories", "\(source) has no files in \(name)", hint: "It has \(Self.folders(listing)).")
    }
    var files = listing.files.filter { file in
      (folders.isEmpty || folders.contains { file.path.utf8.starts(with: $0.utf8) })
        && (include.isEmpty || include.contains { $0.matches(file.path) })
        && !exclude.contains { $0.matches(file.path) }
    }
    if maximumFiles > 0 { files = Array(files.prefix(maximumFiles)) }
    guard !files.isEmpty else {
      throw StageError(
        .options, "include", "selects none of the \(listing.files.count) files of \(source)",
        hint: "Check \"include\" and \"exclude\"; it has \(Self.folders(listing)).")
    }
    return files
  }

  /// The first folders that contain files, for a message.
  private static func folders(_ listing: FileListing) -> String {
    var names: [String] = []
    for file in listing.files {
      let name = ArchivePath.parent(of: file.path) ?? "files at its root"
      if names.last != name && !names.contains(name) { names.append(name) }
      if names.count > 8 { break }
    }
    return names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
  }
}

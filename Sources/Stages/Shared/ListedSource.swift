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
}

extension ListedSource: JSONRecord {
  private struct Hub: Codable {
    var repository: String
    var kind: HubRepository.Kind
    var endpoint: String
    var revision: String?
    var commit: String
  }

  private struct Plain: Codable {
    var listing: String
    var folder: String
  }

  private enum CodingKeys: CodingKey { case listing }

  func encode(to encoder: any Encoder) throws {
    switch self {
    case .hub(let repository, let revision, let commit):
      try Hub(
        repository: repository.name, kind: repository.kind, endpoint: repository.endpoint, revision: revision,
        commit: commit
      ).encode(to: encoder)
    case .plain(let listing, let folder): try Plain(listing: listing.text, folder: folder).encode(to: encoder)
    }
  }

  init(from decoder: any Decoder) throws {
    if try decoder.container(keyedBy: CodingKeys.self).contains(.listing) {
      let plain = try Plain(from: decoder)
      self = .plain(listing: try WebURL(plain.listing), folder: plain.folder)
    } else {
      let hub = try Hub(from: decoder)
      self = .hub(
        try HubRepository(hub.repository, kind: hub.kind, endpoint: hub.endpoint), revision: hub.revision ?? hub.commit,
        commit: hub.commit)
    }
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

import NetKit
import PipelineKit
import ShardKit

extension HubCandidate {
  /// Whether `UploadCard` wrote it. It never replaces a card that people wrote.
  var isCard: Bool { file.hasSuffix(UploadCard.name) }
}

/// The README.md of a data set that has none. Its front matter tells the Hub's viewer and `datasets` which files make
/// up which configuration, so that folders of different artifacts are not read as one table.
///
/// https://huggingface.co/docs/hub/datasets-manual-configuration
enum UploadCard {
  static let name = "/.pipeline-card.md"

  /// Authors who edit the card delete this line; the card is then never replaced.
  private static let mark = "<!-- Written by pipeline. Take this line out to keep a card of your own. -->"

  /// Whether a repository's card was written here and still contains the mark.
  static func mayReplace(_ card: HubFile, at commit: String, _ client: HubClient) throws -> Bool {
    guard card.sha256 == nil, card.bytes <= 1 << 20 else { return false }
    let text = try client.text(of: card.path, commit: commit, maximumBytes: 1 << 20)
    return text.firstRange(of: Array(mark.utf8)) != nil
  }

  /// The files and, if wanted, a card.
  static func adding(
    to candidates: [HubCandidate], _ options: HuggingFaceUpload.Options, _ workspace: Workspace
  ) throws -> [HubCandidate] {
    guard options.card, options.kind == .dataset, !candidates.contains(where: { $0.path == "README.md" }) else {
      return candidates
    }
    let text = Array(text(candidates.map(\.path), title: options.hub.repository).utf8)
    let path = try workspace.temporaryDirectory() + name
    try FileSystem.write(text, to: path)
    let card = HubCandidate(
      path: "README.md", file: path, bytes: Int64(text.count), sha256: Digester.digest(text))
    return (candidates + [card]).sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  static func text(_ paths: [String], title: String) -> String {
    var patterns: [String: Set<String>] = [:]
    var shards: Set<String> = []
    for path in paths {
      let parts = ArchivePath.parts(path)
      let folder = parts.dropLast().joined(separator: "/")
      let prefix = folder.isEmpty ? "" : folder + "/"
      if let suffix = tables.first(where: { path.hasSuffix($0) }) {
        patterns[folder, default: []].insert("\(prefix)*\(suffix)")
      } else if parts.last == "index.json", paths.contains(where: { $0.hasPrefix(prefix) && isShard($0) }) {
        shards.insert(folder)
      }
    }
    var out = ""
    if !patterns.isEmpty {
      out += "---\nconfigs:\n"
      for (folder, names) in patterns.sorted(by: { $0.key < $1.key }) {
        let name = folder.isEmpty ? "default" : folder.replacing("/", with: "-")
        out += "- config_name: \(quoted(name))\n  data_files:\n"
        for pattern in names.sorted() { out += "  - \(quoted(pattern))\n" }
      }
      out += "---\n\n"
    }
    out += "\(mark)\n\n# \(title)\n\n\(paths.count) files, written by pipeline.\n"
    for folder in shards.sorted() {
      let place = folder.isEmpty ? "The root" : "`\(folder)`"
      out += "\n\(place) holds shards for MosaicML Streaming, with their `index.json`.\n"
    }
    return out
  }

  /// Suffixes of files that `datasets` reads as rows.
  private static let tables = [
    ".jsonl.zst", ".jsonl.gz", ".jsonl.xz", ".jsonl.bz2", ".jsonl", ".parquet", ".csv", ".txt",
  ]

  private static func isShard(_ path: String) -> Bool {
    path.hasSuffix(".mds") || path.hasSuffix(".mds.zstd") || path.hasSuffix(".mds.zst")
  }

  private static func quoted(_ text: String) -> String { JSONValue.string(text).text() }
}

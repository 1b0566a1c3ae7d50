import PipelineKit
import ShardKit
import TextKit

/// Articles in containers: single files, zips, tars; each plain or compressed.
enum ArticleContainer {
  enum Kind: Equatable { case article(isPacked: Bool), zip, tar }

  private static let packings = [".gz", ".zst", ".xz", ".bz2"]

  static func kind(_ name: String) -> Kind? {
    var name = name.lowercased()
    if name.hasSuffix(".zip") { return .zip }
    if name.hasSuffix(".tgz") { return .tar }
    let packing = packings.first { name.hasSuffix($0) }
    if let packing { name.removeLast(packing.count) }
    if name.hasSuffix(".tar") { return .tar }
    return name.hasSuffix(".xml") || name.hasSuffix(".nxml") ? .article(isPacked: packing != nil) : nil
  }

  /// An article's XML, and how to read it.
  struct Article {
    /// The path below the folder; for a member of an archive, followed by the path inside.
    var place: String
    var read: () throws -> [UInt8]
  }

  /// Calls `body` with every article, in the container's order. Bytes are read only when `body` requests them.
  ///
  /// Damage of the archive itself is thrown here; an error of `read` concerns only one article.
  static func forEachArticle(in file: ArtifactFile, limit: Int, _ body: (Article) throws -> Void) throws {
    switch kind(file.name) {
    case nil: return
    case .article:
      try body(Article(place: file.name) { try openSource(file.path).readAll(limit: limit) })
    case .zip:
      let zip = try ZipReader(path: file.path)
      for entry in zip.entries where !entry.isDirectory {
        let name = safeName(entry.name)
        guard let kind = kind(name) else { continue }
        let place = "\(file.name)/\(name)"
        guard case .article = kind else {
          try body(nested(place))
          continue
        }
        try body(Article(place: place) { try unpacked(zip.read(entry, limit: limit), name, limit) })
      }
    case .tar:
      let tar = TarReader(try openSource(file.path))
      while let member = try tar.next() {
        let name = safeName(member.nameBytes)
        guard member.isFile, let kind = kind(name) else { continue }
        let place = "\(file.name)/\(name)"
        guard case .article = kind else {
          try body(nested(place))
          continue
        }
        try body(Article(place: place) { try unpacked(tar.readMember(limit: limit), name, limit) })
      }
    }
  }

  /// A member's name in UTF-8 or code page 932, made safe. Not necessarily unique.
  private static func safeName(_ bytes: [UInt8]) -> String {
    ArchivePath.safe(bytes.withUnsafeBufferPointer { CP932.shared.decodeAny($0) })
  }

  private static func nested(_ place: String) -> Article {
    Article(place: place) {
      throw ShardError(.unsupported, place, "is an archive within an archive", hint: "Unpack the outer one.")
    }
  }

  /// A compressed member, decompressed according to its first bytes.
  private static func unpacked(_ bytes: [UInt8], _ name: String, _ limit: Int) throws -> [UInt8] {
    guard kind(name) == .article(isPacked: true) else { return bytes }
    let compression = Compression.detect(bytes)
    return try decompress(MemorySource(bytes, name: name), compression).readAll(limit: limit)
  }
}

import PipelineKit
import ShardKit
import TextKit

/// What the file name of a work states: `cards/000005/files/53194_ruby_44732/53194_ruby_44732.txt`.
struct AozoraFile: Equatable {
  /// The path below the folder or inside the archive; `works.zip/name.txt` for a member of a zip.
  var path: String
  /// 作品ID; nil if the file name does not follow Aozora Bunko's scheme.
  var work: Int?
  var hasRuby = false
  /// The number after `ruby_`: higher for later files of a work, absent in the first ones.
  var revision = 0
  /// The last part without its extension.
  var stem: String
  /// Whether it is a metadata file that macOS adds next to each file, not a text.
  var isSideFile: Bool

  init(path: String) {
    self.path = path
    stem = ""
    isSideFile = ArchivePath.isSideFile(path)
    // The innermost name that begins with a number counts: often only the zip has the number, not the text inside.
    for part in ArchivePath.parts(path).reversed() where !part.isEmpty {
      let name = part.lastIndex(of: ".").map { part[..<$0] } ?? part[...]
      if stem.isEmpty { stem = String(name) }
      if read(name) { break }
    }
  }

  private mutating func read(_ name: Substring) -> Bool {
    let fields = name.split(separator: "_", omittingEmptySubsequences: false)
    guard fields.count >= 2, !fields[0].isEmpty, fields[0].utf8.count <= 9, fields[0].allSatisfy(\.isASCII),
      let number = Int(fields[0]), number >= 0
    else { return false }
    work = number
    stem = String(name)
    hasRuby = fields[1] == "ruby"
    revision = fields.count > 2 ? Int(fields[2]) ?? 0 : 0
    return true
  }

  /// The document's id: the work's, or the file's if its name has none.
  var id: String { "aozora:" + (work.map(String.init) ?? path) }

  /// Which of `count` partitions the file's work belongs to; all files of a work belong to the same one.
  func partition(of count: Int) -> Int { Int(recordHash(Array(id.utf8)) % UInt64(count)) }
}

/// Texts in containers: a `.txt`, a zip, or a tar (plain or compressed), each with texts and zips inside.
enum AozoraContainer {
  enum Kind { case text, zip, tar }

  static func kind(_ name: String) -> Kind? {
    let name = name.lowercased()
    if name.hasSuffix(".txt") { return .text }
    if name.hasSuffix(".zip") { return .zip }
    let endings = [".tar", ".tar.zst", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"]
    return endings.contains { name.hasSuffix($0) } ? .tar : nil
  }

  /// A text, its size, and how to read it.
  struct Text {
    var file: AozoraFile
    var bytes: Int
    var read: () throws -> [UInt8]
  }

  /// Calls `body` with every text, in the container's order. Bytes are read only when `body` requests them, except for
  /// a zip within a tar, which is read completely. A damaged zip counts as one unreadable text.
  static func forEachText(in file: ArtifactFile, limit: Int, _ body: (Text) throws -> Void) throws {
    switch kind(file.name) {
    case nil: return
    case .text:
      let read = { try FileSystem.read(file.path, limit: limit) }
      try body(Text(file: AozoraFile(path: file.name), bytes: Int(file.bytes), read: read))
    case .zip:
      try texts(named: file.name, Int(file.bytes), limit, body) { () throws(ShardError) in
        try ZipReader(path: file.path)
      }
    case .tar:
      let tar = TarReader(try openSource(file.path))
      while let member = try tar.next() {
        guard member.isFile else { continue }
        let name = ArchivePath.safe(member.nameBytes.withUnsafeBufferPointer { CP932.shared.decodeAny($0) })
        switch kind(name) {
        case .text:
          let read = { try tar.readMember(limit: limit) }
          try body(Text(file: AozoraFile(path: name), bytes: member.bytes, read: read))
        case .zip:
          guard member.bytes <= limit else {
            try body(tooLarge(name, member.bytes, limit))
            continue
          }
          let bytes = try tar.readMember(limit: limit)
          try texts(named: name, bytes.count, limit, body) { () throws(ShardError) in
            try ZipReader(bytes, name: "\(file.path), \(name)")
          }
        case .tar: try body(nested(name, member.bytes))
        case nil: continue
        }
      }
    }
  }

  private static func texts(
    named name: String, _ bytes: Int, _ limit: Int, _ body: (Text) throws -> Void,
    in open: () throws(ShardError) -> ZipReader
  ) throws {
    let zip: ZipReader
    do throws(ShardError) {
      zip = try open()
    } catch {
      return try body(Text(file: AozoraFile(path: name), bytes: bytes) { throw error })
    }
    var isEmpty = true
    for entry in zip.entries where !entry.isDirectory {
      let member = entry.name.withUnsafeBufferPointer { CP932.shared.decodeAny($0) }
      let path = name + "/" + ArchivePath.safe(member)
      guard let kind = kind(path) else { continue }
      isEmpty = false
      guard kind == .text else {
        try body(nested(path, entry.bytes))
        continue
      }
      let read = { try zip.read(entry, limit: limit) }
      try body(Text(file: AozoraFile(path: path), bytes: entry.bytes, read: read))
    }
    // Pictures alone: reported, not skipped silently.
    guard isEmpty else { return }
    try body(
      Text(file: AozoraFile(path: name), bytes: bytes) {
        throw ShardError(.malformed, name, "the zip archive contains no text")
      })
  }

  private static func tooLarge(_ path: String, _ bytes: Int, _ limit: Int) -> Text {
    Text(file: AozoraFile(path: path), bytes: bytes) {
      throw ShardError(.tooLarge, path, "has \(bytes) bytes; the limit is \(limit)")
    }
  }

  private static func nested(_ path: String, _ bytes: Int) -> Text {
    Text(file: AozoraFile(path: path), bytes: bytes) {
      throw ShardError(.unsupported, path, "is an archive within an archive", hint: "Unpack the outer one.")
    }
  }
}

import ShardKit

/// A reader's task that was done in the pass of the stage before it, kept beside that stage's output until the reader's
/// own task takes it over.
///
/// It lies in `.passed/PORT/FILE` of the folder of the node that handed the documents on: `record.json`, the files as
/// `PORT/NAME`, and `.passed` for what was handed on further. Names have a stand-in for the task's key.
struct PassRecord: JSONRecord {
  /// The reader's name in the pipeline.
  var reader: String
  /// Its fingerprint is that of the task's template.
  var manifest: TaskManifest
  /// What the reader's own work took; nil if that was not measured.
  var milliseconds: Int?

  private static let name = "record.json"

  /// Where the record of a file lies in a node's folder, or in a task's staging folder.
  static func folder(in node: String, port: String, name: String) -> String { "\(node)/.passed/\(port)/\(name)" }

  /// Where the record lies for a file that was not kept.
  static func folder(of file: ArtifactFile) -> String {
    let port = ArchivePath.folder(of: String(file.path.dropLast(file.name.count + 1)) + "/")
    return folder(
      in: ArchivePath.folder(of: port), port: ArchivePath.lastPart(of: port), name: file.name)
  }

  func write(to folder: String) throws(ShardError) {
    try FileSystem.write(Array(json.prettyText().utf8), to: "\(folder)/\(Self.name)")
    try Self.syncFolders(below: folder)
  }

  /// nil if there is none.
  init?(in folder: String) {
    guard let text = try? FileSystem.read("\(folder)/\(Self.name)"), let json = try? JSONValue.parse(text).value,
      let record = try? json.decode(Self.self)
    else { return nil }
    self = record
  }

  /// nil if there is none that can be used for a reader.
  init?(in folder: String, reader: String, fingerprint: Digest) {
    guard let record = Self(in: folder), record.reader == reader, record.manifest.fingerprint == fingerprint else {
      return nil
    }
    self = record
  }

  init(reader: String, manifest: TaskManifest, milliseconds: Int?) {
    self.reader = reader
    self.manifest = manifest
    self.milliseconds = milliseconds
  }

  /// Whether a file is there with its size: as cheap a check as `ArtifactStore.firstDamage`. What is altered in place,
  /// `pipeline verify` finds.
  static func isThere(_ file: PublishedFile, in folder: String) -> Bool {
    FileSystem.status("\(folder)/\(file.port)/\(file.name)")?.bytes == file.bytes
  }

  /// Whether all its files are there, and those of what was handed on further.
  func isWhole(in folder: String) -> Bool {
    manifest.files.allSatisfy { file in
      guard Self.isThere(file, in: folder) else { return false }
      guard file.isPassed else { return true }
      let below = Self.folder(in: folder, port: file.port, name: file.name)
      return Self(in: below)?.isWhole(in: below) ?? false
    }
  }

  /// The records beside files that were handed on, and those within them, each with its folder.
  static func all(beside files: [PublishedFile], in folder: String) -> [(folder: String, record: PassRecord)] {
    files.filter(\.isPassed).flatMap { file in
      let own = Self.folder(in: folder, port: file.port, name: file.name)
      guard let record = Self(in: own) else { return [(folder: String, record: PassRecord)]() }
      return [(own, record)] + all(beside: record.manifest.files, in: own)
    }
  }

  /// Takes back a record, so that what it is of is done again.
  static func withdraw(in folder: String) throws(ShardError) {
    try FileSystem.remove("\(folder)/\(name)")
    try FileSystem.syncDirectory(folder)
  }

  /// Makes the names of new folders durable, the deepest first.
  static func syncFolders(below folder: String) throws(ShardError) {
    for name in try FileSystem.list(folder, others: .passedOver) where FileSystem.isDirectory("\(folder)/\(name)") {
      try syncFolders(below: "\(folder)/\(name)")
    }
    try FileSystem.syncDirectory(folder)
  }
}

extension PassReader {
  /// Whether a file's record, and all that it was handed on to, can be used.
  func isRecorded(in folder: String) -> Bool {
    guard !isForced, let record = PassRecord(in: folder, reader: node.name, fingerprint: fingerprint),
      node.configured.limits.changes(since: record.manifest.limits).isEmpty
    else { return false }
    return record.manifest.files.allSatisfy { file in
      guard PassRecord.isThere(file, in: folder) else { return false }
      guard file.isPassed else { return true }
      let below = PassRecord.folder(in: folder, port: file.port, name: file.name)
      return next.readers[file.port]?.isRecorded(in: below) ?? false
    }
  }
}

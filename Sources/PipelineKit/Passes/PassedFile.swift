import ShardKit

/// What stands in the store for a file of documents that were handed on in memory: one line that says so.
///
/// It tells what the documents were by the fingerprint of the task that made them.
enum PassedFile {
  /// In place of a digest until the fingerprint of the task is known.
  static let unknown = Digester().finish()

  /// - Parameter fingerprint: of the task that handed the documents on.
  static func line(_ file: PublishedFile, fingerprint: Digest) -> [UInt8] {
    let value: JSONValue = [
      "passed": "These documents went to the next stage in memory and were not kept.",
      "task": .string(fingerprint.hex), "port": .string(file.port), "name": .string(file.name),
      "documents": .integer(file.documents), "textBytes": .integer(Int(file.textBytes)),
    ]
    return Array((value.text() + "\n").utf8)
  }

  /// Writes the lines of a task's files that were handed on, and describes them.
  /// - Throws: `ShardError` if one cannot be written.
  static func write(_ manifest: inout TaskManifest, in folder: String) throws(ShardError) {
    for i in manifest.files.indices where manifest.files[i].isPassed {
      let file = manifest.files[i]
      let line = line(file, fingerprint: manifest.fingerprint)
      let path = "\(folder)/\(file.port)/\(file.name)"
      try FileSystem.makeDirectory(ArchivePath.folder(of: path))
      try FileSystem.write(line, to: path)
      manifest.files[i].bytes = Int64(line.count)
      manifest.files[i].digest = Digester.digest(line)
    }
  }
}

extension PublishedFile {
  /// Whether the file only stands for documents that were handed on in memory.
  public var isPassed: Bool { passed ?? false }
}

extension NodeManifest {
  /// Whether documents of a port were handed on in memory and not kept.
  func hasPassed(_ port: String) -> Bool { files.contains { $0.port == port && $0.isPassed } }
}

import ShardKit

/// Whether earlier results hold documents that were removed since: these must not be used again.
extension RemovalList {
  /// Why files of an output or a task may not be used again; nil if they may.
  /// - Parameter folder: of the node that has them.
  /// - Throws: `ShardError` if a list of ids or a record of drops cannot be read.
  func objection(to files: [PublishedFile], in folder: String) throws -> String? {
    guard !isEmpty else { return nil }
    for file in files where file.port == Workspace.idsPort {
      if try holds("\(folder)/\(file.port)/\(file.name)") {
        return "its file \(file.name.dropLast(4)) holds a document that was removed"
      }
    }
    return nil
  }

  /// Whether a list of ids has a removed one that is not there as the fact of its removal.
  private func holds(_ sidecar: String) throws -> Bool {
    let mapped = try MappedFile(sidecar)
    defer { withExtendedLifetime(mapped) {} }
    guard mapped.bytes.count % 8 == 0 else { return false }
    var places: Set<Int> = []
    for (place, word) in mapped.bytes.bindMemory(to: UInt64.self).enumerated()
    where mayContain(hash: UInt64(littleEndian: word)) {
      places.insert(place)
    }
    if places.isEmpty { return false }
    return try !DropFacts.removedLines(ofSidecar: sidecar, places).isSuperset(of: places)
  }
}

/// What records of drops say of removals.
enum DropFacts {
  /// The lines of the file of drops that a list of ids belongs to which tell that a document was removed.
  /// - Parameter wanted: the lines that matter, from 0.
  /// - Throws: `ShardError` if the record cannot be read.
  static func removedLines(ofSidecar path: String, _ wanted: Set<Int>) throws -> Set<Int> {
    let ports = "/\(Workspace.idsPort)/\(Workspace.dropsPort)/"
    guard path.contains(ports) else { return [] }
    let path = String(path.replacing(ports, with: "/\(Workspace.dropsPort)/").dropLast(4))
    guard FileSystem.exists(path) else { return [] }
    let lines = LineReader(try openSource(path))
    var out: Set<Int> = []
    var number = 0
    while let line = try lines.next() {
      if wanted.contains(number),
        (try? JSONValue.parse(Array(line)).value)?["reason"]?.string == DropReason.removed.name
      {
        out.insert(number)
      }
      number += 1
    }
    return out
  }
}

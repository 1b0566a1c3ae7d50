import ShardKit

/// Which line or row of a source's own file each document was read from, for traces.
///
/// A file `KEY.places` of 32-bit numbers, one per document that the task wrote, and `KEY.json` with the files that they
/// count in.
public final class SourcePlaces {
  /// Where a document stands in a source's own file.
  public struct Place: Equatable, Sendable {
    public var file: String
    /// `line` or `row`.
    public var unit: String
    /// From 1.
    public var number: Int
  }

  /// The files of a list of places, in order.
  private struct Contents: JSONRecord {
    struct File: Codable {
      var name: String
      var unit: String
      var documents: Int
    }

    var files: [File] = []
  }

  public static let output = Output<Intermediate>("places", "Where each document stood, for traces.", hidden: true)

  private let file: FileSink
  private var contents = Contents()
  private var pending: [UInt32] = []

  /// - Throws: `ShardError` when the file cannot be created.
  public init(_ workspace: Workspace) throws {
    file = try workspace.file(Self.output, workspace.task.key + ".places")
  }

  /// Notes where the document stands that was written last; not to be called for one that was left out.
  /// - Throws: `ShardError` when the file cannot be written.
  public func add(_ name: String, _ unit: String, _ number: Int) throws {
    if contents.files.last?.name != name || contents.files.last?.unit != unit {
      contents.files.append(Contents.File(name: name, unit: unit, documents: 0))
    }
    contents.files[contents.files.count - 1].documents += 1
    pending.append(UInt32(clamping: number).littleEndian)
    if pending.count == 1 << 14 { try flush() }
  }

  private func flush() throws {
    try file.write(records: pending[...])
    pending.removeAll(keepingCapacity: true)
  }

  /// - Throws: `ShardError` when the files cannot be written.
  public func finish(_ workspace: Workspace) throws {
    try flush()
    try workspace.publish(Self.output, file, name: workspace.task.key + ".places")
    try workspace.write(Self.output, name: workspace.task.key + ".json", Array(contents.json.text().utf8))
  }

  /// Where a document of a file in the store stood; nil if that was not noted, or not for each document of the file.
  /// - Parameters:
  ///   - path: of the file of documents.
  ///   - ordinal: the document's number in it, from 0.
  /// - Throws: `ShardError` if the list cannot be read.
  static func place(of path: String, ordinal: Int) throws -> Place? {
    let folder = ArchivePath.folder(of: ArchivePath.folder(of: path))
    let key = ArchivePath.lastPart(of: path).prefix { $0 != "." }
    let base = "\(folder)/\(output.port.name)/\(key)"
    guard FileSystem.exists(base + ".places"), FileSystem.exists(base + ".json") else { return nil }
    let contents = try Contents(jsonFile: base + ".json", limit: 1 << 28)
    let mapped = try MappedFile(base + ".places")
    defer { withExtendedLifetime(mapped) {} }
    let numbers = mapped.bytes.bindMemory(to: UInt32.self)
    guard numbers.indices.contains(ordinal), numbers.count == documents(of: path) else { return nil }
    var before = 0
    for file in contents.files {
      before += file.documents
      if ordinal < before {
        return Place(file: file.name, unit: file.unit, number: Int(UInt32(littleEndian: numbers[ordinal])))
      }
    }
    return nil
  }

  /// How many documents a file in the store has, by its list of ids; nil if there is no such list.
  private static func documents(of path: String) -> Int? {
    let folder = ArchivePath.folder(of: path)
    let port = ArchivePath.lastPart(of: folder), name = ArchivePath.lastPart(of: path)
    let list = "\(ArchivePath.folder(of: folder))/\(Workspace.idsPort)/\(port)/\(name).ids"
    return FileSystem.status(list).map { Int($0.bytes) / MemoryLayout<UInt64>.stride }
  }
}

import PipelineKit
import ShardKit

/// The row groups of a file that a task reads.
struct ParquetPart: Codable, Equatable {
  /// The first row group.
  var from: Int
  /// The one behind the last.
  var to: Int
  /// The number of rows before the first one.
  var firstRow: Int
}

extension ParquetFile {
  /// Compressed bytes of the row groups of a part.
  func bytes(of part: ParquetPart) -> Int64 {
    (groups ?? [])[part.from..<part.to].reduce(0) { $0 + $1.bytes }
  }
}

extension TaskPlan {
  /// Memory of a task that reads Parquet or Arrow: a page of each column, and a block of rows.
  static let parquetMemoryBytes = 256 << 20

  /// As `grouped(_:bytes:)`, with the row groups of a large Parquet file as several tasks, so that a task that is
  /// stopped repeats little. Such a task has a `ParquetPart` as its payload.
  /// - Throws: `ShardError` if a large Parquet file cannot be opened.
  static func groupedRows(_ files: [ArtifactFile], bytes: Int64, memoryBytes: Int = 64 << 20) throws -> [TaskPlan] {
    try grouped(files, bytes: bytes, memoryBytes: memoryBytes).flatMap { plan in
      guard let file = plan.files.first, plan.files.count == 1, file.bytes > bytes, try ParquetFile.isOne(file.path)
      else { return [plan] }
      let parquet = try ParquetFile(file.path)
      return try parts(of: parquet.groups, bytes: bytes).map { part in
        let task = try TaskPlan(key: plan.key, inputs: plan.inputs, payload: part)
        return part.map { task.reading(bytes: parquet.bytes(of: $0)) } ?? task
      }
    }.enumerated().map { number, plan in
      var plan = plan
      plan.key = padded(number)
      plan.resources.memoryBytes =
        plan.files.contains { ParquetFile.isNamed($0.name) } ? parquetMemoryBytes : memoryBytes
      return plan
    }
  }

  /// Runs of row groups of about so many bytes.
  static func parts(of groups: [ParquetFile.Group]?, bytes: Int64) -> [ParquetPart?] {
    guard let groups, !groups.isEmpty else { return [nil] }
    var parts: [ParquetPart] = []
    var size: Int64 = 0
    var rows = 0
    for (number, group) in groups.enumerated() {
      if parts.isEmpty || size + group.bytes > bytes {
        parts.append(ParquetPart(from: number, to: number, firstRow: rows))
        size = 0
      }
      parts[parts.count - 1].to = number + 1
      size += group.bytes
      rows += group.rows
    }
    return parts
  }
}

extension ParquetFile {
  /// Whether a name is that of a Parquet or Arrow file: used where the first bytes are not at hand.
  static func isNamed(_ name: String) -> Bool {
    let end = String(decoding: name.utf8.suffix(8), as: UTF8.self).lowercased()
    return [".parquet", ".parq", ".pq", ".arrow", ".feather", ".ipc"].contains { end.hasSuffix($0) }
  }
}

/// The folders that `datasets`' `save_to_disk` writes: Arrow files, with descriptions of them beside.
enum SavedDataset {
  private static let descriptions: Set<String> = ["state.json", "dataset_info.json", "dataset_dict.json"]

  /// The files without descriptions; of a saved data set, those that its `state.json` names, in its order.
  /// - Throws: `StageError` (`.input`) if it names a file that is absent; `ShardError` if it cannot be read.
  static func files(_ files: [ArtifactFile]) throws -> [ArtifactFile] {
    let folders = Set(files.filter { $0.name.hasSuffix(".arrow") }.map { ExactText(ArchivePath.folder(of: $0.path)) })
    guard !folders.isEmpty else { return files }
    let byPath = Dictionary(files.map { (ExactText($0.path), $0) }) { first, _ in first }
    return try files.flatMap { file -> [ArtifactFile] in
      let folder = ArchivePath.folder(of: file.path)
      switch ArchivePath.lastPart(of: file.path) {
      case "state.json" where folders.contains(ExactText(folder)): return try named(by: file, in: folder, among: byPath)
      case let name where descriptions.contains(name) && folders.contains { $0.text.utf8.starts(with: folder.utf8) }:
        return []
      default:
        let isDescribed = file.name.hasSuffix(".arrow") && byPath[ExactText(folder + "/state.json")] != nil
        return isDescribed ? [] : [file]
      }
    }
  }

  private static func named(
    by state: ArtifactFile, in folder: String, among files: [ExactText: ArtifactFile]
  ) throws -> [ArtifactFile] {
    let json = try JSONValue.parse(FileSystem.read(state.path, limit: 64 << 20)).value
    guard let names = json["_data_files"]?.array?.map({ $0["filename"]?.string ?? "" }) else {
      throw StageError(
        .input, state.path, "does not list the data set's files",
        hint: "Save the data set again with a current version of 'datasets', or name its .arrow files in 'files'.")
    }
    return try names.map { name in
      if let file = files[ExactText("\(folder)/\(name)")] { return file }
      throw StageError(
        .input, state.path, "names '\(name)', which is not beside it", hint: "Copy the whole folder of the data set.")
    }
  }
}

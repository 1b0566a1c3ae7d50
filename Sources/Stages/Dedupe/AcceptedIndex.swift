import PipelineKit
import ShardKit
import TextKit

/// An artifact to compare other documents against, without reading the accepted ones: of each input file of a finished
/// `dedupe.minhash` its rows, its signatures and the rows that were removed. The files are those of its phases, linked.
struct AcceptedIndex {
  static let role: TaskInputs.Role = "against"
  static let removed = "removed"
  private static let rowsEnding = "rows", signaturesEnding = "signatures", description = "all.json"

  let files: [ArtifactFile]
  let rows: [ArtifactFile]
  let signatures: [ArtifactFile]

  /// - Parameter files: of all indexes; none if there is none.
  /// - Throws: `StageError` (`.input`) if an index was made with other shingles or hashes, or is incomplete.
  init(_ files: [ArtifactFile], _ shape: SignatureShape, _ options: DedupeMinHash.Options) throws {
    self.files = files
    func ending(_ ending: String) -> [ArtifactFile] { files.filter { $0.name.hasSuffix("." + ending) } }
    rows = ending(Self.rowsEnding)
    signatures = ending(Self.signaturesEnding)
    let descriptions = files.filter { $0.name == Self.description }
    guard rows.count == signatures.count, rows.count == ending(Self.removed).count,
      files.isEmpty || !descriptions.isEmpty
    else {
      throw StageError(
        .input, "inputs.against", "is not an index", hint: "Wire the output 'index' of a dedupe.minhash.")
    }
    let own = Self.json(shape, options)
    for file in descriptions {
      let other = try JSONValue.parse(FileSystem.read(file.path)).value
      guard other != own else { continue }
      throw StageError(
        .input, "inputs.against", "an index was made with \(other.text()), and this stage has \(own.text())",
        hint: "Give both stages the same shingleWidth, bands, rows (or recall) and foldOldForms.")
    }
  }

  /// Documents, removed ones included.
  var documents: Int { rows.reduce(0) { $0 + $1.documents } }

  /// The removed rows by number of file.
  /// - Parameter first: the number of the first file.
  func absent(after first: Int) throws -> [Int: [Int]] {
    var absent: [Int: [Int]] = [:]
    for (place, file) in files.filter({ $0.name.hasSuffix("." + Self.removed) }).enumerated() {
      try forEachRecord(of: file.path, as: UInt32.self) { absent[first + place, default: []].append(Int($0)) }
    }
    return absent
  }

  static func name(_ workspace: Workspace, _ part: Int, _ ending: String) -> String {
    "\(workspace.task.key)-\(TaskPlan.padded(part)).\(ending)"
  }

  /// Adds the files of earlier phases to the index; `DuplicateFiles` adds the removed rows.
  static func publish(_ workspace: Workspace, _ shape: SignatureShape, _ options: DedupeMinHash.Options) throws {
    let index = DedupeMinHash.index
    for (part, file) in workspace.files(DedupeMinHash.rows).enumerated() {
      try workspace.link(index, name: name(workspace, part, rowsEnding), to: file)
    }
    for (part, file) in workspace.files(DedupeMinHash.signatures).enumerated() {
      try workspace.link(index, name: name(workspace, part, signaturesEnding), to: file)
    }
    try workspace.write(index, name: description, Array(json(shape, options).text().utf8))
  }

  private static func json(_ shape: SignatureShape, _ options: DedupeMinHash.Options) -> JSONValue {
    [
      "shingleWidth": .integer(shape.shingleWidth), "bands": .integer(shape.bands), "rows": .integer(shape.rows),
      "foldOldForms": .bool(options.foldOldForms),
    ]
  }
}

import PipelineKit
import ShardKit

/// The documents of a gate, or of another stage with its ports, file by file, each with the files that have its measures.
struct GateParts {
  struct File {
    var documents: ArtifactFile
    var signals: [ArtifactFile]
  }

  let files: [File]

  /// - Throws: `StageError` (`.input`) if a scoring stage's files do not belong to those of the documents.
  init(_ context: PlanningContext) throws(StageError) {
    let documents = context.files(Gate.documents)
    var files = documents.map { File(documents: $0, signals: []) }
    for artifact in context.artifacts(Gate.signals) {
      guard artifact.files.count == files.count else {
        throw StageError(
          .input, artifact.stage,
          "it measured \(artifact.files.count) files of documents, but this stage reads \(files.count)",
          hint: "Wire the scoring stage to the same stages as this one, in the same order, or to those before a filter."
        )
      }
      for (place, file) in artifact.files.enumerated() { files[place].signals.append(file) }
    }
    self.files = files
  }

  /// The columns that the first files have.
  /// - Throws: `StageError` (`.input`) if two scoring stages write a column of the same name; what `SignalsReader`
  ///   throws.
  func columns() throws -> [String: SignalColumn.Kind] {
    var columns: [String: SignalColumn.Kind] = [:]
    for file in files.first?.signals ?? [] {
      for column in try SignalsReader(file.path).columns {
        // Texts, and the number of characters, are of the documents themselves, and the same wherever they stand.
        let isShared = column.kind == .text || column.name == SignalsOutput.characters
        let known = columns.updateValue(column.kind, forKey: column.name)
        guard known == nil || isShared && known == column.kind else {
          throw StageError(
            .options, "signals", "two of the wired scoring stages write '\(column.name)'",
            hint: "Give one of them a \"prefix\".")
        }
      }
    }
    return columns
  }
}

extension GateParts.File {
  /// The measures of the file's documents, in their order.
  func table(_ wanted: Set<String>) throws -> SignalTable {
    try SignalTable(hashes: documents.idHashes(), files: signals, wanted: wanted)
  }
}

/// The quantiles of a gate, as its first phase found them.
struct GateCuts: JSONRecord {
  struct Cut: Codable {
    var column: String
    var fraction: Double
    var group: String?
    var weight: String?
    var groups: [Group]
  }

  /// One group's quantile; its name is a value, not a key, since those of JSON are equal in all forms of a character.
  struct Group: Codable {
    var name: String
    var value: Double
  }

  var cuts: [Cut]

  var values: [GateQuantile: [ExactText: Double]] {
    Dictionary(
      uniqueKeysWithValues: cuts.map { cut in
        let groups = Dictionary(cut.groups.map { (ExactText($0.name), $0.value) }, uniquingKeysWith: { $1 })
        return (GateQuantile(column: cut.column, fraction: cut.fraction, group: cut.group, weight: cut.weight), groups)
      })
  }

  /// - Parameter check: called between files; throws when the work must stop.
  /// - Throws: `StageError` for more groups than can be meant; what reading throws.
  static func find(
    _ quantiles: Set<GateQuantile>, in files: [GateParts.File], check: () throws -> Void = {}
  ) throws -> GateCuts {
    let wanted = quantiles.reduce(into: Set<String>()) { $0.formUnion($1.columns) }
    let found: [GateQuantile: [ExactText: Double]]
    do {
      found = try GateQuantiles.find(quantiles) { body in
        for file in files {
          try check()
          try body(file.table(wanted))
        }
      }
    } catch let error as GateQuantiles.TooManyGroups {
      throw error.inRules
    }
    let cuts = found.map { quantile, values in
      Cut(
        column: quantile.column, fraction: quantile.fraction, group: quantile.group, weight: quantile.weight,
        groups: values.sorted { $0.key < $1.key }.map { Group(name: $0.key.text, value: $0.value) })
    }
    return GateCuts(cuts: cuts.sorted { $0.order.lexicographicallyPrecedes($1.order) })
  }
}

extension GateCuts.Cut {
  fileprivate var order: [UInt8] { Array("\(column) \(fraction) \(group ?? "") \(weight ?? "")".utf8) }
}

/// Lists of texts that rules name.
enum GateLists {
  /// The name of each file without folder and ending, with _ for what a name in a rule cannot have.
  static func names(_ files: [ArtifactFile]) -> [String] { files.map(name) }

  private static func name(_ file: ArtifactFile) -> String {
    let stem = ArchivePath.lastPart(of: file.name).utf8.prefix { $0 != 0x2E }
    let name = stem.map { byte in
      let isWord = (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte >= 0x80
      return isWord ? byte : 0x5F
    }
    return String(decoding: name, as: UTF8.self)
  }

  /// - Throws: what `PhraseLists.read` throws.
  static func read(_ files: [ArtifactFile]) throws -> [String: Set<String>] {
    var lists: [String: Set<String>] = [:]
    for file in files { lists[name(file), default: []].formUnion(try PhraseLists.read([file])) }
    return lists
  }
}

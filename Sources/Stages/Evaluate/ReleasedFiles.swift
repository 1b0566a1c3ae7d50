import PipelineKit
import ShardKit

/// The files of a released data set.
enum ReleasedFiles {
  /// Checks that each set is one file, or the numbered parts of one (`train-00000-of-00002.parquet`): in two forms
  /// (`train.tsv`, `train.parquet`), versions (`train-v1.1.json`, `train-v1.3.json`) or folders its examples would count twice.
  /// - Parameter set: what a file is a part of.
  /// - Throws: `StageError` (`input`) if a set is there twice.
  static func check(_ files: [ArtifactFile], _ set: (ArtifactFile) -> String) throws {
    var sets: [String: [ArtifactFile]] = [:]
    for file in files {
      let others = sets[set(file), default: []]
      sets[set(file)] = others + [file]
      guard let other = others.first(where: { !areParts($0.name, file.name) }) else { continue }
      throw StageError(
        .input, "options.folder",
        "'\(other.name)' and '\(file.name)' are two forms or versions of one set, whose examples would count twice",
        hint: "Leave one of them.")
    }
  }

  private static func areParts(_ a: String, _ b: String) -> Bool {
    guard let first = numbered(a), let second = numbered(b) else { return false }
    return first.rest == second.rest && first.number != second.number
  }

  /// The number of a part, and its name without that and without the digest that the Hub once put behind it; nil for any
  /// other file.
  private static func numbered(_ name: String) -> (number: Int, rest: [ExactText])? {
    var pieces = name.split(separator: "-", omittingEmptySubsequences: false)
    func isNumber(_ text: Substring) -> Bool { !text.isEmpty && text.utf8.allSatisfy { 0x30...0x39 ~= $0 } }
    guard let of = pieces.lastIndex(of: "of"), of > 0, isNumber(pieces[of - 1]), let number = Int(pieces[of - 1]),
      of + 1 < pieces.count, isNumber(pieces[of + 1].prefix { $0 != "." })
    else { return nil }
    pieces[of - 1] = ""
    if of + 2 < pieces.count { pieces[of + 2] = pieces[of + 2].drop { $0 != "." } }
    return (number, pieces.map { ExactText($0) })
  }
}

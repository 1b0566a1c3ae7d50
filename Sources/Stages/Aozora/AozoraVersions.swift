import ShardKit

/// The files of each work by document id, the best one first, and which of them is to be read.
///
/// A file without a work number in its name is a work of its own. If several have the same name, later ones get ids
/// of their own: `aozora:a.txt~2`.
struct AozoraVersions {
  struct Version {
    var file: AozoraFile
    var bytes: Int
    /// Index of the text in the container order.
    var number: Int
    var isUsable = true
  }

  struct Work {
    var all: [Version] = []
    /// The file that is to be read; those before it could not be.
    var current = 0
    var isSettled = false
  }

  private(set) var works: [String: Work] = [:]
  /// Number of files with this id, among those without a work number.
  private var namesakes: [String: Int] = [:]
  /// The ids of the second and later ones, by the text's number.
  private var ownIds: [Int: String] = [:]
  /// A text's rank among the files of its work, by its number; only for works unsettled after the first pass.
  private var ranks: [Int: Int] = [:]

  mutating func add(_ file: AozoraFile, bytes: Int, number: Int) {
    var id = file.id
    if file.work == nil {
      namesakes[id, default: 0] += 1
      if let count = namesakes[id], count > 1 {
        id += "~\(count)"
        ownIds[number] = id
      }
    }
    works[id, default: Work()].all.append(Version(file: file, bytes: bytes, number: number))
  }

  func id(_ file: AozoraFile, number: Int) -> String { ownIds[number] ?? file.id }

  /// Whether other files have the same name as this one, whatever their texts.
  func hasNamesakes(_ file: AozoraFile) -> Bool { file.work == nil && namesakes[file.id, default: 0] > 1 }

  mutating func rank(linked: (AozoraFile) -> String?) {
    for (id, work) in works where work.all.count > 1 {
      let stem = linked(work.all[0].file)
      works[id]!.all.sort { a, b in
        if a.file.precedes(b.file, linked: stem) { return true }
        return !b.file.precedes(a.file, linked: stem) && a.number < b.number
      }
    }
  }

  // MARK: Best file

  func isBest(_ id: String, _ number: Int) -> Bool { works[id].map { $0.all[0].number == number } ?? false }

  mutating func settle(_ id: String) { works[id]!.isSettled = true }

  // MARK: Alternatives

  /// False if no work has another file to try.
  mutating func prepareOthers() -> Bool {
    for work in works.values where !work.isSettled {
      for (rank, version) in work.all.enumerated().dropFirst() { ranks[version.number] = rank }
    }
    return !ranks.isEmpty
  }

  func isOther(_ number: Int) -> Bool { ranks[number] != nil }

  mutating func note(_ id: String, _ number: Int, isUsable: Bool) {
    if let rank = ranks[number] { works[id]!.all[rank].isUsable = isUsable }
  }

  /// Makes the best usable file of each work its current one; the last file if none is usable.
  mutating func chooseOthers() {
    for (id, work) in works where !work.isSettled && work.all.count > 1 {
      works[id]!.current = work.all.indices.dropFirst().first { work.all[$0].isUsable } ?? work.all.count - 1
    }
  }

  /// Whether a text is its work's current one, or an unusable one before it that is not yet reported.
  func isDue(_ id: String, _ number: Int) -> Bool {
    guard let rank = ranks[number], let work = works[id] else { return false }
    return rank <= work.current
  }
}

extension AozoraFile {
  /// Whether this file is preferred to another of the same work: first the one that the index links to, then the one
  /// with ruby (the fuller text), then the later revision, then by path.
  func precedes(_ other: AozoraFile, linked: String?) -> Bool {
    if let linked, (stem == linked) != (other.stem == linked) { return stem == linked }
    if hasRuby != other.hasRuby { return hasRuby }
    if revision != other.revision { return revision > other.revision }
    return path.utf8.lexicographicallyPrecedes(other.path.utf8)
  }
}

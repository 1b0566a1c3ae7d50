import ShardKit

/// The files of each work by document id, the best one first, and which of them is read.
///
/// A file whose name holds no work's number is a work by itself; one of a name that was there before gets an id of its
/// own, `aozora:a.txt~2`.
struct AozoraVersions {
  struct Version {
    var file: AozoraFile
    var bytes: Int
    /// Which of all texts in order it is.
    var number: Int
    var isUsable = true
  }

  struct Work {
    var all: [Version] = []
    /// The one that is to be read; those before it could not be.
    var current = 0
    var isSettled = false
  }

  private(set) var works: [String: Work] = [:]
  /// How many files without a work's number have this id.
  private var namesakes: [String: Int] = [:]
  /// The ids of those behind the first, by the text's number.
  private var ownIds: [Int: String] = [:]
  /// Where a text stands among its work's, by its number; of works that are not settled behind the first reading.
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

  /// Whether other files have the name of this one, which says nothing of their texts.
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

  // MARK: The best one

  func isBest(_ id: String, _ number: Int) -> Bool { works[id].map { $0.all[0].number == number } ?? false }

  mutating func settle(_ id: String) { works[id]!.isSettled = true }

  // MARK: Those that stand in for it

  /// False where no work has another file to try.
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

  /// Of each work the best file that can be used becomes its current one; the last file where none can.
  mutating func chooseOthers() {
    for (id, work) in works where !work.isSettled && work.all.count > 1 {
      works[id]!.current = work.all.indices.dropFirst().first { work.all[$0].isUsable } ?? work.all.count - 1
    }
  }

  /// Whether a text is its work's current one, or one before it that cannot be used and was not named yet.
  func isDue(_ id: String, _ number: Int) -> Bool {
    guard let rank = ranks[number], let work = works[id] else { return false }
    return rank <= work.current
  }
}

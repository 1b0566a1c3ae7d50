import PipelineKit
import ShardKit
import TestKit
import TextKit
import Testing

@testable import Stages

@Suite struct DedupeSubstringsTests {
  private static let window = 20

  private func deduplicated(
    _ files: [[Document]], _ options: [JSONMember] = [], as stage: any Stage.Type = DedupeSubstrings.self,
    backwards: Bool = false, memoryBytes: Int = 1 << 28
  ) throws -> StageHarness {
    let harness = try StageHarness(
      stage, options: .object([JSONMember("minimumCharacters", .integer(Self.window))] + options))
    try harness.add(documents: files)
    return try harness.run(backwards: backwards, memoryBytes: memoryBytes)
  }

  @Test func passagesAreCutWhereverTheyStand() throws {
    let passage = "この記事の無断転載を禁じます。詳しくは利用規約をご覧ください。"
    let documents = [
      Document(id: "a", text: "山の朝は早い。\(passage)川の水は冷たい。", source: "web"),
      Document(id: "b", text: "\(passage)町の夜は長い。", source: "web"),
      Document(id: "c", text: "空は高い。海は\(passage.dropFirst(5))", source: "books"),
      Document(id: "d", text: passage, source: "web"),
      Document(id: "e", text: "記事の無断転載を禁じますとある。", source: "web"),
    ]
    let first = try deduplicated([documents])
    #expect(
      try first.documents().map(\.textString) == [
        documents[0].textString, "町の夜は長い。", "空は高い。海は", documents[4].textString,
      ])
    #expect(
      try first.drops() == [
        .init(
          id: "d", reason: "copied-passages", value: 0, threshold: 1, survivor: "a",
          detail: "1 passages were copies, 31 characters")
      ])
    #expect(first.metrics["characters-removed"] == 31 + 26 + 31 && first.metrics["documents-shortened"] == 2)
    #expect(first.ledger.imbalance == 0)
    let notes = try first.notes()
    #expect(notes.map(\.id) == ["b", "c"] && notes.allSatisfy { $0.survivor == "a" && $0.reason == "copied-passage" })
    #expect(notes[1].value == 26 && notes[1].detail == "at character 8: 無断転載を禁じます。詳しくは利用規約をご覧ください。")

    // Of the preferred source the passage stays. Windows that no book has stay where they are first, whole.
    let books = try deduplicated([documents], [JSONMember("sources", .strings(["books"]))])
    #expect(
      try books.documents().map(\.textString) == [
        "山の朝は早い。\(passage.prefix(5 + 19))川の水は冷たい。", "町の夜は長い。", documents[2].textString,
        documents[4].textString,
      ])
  }

  /// What the stage does with places, spans and shares is what a dictionary of all windows does.
  @Test(arguments: [(1, 1, ["a", "b"]), (4, 2, ["c"]), (7, 3, [])])
  func agreesWithADictionaryOfAllWindows(parts: Int, seed: Int, order: [String]) throws {
    let documents = Self.texts(seed: UInt64(seed))
    let size = (documents.count + parts - 1) / parts
    let files = stride(from: 0, to: documents.count, by: size).map {
      Array(documents[$0..<min($0 + size, documents.count)])
    }
    let options = [JSONMember("sources", .strings(order))]
    let harness = try deduplicated(files, options)
    let reference = WindowDictionary(documents, window: Self.window, order: order)
    #expect(reference.removed > 1000 && reference.shared > 0)
    #expect(try harness.documents().map(\.textString) == reference.texts.filter { !$0.isEmpty })
    #expect(harness.metrics["characters-removed"] == Double(reference.removed))
    #expect(harness.metrics["characters-shared"] == Double(reference.shared))
    #expect(harness.ledger.imbalance == 0)
    #expect(try deduplicated(files, options, backwards: true, memoryBytes: 4096).digests == harness.digests)
    // Many tasks with little memory each, other files: the same documents.
    let shares = try deduplicated(
      documents.split(after: 37), options, as: ManyShares.self, memoryBytes: 4096)
    #expect(shares.files("spans").count > 8)
    #expect(try shares.documents() == harness.documents())
    try checkNotes(harness, documents)
  }

  /// Every passage that went stays, whole, in the document that its note names.
  private func checkNotes(_ harness: StageHarness, _ documents: [Document]) throws {
    let kept = Dictionary(uniqueKeysWithValues: try harness.documents().map { ($0.idString, $0.textString) })
    let texts = Dictionary(uniqueKeysWithValues: documents.map { ($0.idString, Array($0.textString)) })
    for note in try harness.notes() {
      let text = texts[note.id]!, detail = note.detail!
      let at = Int(detail.prefix { $0 != ":" }.split(separator: " ")[2])! - 1
      let survivor = try #require(kept[note.survivor!])
      // The note is of a passage, or of a part of one that begins within a window.
      let starts = (max(0, at - Self.window + 1)...at).filter { $0 + Self.window <= text.count }
      #expect(starts.contains { survivor.contains(String(text[$0..<($0 + Self.window)])) })
    }
  }

  /// Texts of few characters and shared phrases, with passages that begin and end anywhere and some that repeat
  /// themselves.
  private static func texts(seed: UInt64) -> [Document] {
    var random = SplitMix(seed: seed)
    let long = (0..<12).map { _ in random.text(of: "山川空海人", count: 120) }
    return (0..<80).map { number in
      var text = ""
      for _ in 0..<Int.random(in: 1...5, using: &random) {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: text += random.text(of: "あいうえおかきくけこ", count: Int.random(in: 0...60, using: &random))
        case 1:
          text += String(repeating: random.text(of: "=-*", count: Int.random(in: 1...3, using: &random)), count: 25)
        default:
          let from = Array(long.randomElement(using: &random)!)
          let start = Int.random(in: 0..<80, using: &random)
          text += String(from[start..<min(from.count, start + Int.random(in: 5...70, using: &random))])
        }
      }
      return Document(id: "d\(number)", text: text, source: ["a", "b", "c"][number % 3])
    }.filter { !$0.text.isEmpty }
  }

  /// Tasks that merge a share of the places read them in order; those of revision 1 were not sorted.
  @Test func placesAreSortedByFile() throws {
    let harness = try deduplicated(Self.texts(seed: 4).split(after: 40))
    for file in harness.files("anchors") {
      let mapped = try MappedFile(file.path)
      let places = Array(mapped.bytes.bindMemory(to: AnchoredWindows.self))
      #expect(places.count > 100 && zip(places, places.dropFirst()).allSatisfy { !($1 < $0) })
      #expect(places.map(\.document) != places.map(\.document).sorted())
    }
    #expect(DedupeSubstrings.revision > 1)
  }

  @Test func aDocumentThatHoldsTheKeptCopyStays() throws {
    let passage = "これは十分に長い一節であり、二つの文書にある。"
    let documents = [
      Document(id: "a", text: "短い。\(passage)"), Document(id: "b", text: "\(passage)長い続きがここにまだある。"),
      Document(id: "c", text: "こちらだけの別の話が続き、そして二度現れる。短い。\(passage)"),
      Document(id: "d", text: "こちらだけの別の話が続き、そして二度現れる。また別の終わり方をする文書である。"),
    ]
    let harness = try deduplicated([documents], [JSONMember("minimumRemaining", 30)])
    #expect(try harness.documents().map(\.idString) == ["a", "c"])
    #expect(try harness.drops().map(\.id) == ["b", "d"])
  }

  @Test func extremesAreWarnedOf() throws {
    let different = (0..<12).map {
      Document(id: "p\($0)", text: String(repeating: "\($0)番の段落である。", count: 1) + "これは\($0)番目の話の終わりである。")
    }
    #expect(try deduplicated([different]).warnings == ["nothing-removed": 1])
    let same = (0..<12).map { Document(id: "p\($0)", text: "同じ段落がどの文書にもあり、それしかない。") }
    let harness = try deduplicated([same])
    let messages = harness.manifests.compactMap { $0.warnings["nearly-all-removed"]?.example }
    let start = "22 of 24 passages of 20 characters are copies of others, such as at character 1 of 'p1' as in 'p0'"
    #expect(messages.first?.hasPrefix(start) == true, "\(messages)")
  }

  /// Every window belongs to one place, equal windows choose equal places, and the places are few.
  @Test func equalWindowsChooseEqualPlaces() {
    var random = SplitMix(seed: 9)
    let text = (0..<3000).map { _ in UInt32(random.next() % 4) } + Array(repeating: 7, count: 100)
    var anchors = WindowAnchors(window: 30)
    func places(_ units: [UInt32]) -> [WindowAnchors.Anchor] {
      var all: [WindowAnchors.Anchor] = []
      units.withUnsafeBufferPointer { units in anchors.forEach(units) { all.append($0) } }
      return all
    }
    let whole = places(text)
    #expect(whole.flatMap(\.windows) == Array(0...(text.count - 30)))
    #expect(whole.filter { $0.windows.upperBound < 2900 }.count < 2900 / 5)
    for start in [0, 17, 500, 2960, 3040] {
      let part = places(Array(text[start..<(start + 60)]))
      let own = part.flatMap { anchor in anchor.windows.map { (anchor.key, $0 + start) } }
      for (key, window) in own { #expect(whole.first { $0.windows.contains(window) }?.key == key) }
    }
    #expect(places(Array(text.prefix(29))).isEmpty && places(Array(text.prefix(30))).count == 1)
  }
}

/// The stage with a task for every few records.
private struct ManyShares: Stage {
  typealias Options = DedupeSubstrings.Options
  typealias Phase = DedupeSubstrings.Phase
  static let name = DedupeSubstrings.name
  static let revision = DedupeSubstrings.revision
  static let summary = DedupeSubstrings.summary
  static let inputs = DedupeSubstrings.inputs
  static let outputs = DedupeSubstrings.outputs
  private let stage: DedupeSubstrings

  init(options: Options) { stage = DedupeSubstrings(options: options, shareBytes: 1000) }

  func tasks(of phase: Phase, in context: PlanningContext) throws -> [TaskPlan] {
    try stage.tasks(of: phase, in: context)
  }
  func run(_ phase: Phase, _ workspace: Workspace) throws { try stage.run(phase, workspace) }
}

/// The same by a dictionary of all windows in memory.
private struct WindowDictionary {
  var texts: [String] = []
  var removed = 0
  var shared = 0

  init(_ documents: [Document], window: Int, order: [String]) {
    let texts = documents.map { Array($0.textString.unicodeScalars) }
    let ranked = documents.indices.sorted { a, b in
      func place(_ i: Int) -> Int {
        order.firstIndex(of: String(decoding: documents[i].source, as: UTF8.self)) ?? order.count
      }
      return (place(a), a) < (place(b), b)
    }
    var counts: [ArraySlice<Unicode.Scalar>: Int] = [:]
    for text in texts where text.count >= window {
      for start in 0...(text.count - window) { counts[text[start..<(start + window)], default: 0] += 1 }
    }
    var seen: Set<ArraySlice<Unicode.Scalar>> = []
    var results: [Int: String] = [:]
    for number in ranked {
      let text = texts[number]
      var copied = [Bool](repeating: false, count: text.count), kept = copied
      for start in 0..<max(0, text.count - window + 1) {
        let slice = text[start..<(start + window)]
        guard counts[slice]! > 1 else { continue }
        let isFirst = seen.insert(slice).inserted
        for place in start..<(start + window) { if isFirst { kept[place] = true } else { copied[place] = true } }
      }
      var rest = String.UnicodeScalarView()
      for place in text.indices {
        if copied[place], !kept[place] { removed += 1 } else { rest.append(text[place]) }
        if copied[place], kept[place] { shared += 1 }
      }
      results[number] = String(rest)
    }
    self.texts = documents.indices.map { results[$0]! }
  }
}

extension StageHarness {
  /// What was recorded of documents that stay.
  fileprivate func notes() throws -> [Drop] { try records("notes") }
}

extension [Document] {
  /// In two files.
  fileprivate func split(after count: Int) -> [[Document]] { [Array(self[..<count]), Array(self[count...])] }
}

extension SplitMix {
  fileprivate mutating func text(of characters: String, count: Int) -> String {
    let all = Array(characters)
    return String((0..<count).map { _ in all[Int(next() % UInt64(all.count))] })
  }
}

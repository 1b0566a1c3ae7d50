import PipelineKit
import ShardKit

/// What a set of JMTEB asks of vectors.
enum JMTEBKind: String, CaseIterable, Codable {
  case sts, classification, clustering, retrieval, reranking
  case pairClassification = "pair-classification"

  var title: String {
    switch self {
    case .sts: "STS"
    case .classification: "classification"
    case .clustering: "clustering"
    case .retrieval: "retrieval"
    case .reranking: "reranking"
    case .pairClassification: "pair classification"
    }
  }

  /// The name of the figure that counts.
  var metric: String {
    switch self {
    case .sts: "Spearman"
    case .classification: "macro F1"
    case .clustering: "V-measure"
    case .retrieval, .reranking: "nDCG@10"
    case .pairClassification: "F1"
    }
  }
}

/// The files of JMTEB's sets in a folder: each set is a folder with `train`, `validation` (or `val`, `dev`), `test` and
/// `corpus` as JSON lines or Parquet; a set's queries and corpus may be in folders of their own, NAME-query and NAME-corpus.
struct JMTEBFiles {
  enum Role: String { case train, validation, test, corpus }

  /// By name, in byte order.
  let sets: [(name: String, files: [ArtifactFile])]

  init(_ files: [ArtifactFile]) throws {
    var found: [String: [ArtifactFile]] = [:]
    var forms: [ExactText: String] = [:]
    for file in files {
      guard let form = Self.forms.first(where: file.name.hasSuffix) else { continue }
      if let other = forms.updateValue(file.name, forKey: ExactText(file.name.dropLast(form.count))) {
        throw StageError(
          .input, "options.folder",
          "'\(other)' and '\(file.name)' are two forms of one file, whose records would count twice",
          hint: "Leave one of them.")
      }
      let parts = ArchivePath.parts(file.name)
      guard parts.count > 1 else { continue }
      found[Self.setName(parts[parts.count - 2]), default: []].append(file)
    }
    guard !found.isEmpty else {
      throw StageError(
        .input, "options.folder", "has no folder with files of JSON lines",
        hint: "Give the folder that holds a folder per set, each with validation.jsonl, test.jsonl and so on.")
    }
    sets = found.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
  }

  private static let forms = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".parquet"]

  private static func setName(_ folder: String) -> String {
    ["-query", "-corpus"].first(where: folder.hasSuffix).map { String(folder.dropLast($0.count)) } ?? folder
  }

  /// A file of no other name is both validation and test.
  static func role(_ name: String) -> Role {
    let parts = ArchivePath.parts(name), file = parts.last ?? ""
    if file.hasPrefix("corpus") || parts.dropLast().last?.hasSuffix("-corpus") == true { return .corpus }
    if file.hasPrefix("train") { return .train }
    return file.hasPrefix("test") ? .test : .validation
  }
}

/// The records of a set.
struct JMTEBSet {
  let name: String
  let kind: JMTEBKind
  let train, validation, test: [JSONValue]
  let corpus: [ArtifactFile]

  /// - Parameter kind: nil: it follows from the records' members.
  init(_ name: String, _ files: [ArtifactFile], kind: JMTEBKind?) throws {
    func records(_ role: JMTEBFiles.Role) throws -> [JSONValue] {
      var records: [JSONValue] = []
      for file in files where JMTEBFiles.role(file.name) == role {
        try JSONRecords.forEach(file, maximumLineBytes: 256 << 20) { record, _ in records.append(record) }
      }
      return records
    }
    self.name = name
    train = try records(.train)
    corpus = files.filter { JMTEBFiles.role($0.name) == .corpus }
    // Where there is one of the two, it is both, as in JMTEB.
    let validation = try records(.validation), test = try records(.test)
    self.validation = validation.isEmpty ? test : validation
    self.test = test.isEmpty ? validation : test
    guard let first = self.test.first else {
      throw StageError(.input, name, "has no records to evaluate", hint: "Give test.jsonl or validation.jsonl.")
    }
    self.kind = try kind ?? Self.kind(first, self.test, hasTrain: !train.isEmpty, hasCorpus: !corpus.isEmpty, name)
  }

  private static func kind(
    _ first: JSONValue, _ records: [JSONValue], hasTrain: Bool, hasCorpus: Bool, _ name: String
  ) throws -> JMTEBKind {
    if first["retrieved_docs"] != nil { return .reranking }
    if hasCorpus { return .retrieval }
    if first["sentence1"] != nil, first["sentence2"] != nil {
      let labels = Set(records.compactMap { $0["label"]?.text() })
      return labels.count > 2 ? .sts : .pairClassification
    }
    guard first["label"] != nil else {
      throw StageError(
        .input, name, "is of no known form: its first record has \((first.members ?? []).map(\.key))",
        hint: "Name its kind in 'kinds'.")
    }
    return hasTrain ? .classification : .clustering
  }

  /// Calls `body` with each document of the corpus.
  /// - Throws: `StageError` (`input`) if one has no id or another one's, or no text; what `body` throws.
  func forEachDocument(_ body: (_ id: ExactText, _ text: () throws -> String) throws -> Void) throws {
    var places: [ExactText: (file: String, line: Int)] = [:]
    for file in corpus {
      try JSONRecords.forEach(file, maximumLineBytes: 256 << 20) { record, line in
        guard let name = ids(record["docid"] ?? record["id"] ?? record["_id"]).first else { throw lacks("docid") }
        if let before = places.updateValue((file.name, line), forKey: ExactText(name)) {
          throw StageError(
            .input, "\(file.name):\(line)",
            "the id '\(name)' occurs twice in the corpus: also in \(before.file):\(before.line)",
            hint: "Give each document a unique id, or remove repeated ones.")
        }
        try body(ExactText(name)) { try text(record, ["text"]) }
      }
    }
  }

  // MARK: Members

  /// The first of several members that a record has.
  func text(_ record: JSONValue, _ names: [String]) throws -> String {
    guard let text = names.lazy.compactMap({ record[$0]?.string }).first else { throw lacks(names[0]) }
    return text
  }

  func lacks(_ member: String) -> StageError {
    StageError(.input, name, "a record has no '\(member)', which \(kind.title) needs", hint: "Check 'kinds'.")
  }

  /// Ids, as texts; one alone is a list of one.
  func ids(_ value: JSONValue?) -> [String] {
    (value?.array ?? value.map { [$0] } ?? []).compactMap { $0.string ?? $0.integer.map(String.init) }
  }

  /// The places of records' labels among all labels of the set: numbers in their order, texts in byte order.
  func labels(_ parts: [[JSONValue]]) throws -> (count: Int, places: [[Int]]) {
    let values = try parts.map { part in
      try part.map { record in
        guard let label = record["label"], label.string != nil || label.double != nil else { throw lacks("label") }
        return label
      }
    }
    let different = Set(values.flatMap { $0 }.map { ExactText($0.text()) })
    let sorted = different.sorted { a, b in
      if let x = Double(a.text), let y = Double(b.text) { return x < y }
      return a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
    }
    let places = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($0.element, $0.offset) })
    return (sorted.count, values.map { $0.map { places[ExactText($0.text())] ?? 0 } })
  }
}

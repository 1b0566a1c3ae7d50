import PipelineKit
import ShardKit

/// What is counted of a document. Written to files: every byte has a value.
struct LicenseFact: BitwiseCopyable {
  /// `recordHash` of its id.
  var hash: UInt64
  /// Days since 1970; `unknownDay`: not stated.
  var day: Int32
  /// Its place in the list of the file.
  var license: UInt32
  var characters: UInt32
  var unused: UInt32 = 0

  static let unknownDay = Int32.min
}

/// Reads licenses and dates from documents.
struct LicenseFacts {
  /// The licenses of the documents so far.
  private(set) var names: [String] = []
  private var numbers: [ExactText: UInt32] = [:]
  private let licenses: MetadataReader
  private let dates: [DocumentField]
  private let dateReader: MetadataReader

  /// Distinct licenses of a file; more are counted together.
  private static let mostNames = 4096
  private static let mostBytes = 200
  static let others = "(other licenses)"

  init(licenses: [String], dates: [String]) {
    self.licenses = MetadataReader(licenses)
    self.dates = dates.compactMap { DocumentField($0) }
    dateReader = MetadataReader(
      self.dates.compactMap { if case .member(let path) = $0 { path } else { nil } })
  }

  static func isDateField(_ name: String) -> Bool {
    switch DocumentField(name) {
    case .created, .added, .member: true
    default: false
    }
  }

  mutating func fact(of document: borrowing Document) -> LicenseFact {
    LicenseFact(
      hash: recordHash(document.id), day: day(of: document), license: number(of: license(of: document)),
      characters: UInt32(clamping: MixMeasure.characters(document.text)))
  }

  private func license(of document: borrowing Document) -> String {
    var found = [String](repeating: "", count: licenses.paths.count)
    licenses.read(document.metadata) { path, value, kind in
      guard kind != .null else { return }
      found[path] = String(decoding: value.prefix(Self.mostBytes), as: UTF8.self)
    }
    let stated = found.first { !$0.isEmpty } ?? ""
    return stated.isEmpty || stated.lowercased() == ShardShares.unknown ? ShardShares.unknown : stated
  }

  private mutating func number(of name: String) -> UInt32 {
    if let number = numbers[ExactText(name)] { return number }
    if names.count >= Self.mostNames, name != Self.others { return number(of: Self.others) }
    numbers[ExactText(name)] = UInt32(names.count)
    names.append(name)
    return UInt32(names.count - 1)
  }

  private func day(of document: borrowing Document) -> Int32 {
    var members = [[UInt8]](repeating: [], count: dateReader.paths.count)
    dateReader.read(document.metadata) { path, value, kind in
      if kind == .string { members[path] = Array(value) }
    }
    var member = 0
    for field in dates {
      var text: [UInt8] = []
      switch field {
      case .created: text = document.created
      case .added: text = document.added
      case .member:
        text = members[member]
        member += 1
      default: break
      }
      guard let seconds = CreationTime.seconds(text) else { continue }
      return Int32(clamping: (seconds >= 0 ? seconds : seconds - 86399) / 86400)
    }
    return LicenseFact.unknownDay
  }
}

/// The facts of documents by the hashes of their ids: of all, or of those of one pass.
struct FactTable {
  private var facts: [UInt64: (license: String, day: Int32, characters: UInt32)] = [:]
  private let pass: Int
  private let passes: Int
  /// Of an entry with its share of the table's empty room.
  private static let entryBytes = 96

  static func passes(_ files: [ArtifactFile], memoryBytes: Int) -> Int {
    let rows =
      files.filter { $0.name.hasSuffix(".facts") }.reduce(0) { $0 + Int($1.bytes) }
      / MemoryLayout<LicenseFact>.stride
    return max(1, (rows * entryBytes + memoryBytes - 1) / memoryBytes)
  }

  init(_ files: [ArtifactFile], pass: Int, memoryBytes: Int) throws {
    self.pass = pass
    passes = Self.passes(files, memoryBytes: memoryBytes)
    let lists = Dictionary(files.map { ($0.name, $0) }) { $1 }
    for file in files where file.name.hasSuffix(".facts") {
      guard let list = lists[file.name.dropLast(".facts".count) + ".json"] else { continue }
      let names = try JSONValue.parse(FileSystem.read(list.path)).value.array?.compactMap(\.string) ?? []
      try forEachRecord(of: file.path, as: LicenseFact.self) { fact in
        guard isOfPass(fact.hash) else { return }
        facts[fact.hash] = (names[Int(fact.license)], fact.day, fact.characters)
      }
    }
  }

  func isOfPass(_ hash: UInt64) -> Bool { Int(hash % UInt64(passes)) == pass }

  subscript(hash: UInt64) -> (license: String, day: Int32, characters: UInt32)? { facts[hash] }
}

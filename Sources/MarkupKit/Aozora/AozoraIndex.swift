import ShardKit

/// The entries of Aozora Bunko's index: the extended list (55 columns, with copyright flags) or the basic one.
///
/// One row per person; rows of a work (作品ID) are merged. Columns are found by their names in the header.
public struct AozoraIndex {
  public struct Entry: Equatable {
    public struct Person: Equatable {
      public var role = ""
      public var name = ""
    }

    public var title = ""
    public var subtitle = ""
    public var orthography = ""
    public var classification = ""
    public var firstPublished = ""
    public var textURL = ""
    /// Date and number of the text's last revision; empty if the list does not state it.
    public var textVersion = ""
    public var people: [Person] = []
    /// False if any row's work or person is in copyright, or unstated; nil if the list has no flags.
    public var isPublicDomain: Bool?
  }

  public private(set) var entries: [Int: Entry] = [:]
  /// Whether the list has the copyright flags.
  public private(set) var hasFlags = false

  public init() {}

  init(_ reader: CSVReader) throws { try read(reader) }

  /// Reads a list: a CSV file, or a zip archive of one.
  /// - Throws: `ShardError` if the file cannot be read, or is not such a list (`.malformed`).
  public mutating func add(path: String) throws {
    let head = try FileSource(path, length: 4).readAll()
    guard head.starts(with: [0x50, 0x4B, 3, 4]) else {
      try read(CSVReader(openSource(path)))
      return
    }
    let zip = try ZipReader(path: path)
    guard let entry = zip.entries.first(where: { $0.name.suffix(4).elementsEqual(".csv".utf8) }) else {
      throw ShardError(
        .malformed, path, "the archive contains no .csv", hint: "Name the index's zip or the list itself.")
    }
    try read(CSVReader(MemorySource(zip.read(entry, limit: 1 << 30), name: path)))
  }

  private mutating func read(_ reader: CSVReader) throws {
    guard let header = try reader.next().map({ Columns($0.strings) }), let work = header.work else {
      throw ShardError(
        .malformed, reader.source.name, "its header has no column 作品ID",
        hint: "Use list_person_all_extended_utf8 (55 columns) or list_person_all, in UTF-8.")
    }
    hasFlags = header.workFlag != nil && header.personFlag != nil
    while let record = try reader.next() {
      guard record.count == header.count else {
        throw ShardError(
          .malformed, reader.source.name,
          "record \(reader.number) has \(record.count) fields, but the header has \(header.count)",
          hint: "Fetch the index again.")
      }
      guard let id = Int(text(record[work])) else { continue }
      entries[id, default: Entry()].add(record, header, hasFlags: hasFlags)
    }
  }
}

extension AozoraIndex {
  /// Indices of the columns; the names of both lists are known.
  fileprivate struct Columns {
    let count: Int
    let work, title, subtitle, orthography, classification, firstPublished, textURL, textDate, textRevision: Int?
    let workFlag, personFlag, role, family, given, author, translator: Int?

    init(_ names: [String]) {
      func column(_ candidates: String...) -> Int? { candidates.lazy.compactMap { names.firstIndex(of: $0) }.first }
      count = names.count
      work = column("作品ID")
      title = column("作品名")
      subtitle = column("副題")
      orthography = column("文字遣い種別", "仮名遣い種別")
      classification = column("分類番号")
      firstPublished = column("初出")
      textURL = column("テキストファイルURL")
      textDate = column("テキストファイル最終更新日")
      textRevision = column("テキストファイル修正回数")
      workFlag = column("作品著作権フラグ")
      personFlag = column("人物著作権フラグ")
      role = column("役割フラグ")
      family = column("姓")
      given = column("名")
      author = column("著者名")
      translator = column("翻訳者名等")
    }
  }
}

extension AozoraIndex.Entry {
  fileprivate mutating func add(_ record: CSVReader.Record, _ columns: AozoraIndex.Columns, hasFlags: Bool) {
    func value(_ column: Int?) -> String { column.map { text(record[$0]) } ?? "" }
    if title.isEmpty {
      title = value(columns.title)
      subtitle = value(columns.subtitle)
      orthography = value(columns.orthography)
      classification = value(columns.classification)
      firstPublished = value(columns.firstPublished)
      textURL = value(columns.textURL)
      textVersion = [value(columns.textDate), value(columns.textRevision)].filter { !$0.isEmpty }.joined(separator: "/")
    }
    if hasFlags {
      takeCopyright(work: value(columns.workFlag), person: value(columns.personFlag))
    }
    add(
      role: columns.role == nil ? "著者" : value(columns.role),
      [value(columns.family), value(columns.given)].filter { !$0.isEmpty }.joined(separator: " "))
    add(role: "著者", value(columns.author))
    add(role: "翻訳者", value(columns.translator))
  }

  private mutating func add(role: String, _ name: String) {
    // Both lists separate family and given name; a name in kanji is written without a space.
    let isForeign = name.unicodeScalars.contains { "ァ"..."ヺ" ~= $0 }
    let person = Person(role: role, name: isForeign ? name : String(name.filter { $0 != " " }))
    if !person.name.isEmpty && !people.contains(person) { people.append(person) }
  }
}

private func text(_ field: UnsafeRawBufferPointer) -> String { String(decoding: field, as: UTF8.self) }

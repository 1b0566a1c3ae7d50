import MarkupKit
import PipelineKit
import ShardKit

/// PMC's list of files as a table on disk: license and retraction by PMCID and by PubMed id, sorted, 16 bytes per row.
///
/// Columns: `File, Article Citation, Accession ID, Last Updated, PMID, License[, Retracted]`; the lists of the bulk
/// packages write some of them without spaces. https://pmc.ncbi.nlm.nih.gov/tools/ftp/
final class ArticleList {
  struct Entry: Equatable {
    /// nil if the list gives no Creative Commons code for the article.
    var license: ArticleLicense?
    var isRetracted = false
  }

  struct Row: SortableRecord {
    var key: UInt64
    var value: UInt64
    var prefix: UInt64 { key }
    static func < (a: Row, b: Row) -> Bool { (a.key, a.value) < (b.key, b.value) }
  }

  private let file: MappedFile
  private var rows: UnsafeBufferPointer<Row> { file.bytes.bindMemory(to: Row.self) }

  init(_ path: String) throws { file = try MappedFile(path) }

  /// The list's entry for an article, by PMCID, else by PubMed id. Repeated rows of an article are merged.
  func entry(pmcid: String, pmid: String) -> Entry? {
    for key in [Self.key(pmcid: pmcid), Self.key(pmid: pmid)] {
      if let key, let entry = entry(key) { return entry }
    }
    return nil
  }

  private func entry(_ key: UInt64) -> Entry? {
    let rows = rows
    var (low, high) = (0, rows.count)
    while low < high {
      let middle = (low + high) / 2
      if rows[middle].key < key { low = middle + 1 } else { high = middle }
    }
    guard low < rows.count, rows[low].key == key else { return nil }
    var entry = Entry()
    for row in rows[low...].prefix(while: { $0.key == key }) {
      let more = Entry(row.value)
      entry.isRetracted = entry.isRetracted || more.isRetracted
      entry.license = more.license.map { entry.license?.stricter(than: $0) ?? $0 } ?? entry.license
    }
    return entry
  }

  // MARK: Writing

  /// Reads the task's lists and publishes the table.
  static func write(_ workspace: Workspace) throws {
    let sorter = ExternalSorter<Row>(
      scratch: try workspace.temporaryDirectory() + "/listed", memoryBytes: min(workspace.memoryBytes, 128 << 20))
    for list in workspace.files(.main) { try read(list, workspace, into: sorter) }
    let name = workspace.task.key + ".rows"
    let file = try workspace.file(JATSExtract.listed, name)
    var last: Row?
    try sorter.drain { row in
      if row != last { try file.write(record: row) }
      last = row
    }
    try workspace.publish(JATSExtract.listed, file, name: name)
  }

  private static func read(_ list: ArtifactFile, _ workspace: Workspace, into sorter: ExternalSorter<Row>) throws {
    let reader = CSVReader(try openSource(list.path))
    let columns = (try reader.next()?.strings ?? []).map { $0.lowercased().filter(\.isLetter) }
    func column(_ name: String) -> Int? { columns.firstIndex(of: name) }
    guard let accession = column("accessionid"), let license = column("license") else {
      throw StageError(
        .input, list.path, "its header has no columns \"Accession ID\" and \"License\"",
        hint: "Name PMC's oa_file_list.csv, or a filelist.csv of its bulk packages.")
    }
    let (pmid, retracted) = (column("pmid"), column("retracted"))
    while let record = try reader.next() {
      if reader.number % 4096 == 0 { try workspace.control.check() }
      func value(_ index: Int?) -> String {
        index.map { $0 < record.count ? String(decoding: record[$0], as: UTF8.self) : "" } ?? ""
      }
      let entry = Entry(
        license: ArticleLicense(code: value(license)), isRetracted: value(retracted).lowercased() == "yes")
      for key in [key(pmcid: value(accession)), key(pmid: value(pmid))] {
        if let key { try sorter.append(Row(key: key, value: entry.value)) }
      }
    }
    workspace.metric("listedArticles", Double(max(0, reader.number - 1)))
  }

  private static func key(pmcid: String) -> UInt64? {
    guard pmcid.uppercased().hasPrefix("PMC") else { return nil }
    return UInt32(pmcid.dropFirst(3)).map { UInt64($0) }
  }

  private static func key(pmid: String) -> UInt64? { UInt32(pmid).map { UInt64($0) | 1 << 32 } }
}

extension ArticleList.Entry {
  private static let unlicensed: UInt64 = 1 << 8
  private static let publicDomain: UInt64 = 1 << 9
  private static let retracted: UInt64 = 1 << 10

  fileprivate var value: UInt64 {
    (license.map { UInt64($0.conditions.rawValue) | ($0.isPublicDomain ? Self.publicDomain : 0) } ?? Self.unlicensed)
      | (isRetracted ? Self.retracted : 0)
  }

  fileprivate init(_ value: UInt64) {
    isRetracted = value & Self.retracted != 0
    guard value & Self.unlicensed == 0 else { return }
    license = ArticleLicense(
      conditions: .init(rawValue: UInt8(truncatingIfNeeded: value)), isPublicDomain: value & Self.publicDomain != 0)
  }
}

import PipelineKit
import ShardKit

// Compiling lists, and judging URLs by them.
extension FilterURL {
  /// Writes `table.bin` and `lists.json`.
  func compile(_ workspace: Workspace) throws {
    var builder = URLTable.Builder(), lists: [URLList] = []
    try add(options.domains, "domains", .drop, &builder, &lists)
    try add(options.keptDomains, "keptDomains", .keep, &builder, &lists)
    for (role, use) in [("lists", URLList.Role.drop), ("optOut", .optOut), ("kept", .keep)] {
      for file in workspace.files(TaskInputs.Role(role)) where isWanted(file) {
        try read(file, use, &builder, &lists, workspace)
      }
    }
    try checkCategories(workspace)
    let file = try workspace.file(Self.table, "table.bin")
    let entries = try builder.write(to: file)
    try workspace.publish(Self.table, file, name: "table.bin")
    try workspace.write(Self.table, name: "table.json", Array(try JSONValue.encoding(lists).text().utf8))
    workspace.metric("entries", Double(entries))
  }

  private func add(
    _ domains: [String], _ name: String, _ role: URLList.Role, _ builder: inout URLTable.Builder,
    _ lists: inout [URLList]
  ) throws {
    guard !domains.isEmpty else { return }
    for domain in domains {
      let written = String(domain.drop { $0 == "." || $0 == "*" })
      builder.add(.domain(WebAddress(written).host), list: lists.count)
    }
    lists.append(URLList(name: name, role: role))
  }

  private static let ignored: Set<String> = [
    "usage", "expressions", "very_restrictive_expression", "README", "LICENSE",
  ]

  /// `adult/domains.gz` of UT1 is the category adult.
  private static func category(_ file: ArtifactFile) -> (category: String, part: String)? {
    let parts = file.path.split(separator: "/")
    guard let last = parts.last, parts.count > 1 else { return nil }
    let part = String(last.prefix { $0 != "." })
    return part == "domains" || part == "urls" || ignored.contains(part) ? (String(parts[parts.count - 2]), part) : nil
  }

  /// - Throws: `StageError` (`.options`) for a category that no file has.
  private func checkCategories(_ workspace: Workspace) throws(StageError) {
    let files = ["lists", "optOut", "kept"].flatMap { workspace.files(TaskInputs.Role($0)) }
    let known = Set(files.compactMap { Self.category($0)?.category })
    for name in options.categories where !known.contains(name) {
      throw StageError(
        .options, "categories", "no list has the category '\(name)'\(suggestion(for: name, among: known.sorted()))")
    }
  }

  private func isWanted(_ file: ArtifactFile) -> Bool {
    guard let (category, part) = Self.category(file) else { return true }
    return !Self.ignored.contains(part) && (options.categories.isEmpty || options.categories.contains(category))
  }

  private func read(
    _ file: ArtifactFile, _ role: URLList.Role, _ builder: inout URLTable.Builder, _ lists: inout [URLList],
    _ workspace: Workspace
  ) throws {
    guard lists.count < URLTable.maximumLists else {
      throw StageError(
        .options, "lists", "there are more than \(URLTable.maximumLists) lists", hint: "Join them into fewer files.")
    }
    let name = Self.category(file).map { "\($0.category)/\($0.part)" } ?? file.name
    let lines = LineReader(try openSource(file.path), maximumLineBytes: 1 << 16, ends: .any)
    var entries = 0, suffixes = 0, example = "", ofPages = 0, seen = 0
    while let line = try lines.next() {
      seen += 1
      if seen % 4096 == 0 { try workspace.control.check() }
      if URLListEntry.isPlainDomain(line) {
        builder.add(plainDomain: line, list: lists.count)
        entries += 1
        continue
      }
      let text = String(decoding: line, as: UTF8.self)
      let isOfPages = URLListEntry.isOfPages(text)
      ofPages += isOfPages ? 1 : 0
      for entry in isOfPages ? [] : URLListEntry.all(in: text) {
        builder.add(entry, list: lists.count)
        entries += 1
        guard case .host(let suffix) = entry else { continue }
        suffixes += 1
        example = suffix
      }
    }
    workspace.warn(
      "rule-of-pages", times: ofPages,
      "\(name): lines with ## or @@ are rules on parts of pages or exceptions, and are passed over")
    workspace.warn(
      "public-suffix", times: suffixes,
      "\(name): \(example) is a public suffix, so the entry holds for that host alone, not for the sites below it")
    workspace.warn("empty-list", times: entries == 0 ? 1 : 0, "\(name) has no entries")
    lists.append(URLList(name: name, role: role))
  }
}

/// Judges documents by their URLs.
struct URLJudge {
  private let options: FilterURL.Options
  private let table: URLTable
  private let lists: [URLList]
  private let words: URLWords
  private let metadata: MetadataReader

  init(_ options: FilterURL.Options, _ workspace: Workspace) throws {
    self.options = options
    let files = workspace.files("table")
    func path(_ name: String) throws -> String {
      guard let file = files.first(where: { $0.name == name }) else {
        throw StageError(.ledger, name, "the phase 'compile' did not write it", hint: "Run with --force.")
      }
      return file.path
    }
    table = try URLTable(path("table.bin"))
    lists = try JSONValue.parse(FileSystem.read(path("table.json"))).value.decode([URLList].self)
    words = URLWords(
      words: options.words + (try PhraseLists.read(workspace.files("words"))), soft: options.softWords,
      minimumSoft: options.minimumSoftWords, parts: options.parts)
    metadata = MetadataReader(options.urlFields)
  }

  /// Why the document is dropped, and the list that decides.
  func find(_ document: borrowing Document) -> (reason: DropReason, list: String)? {
    guard let url = url(document) else {
      return options.withoutURL == .drop ? (DropReason("no-url"), "no URL") : nil
    }
    let entries = URLListEntry.matching(WebAddress(url))
    var hits: [URLList.Role: (list: String, entry: String)] = [:]
    for entry in entries {
      table.lists(of: entry) { list in
        let list = lists[list]
        if hits[list.role] == nil { hits[list.role] = (list.name, entry.text) }
      }
    }
    if let hit = hits[.optOut] { return (DropReason("url-opt-out", detail: "\(hit.list): \(hit.entry)"), hit.list) }
    if hits[.keep] != nil { return nil }
    if let hit = hits[.drop] { return (DropReason("url-list", detail: "\(hit.list): \(hit.entry)"), hit.list) }
    return words.find(url).map { (DropReason($0.reason, detail: $0.words), $0.reason) }
  }

  /// The first place that has a URL.
  private func url(_ document: borrowing Document) -> String? {
    var found = [String?](repeating: nil, count: options.urlFields.count)
    metadata.read(document.metadata) { path, value, kind in
      if kind == .string { found[path] = String(decoding: value, as: UTF8.self) }
    }
    for (i, field) in options.urlFields.enumerated() {
      if let url = found[i], !url.isEmpty { return url }
      let own = field == "id" ? document.id : field == "source" ? document.source : []
      if !own.isEmpty { return String(decoding: own, as: UTF8.self) }
    }
    return nil
  }
}

import MarkupKit
import PipelineKit
import ShardKit

/// One task of `jats.extract`: reads articles and writes or drops each.
final class JATSExtractTask {
  private let options: JATSExtract.Options
  private let workspace: Workspace
  private let list: ArticleList?
  private let output: DocumentOutput
  private let licenses: Set<LicenseName>
  private let types: Set<String>
  private static let maximumMetadataBytes = 4096
  /// What this task has written. Duplicates across tasks are left to `dedupe.exact`.
  private var written = WrittenArticles()

  init(_ options: JATSExtract.Options, _ workspace: Workspace, _ list: ArticleList?) throws {
    self.options = options
    self.workspace = workspace
    self.list = list
    licenses = Set(options.licenses)
    types = Set(options.articleTypes)
    output = try workspace.documents(to: JATSExtract.documents)
  }

  func run(_ files: [ArtifactFile]) throws {
    let limit = options.maximumArticleBytes.bytes
    for file in files {
      do {
        try ArticleContainer.forEachArticle(in: file, limit: limit) { article in
          try workspace.control.check()
          try read(article)
        }
      } catch let error as ShardError where options.damagedArchives == .drop && Self.isDamage(error) {
        try drop(file.name, Int(file.bytes), "damaged-archive", detail: error.description)
      }
    }
  }

  private static func isDamage(_ error: ShardError) -> Bool {
    [.truncated, .malformed, .unsupported].contains(error.code)
  }

  private func read(_ container: ArticleContainer.Article) throws {
    let bytes: [UInt8]
    do {
      bytes = try container.read()
    } catch let error as ShardError where error.code == .tooLarge {
      return try drop(
        container.place, 0, "too-large", threshold: Double(options.maximumArticleBytes.bytes), detail: error.message)
    } catch let error as ShardError where options.damagedArchives == .drop && Self.isDamage(error) {
      // The later members of a zip are intact; the damage of a tar is reported while reading on.
      return try drop(container.place, 0, "damaged-archive", detail: error.description)
    }
    let reader = JATSReader(options.text)
    do throws(ShardError) {
      try reader.read(bytes)
    } catch {
      guard error != XMLFault.noMemory else {
        throw StageError(
          .environment, container.place, error.message, hint: "Run with fewer --jobs, or give the program more memory.")
      }
      let place = error.subject.isEmpty ? "" : " in \(error.subject)"
      return try drop(container.place, bytes.count, "malformed-xml", detail: error.message + place)
    }
    guard !reader.articles.isEmpty else {
      return try drop(container.place, bytes.count, "malformed-xml", detail: "it contains no <article>")
    }
    for (number, article) in reader.articles.enumerated() {
      let place = reader.articles.count == 1 ? container.place : "\(container.place)#\(number + 1)"
      try take(article, place, bytes.count / reader.articles.count)
    }
  }

  private func drop(
    _ id: String, _ bytes: Int, _ reason: String, value: Double? = nil, threshold: Double? = nil,
    survivor: String? = nil,
    detail: String? = nil
  ) throws {
    workspace.countInput(bytes: bytes)
    try workspace.drop(
      id: Array(id.utf8), bytes: bytes,
      DropReason(reason, value: value, threshold: threshold, survivor: survivor.map { Array($0.utf8) }, detail: detail))
  }

  // MARK: One article

  private func take(_ article: JATSArticle, _ place: String, _ bytes: Int) throws {
    var article = article
    if article.pmcid.isEmpty { article.pmcid = Self.pmcid(in: place) }
    let id = Self.id(article, place)
    note(article, place)
    let entry = list?.entry(pmcid: article.pmcid, pmid: article.pmid)
    if list != nil && entry == nil { workspace.metric("notListed", 1) }
    if let reason = article.retraction ?? (entry?.isRetracted == true ? "according to the list" : nil) {
      return try drop(id, bytes, "retracted", detail: reason)
    }
    let decision = LicenseDecision(article.license, listed: entry?.license)
    if let disagreement = decision.disagreement {
      workspace.warn("license-disagreement", "\(id): \(disagreement); the stricter one applies")
    }
    if let license = decision.license {
      guard licenses.contains(license.name) else {
        return try drop(id, bytes, "license-not-allowed", detail: license.text)
      }
    } else if options.unknownLicense == .drop {
      return try drop(id, bytes, "license-unknown", detail: decision.unknown)
    }
    guard types.isEmpty || types.contains(article.type) else {
      return try drop(id, bytes, "article-type", detail: article.type)
    }
    if article.body.isEmpty && options.withoutBody == .drop { return try drop(id, bytes, "no-body") }
    let text = article.text()
    guard text.count >= max(1, options.minimumBytes) else {
      return try drop(
        id, bytes, "too-short", value: Double(text.count), threshold: Double(max(1, options.minimumBytes)))
    }
    switch written.add(id, text, isPlace: article.hasNoId) {
    case .new(let id): try write(article, id, text, decision, bytes)
    case .duplicate(let survivor): try drop(id, bytes, "duplicate", survivor: survivor, detail: place)
    case .otherVersion: try drop(id, bytes, "other-version", survivor: id, detail: place)
    }
  }

  private func write(
    _ article: JATSArticle, _ id: String, _ text: [UInt8], _ decision: LicenseDecision, _ bytes: Int
  ) throws {
    workspace.countInput(bytes: bytes)
    var document = Document()
    document.id = Array(id.utf8)
    document.text = text
    document.source = Array(options.source.utf8)
    document.metadata = Array(Self.metadata(article, decision).text().utf8)
    try output.write(document)
  }

  private func note(_ article: JATSArticle, _ place: String) {
    workspace.warn(
      "unknown-entity", times: article.unknownEntities.count,
      "\(place): the entity \(article.unknownEntities[0]) is unknown and was omitted")
    if article.subArticles > 0 { workspace.metric("subArticles", Double(article.subArticles)) }
  }

  // MARK: Identity

  /// PMC's id, else the DOI, else PubMed's id, else the path.
  private static func id(_ article: JATSArticle, _ place: String) -> String {
    if !article.pmcid.isEmpty { return article.pmcid }
    if !article.doi.isEmpty { return "doi:" + article.doi }
    return article.hasNoId ? "pmc:" + place : "pmid:" + article.pmid
  }

  /// Older packages give PMC's id only in the file name: `BMC_Microbiol/PMC3166277.nxml`.
  private static func pmcid(in place: String) -> String {
    let name = ArchivePath.lastPart(of: place)
    guard name.hasPrefix("PMC") else { return "" }
    return UInt32(name.dropFirst(3).prefix { $0.isASCII && $0.isNumber }).map { "PMC\($0)" } ?? ""
  }

  /// Metadata is in every line, so values longer than any title are truncated after a complete character.
  private static func shortened(_ value: String) -> String {
    guard value.utf8.count > maximumMetadataBytes else { return value }
    var end = value.utf8.index(value.startIndex, offsetBy: maximumMetadataBytes)
    while value.utf8[end] & 0xC0 == 0x80 { end = value.utf8.index(before: end) }
    return String(value[..<end])
  }

  private static func metadata(_ article: JATSArticle, _ decision: LicenseDecision) -> JSONValue {
    var members: [JSONMember] = []
    func add(_ key: String, _ value: String) {
      if !value.isEmpty { members.append(JSONMember(key, .string(shortened(value)))) }
    }
    add("doi", article.doi)
    add("pmcid", article.pmcid)
    add("pmid", article.pmid)
    add("title", String(decoding: article.title, as: UTF8.self))
    add("journal", article.journal)
    if let year = article.year { members.append(JSONMember("year", .integer(year))) }
    add("type", article.type)
    add("license", decision.license?.text ?? "unknown")
    add("licenseSource", decision.source)
    add("language", article.language)
    return .object(members)
  }
}

extension JATSArticle {
  fileprivate var hasNoId: Bool { pmcid.isEmpty && doi.isEmpty && pmid.isEmpty }
}

/// The written articles of a task, by id and text.
private struct WrittenArticles {
  enum Answer {
    /// To be written, under this id.
    case new(String)
    /// The same text was written, under this id.
    case duplicate(String)
    /// Another text of the paper was written.
    case otherVersion
  }

  /// Number of texts per id.
  private var counts: [UInt64: Int] = [:]
  /// The index of a text among those with its id, by the hash of both.
  private var numbers: [UInt64: Int] = [:]

  /// - Parameter isPlace: whether the id is only the path, which members of an archive may share: the second and later
  ///   ones get ids of their own, `pmc:a.tar/x.xml~2`.
  mutating func add(_ id: String, _ text: [UInt8], isPlace: Bool) -> Answer {
    let bytes = Array(id.utf8)
    let name = recordHash(bytes), whole = recordHash(bytes + [0] + text)
    if let number = numbers[whole] { return .duplicate(Self.id(id, number)) }
    let number = counts[name, default: 0] + 1
    guard number == 1 || isPlace else { return .otherVersion }
    counts[name] = number
    numbers[whole] = number
    return .new(Self.id(id, number))
  }

  private static func id(_ id: String, _ number: Int) -> String { number == 1 ? id : "\(id)~\(number)" }
}

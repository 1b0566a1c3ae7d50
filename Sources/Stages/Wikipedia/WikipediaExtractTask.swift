import MarkupKit
import NetKit
import PipelineKit
import ShardKit

/// One task of `wikipedia.extract`: reads a partition and writes or drops each of its pages.
final class WikipediaExtractTask {
  private let options: WikipediaExtract.Options
  private let site: WikiSite
  private let workspace: Workspace
  private let output: DocumentOutput
  private let idPrefix: [UInt8]
  private let articleBase: [UInt8]
  private let namespaces: Set<Int>
  private var wikitext: WikitextRenderer
  private var text = PageBuffer()
  private var document = Document()
  private var pages = 0

  init(_ options: WikipediaExtract.Options, _ site: WikiSite, _ workspace: Workspace) throws {
    self.options = options
    self.site = site
    self.workspace = workspace
    output = try workspace.documents(to: WikipediaExtract.articles, rotateAtBytes: Int64(options.shardBytes.bytes))
    idPrefix = Array((options.idPrefix.isEmpty ? site.idPrefix : options.idPrefix).utf8)
    articleBase = Array(site.articleBase.utf8)
    namespaces = Set(options.namespaces)
    document.source = Array(options.source.utf8)
    wikitext = WikitextRenderer(rules: WikitextRules(options: options.wikitext, site: site))
  }

  func read(_ path: String, _ partition: WikiDumpPartition) throws {
    let reader = try WikiDumpReader(
      source(path, partition), isFragment: partition.form != .whole && partition.start > 0,
      isLast: partition.form == .whole || partition.isLast, maximumPageBytes: options.maximumPageBytes.bytes)
    while let item = try reader.next() {
      switch item {
      case .page(let page): try extract(page)
      case .damage(let damage): try drop(damage)
      }
    }
    workspace.metric("sentences-cut", Double(wikitext.cutSentences))
  }

  private func source(_ path: String, _ partition: WikiDumpPartition) throws -> any ByteSource {
    switch partition.form {
    case .whole: try openSource(path)
    case .plain: try FileSource(path, offset: partition.start, length: partition.end - partition.start)
    case .streams: Bzip2Streams(path, partition)
    case .blocks: try WikiDumpBlocks(path, partition)
    }
  }

  private func id(of page: WikiDumpPage) -> [UInt8] {
    idPrefix + [UInt8(ascii: ":")] + (page.id.isEmpty ? Array("unknown".utf8) : page.id)
  }

  private func drop(_ damage: WikiDumpBreak) throws {
    workspace.warn(damage.kind.rawValue, damage.message)
    guard let page = damage.page else { return }
    workspace.countInput(bytes: page.textBytes)
    try workspace.drop(
      id: id(of: page), bytes: page.textBytes,
      DropReason(
        damage.kind == .truncated ? "truncated" : "damaged", detail: String(decoding: page.title, as: UTF8.self)))
  }

  private func extract(_ page: WikiDumpPage) throws {
    workspace.countInput(bytes: page.textBytes)
    pages += 1
    if pages % 64 == 0 { try workspace.control.check() }
    if page.textElements > 0 {
      workspace.warn(
        "unescaped-markup",
        "page '\(String(decoding: page.title, as: UTF8.self))': elements (\(page.textElements)) are "
          + "unescaped in its text; they were read as wikitext")
    }
    document.id = id(of: page)
    if let reason = reasonToDrop(page) {
      return try workspace.drop(id: document.id, bytes: page.textBytes, DropReason(reason))
    }
    if page.textBytes > options.maximumPageBytes.bytes {
      return try workspace.drop(
        id: document.id, bytes: page.textBytes,
        DropReason("too-large", value: Double(page.textBytes), threshold: Double(options.maximumPageBytes.bytes))
      )
    }
    text.removeAll()
    wikitext.extract(page.text.bytes, title: page.title, into: &text)
    if text.count < options.minimumBytes {
      return try workspace.drop(
        id: document.id, bytes: page.textBytes,
        DropReason(
          text.count == 0 ? "empty" : "too-short", value: Double(text.count), threshold: Double(options.minimumBytes)))
    }
    try write(page)
  }

  private func reasonToDrop(_ page: WikiDumpPage) -> String? {
    if !namespaces.contains(namespace(of: page)) { return "namespace" }
    if page.isRedirect || page.textIsRedirect { return "redirect" }
    return page.model.isEmpty || page.model == Self.wikitextModel ? nil : "not-wikitext"
  }

  private static let wikitextModel = Array("wikitext".utf8)

  /// As stated by the dump; if it does not, by the prefix of the title, if the wiki knows it.
  private func namespace(of page: WikiDumpPage) -> Int {
    if let number = Int(String(decoding: page.namespace, as: UTF8.self)) { return number }
    return page.title.withUnsafeBufferPointer { site.namespace(ofTitle: $0) }
  }

  private func write(_ page: WikiDumpPage) throws {
    document.text.removeAll(keepingCapacity: true)
    document.text.append(contentsOf: text.bytes)
    document.created = page.timestamp
    document.metadata.removeAll(keepingCapacity: true)
    append("{\"title\":", page.title)
    if !articleBase.isEmpty {
      append(",\"url\":", articleBase + Array(Self.percentEncoded(page.title).utf8))
    }
    append(",\"timestamp\":", page.timestamp)
    append(",\"revision\":", page.revision)
    if !options.domain.isEmpty { append(",\"domain\":", Array(options.domain.utf8)) }
    document.metadata.append(UInt8(ascii: "}"))
    try output.write(document)
  }

  private func append(_ key: StaticString, _ value: [UInt8]) {
    document.metadata.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
    JSONText.append(string: value, to: &document.metadata)
  }

  /// A title as MediaWiki writes it in URLs: spaces as underscores, other bytes percent-encoded.
  private static func percentEncoded(_ title: [UInt8]) -> String {
    PercentEncoding.encode(title.map { $0 == 0x20 ? UInt8(ascii: "_") : $0 }, keeping: ":/,;@!*()")
  }
}

extension WikipediaExtract.Options {
  var wikitext: WikitextOptions {
    var wikitext = WikitextOptions()
    wikitext.keepHeadings = keepHeadings
    wikitext.keepLists = keepLists
    wikitext.listMarker = listMarker
    wikitext.keepCaptions = keepCaptions
    wikitext.keepReadings = keepReadings
    wikitext.droppedSections = dropSections
    wikitext.templates = templates
    wikitext.formulas = formulas
    wikitext.unresolved = unresolved
    wikitext.placeholder = placeholder
    return wikitext
  }
}

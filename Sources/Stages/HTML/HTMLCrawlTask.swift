import MarkupKit
import NetKit
import PipelineKit
import ShardKit

/// The first phase of `html.crawl`: reads the lists, fetches the pages, and passes them on as archives.
struct HTMLCrawlTask {
  private let options: HTMLCrawl.Options
  private let workspace: Workspace
  private let crawl: Crawl
  private let patterns: AddressPatterns

  private struct Page {
    var url: WebURL
    /// `lastmod` of its sitemap.
    var version: String?
  }

  private var pages: [Page] = []
  private var known: Set<WebURL> = []
  /// Number of lists that could not be fetched; if there are any, unlisted pages do not count as gone.
  private var missingLists = 0
  /// Numbers of sitemaps that were read, and that exceeded the limit.
  private var readLists = 0
  private var surplusLists = 0

  /// An index lists sitemaps, or further indexes.
  private static let maximumIndexDepth = 2

  init(_ options: HTMLCrawl.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    crawl = try options.crawl.begin(options.network.client(options.network.politeness(), workspace), workspace)
    patterns = AddressPatterns(include: options.include, exclude: options.exclude)
  }

  mutating func run() throws {
    try list()
    var visits = try pages.map { try visit($0) }
    // Retry failed pages once: the error may have been transient.
    for i in pages.indices where visits[i].state == .failed { visits[i] = try visit(pages[i]) }
    if missingLists == 0 { try crawl.finishListing(kind: "page") }
    var changes = CrawlChanges()
    changes.add(try crawl.frontier.visits(kind: "page"), pass: options.crawl.snapshot) { $0.url }
    try changes.checkFailures(options.crawl.maximumFailedFraction, of: pages.count)
    try changes.report(to: HTMLCrawl.changes, workspace)
    for visit in visits where visit.state == .refused {
      workspace.warn("robots-refused", "\(visit.shown): \(visit.failure ?? "it may not be fetched")")
    }
    try writeArchives(visits)
  }

  private func visit(_ page: Page) throws -> Visit {
    try workspace.control.checkStop()
    let visit = try crawl.visit(
      page.url, kind: "page", version: page.version, maximumBytes: options.page.maximumPageBytes.bytes)
    workspace.control.advance(documents: 1, bytes: Int(visit.bytes))
    return visit
  }

  // MARK: Lists

  private mutating func list() throws {
    for url in options.urls { try take(Sitemap.Entry(url: url), of: nil) }
    for text in try ListedLines.read(workspace.files(.main)) {
      if let url = try? WebURL(text) { try refuseSecret(url, "lists") }
      try take(Sitemap.Entry(url: text), of: nil)
    }
    for text in options.sitemaps { try readList(try WebURL(text), version: nil, depth: 0) }
    workspace.warn(
      "too-many-sitemaps", times: surplusLists,
      "the lists have more than \(options.maximumSitemaps) sitemaps; others are ignored: raise \"maximumSitemaps\""
    )
    guard !pages.isEmpty else {
      throw StageError(
        .input, options.sitemaps.first ?? "urls", "no listed page matches the options",
        hint: "Check \"include\", \"exclude\" and \"sameHostOnly\".")
    }
    workspace.metric("listed", Double(pages.count))
  }

  /// Reads a sitemap, a sitemap index or a robots.txt. One given by the user must exist.
  private mutating func readList(_ url: WebURL, version: String?, depth: Int) throws {
    let isWanted = pages.count < options.maximumPages && known.insert(url).inserted
    guard isWanted else { return }
    guard readLists < options.maximumSitemaps else {
      surplusLists += 1
      missingLists += 1
      return
    }
    readLists += 1
    try workspace.control.checkStop()
    let visit = try crawl.visit(url, kind: "sitemap", version: version, maximumBytes: Sitemap.maximumBytes)
    guard visit.holdsContent else {
      let why = visit.failure ?? "it is gone"
      guard depth > 0 else {
        throw StageError(
          .environment, url.shown, "the pages are unknown without this list: \(why)",
          hint: "Try again later, or set \"sitemaps\".")
      }
      missingLists += 1
      return workspace.warn("missing-sitemap", "\(url.shown): \(why); its previous pages are kept")
    }
    let content = try crawl.content(visit)
    let isRobots = url.target == "/robots.txt"
    let list = isRobots ? Sitemap(robots: RobotsFile(content).sitemaps) : Sitemap(content)
    if let problem = list.problem {
      missingLists += 1
      workspace.warn("broken-sitemap", "\(url.shown): \(problem)")
    }
    workspace.warn(
      "long-address", times: list.longAddresses,
      "\(url.shown): URLs longer than \(Sitemap.longestAddress) bytes are ignored")
    for entry in list.pages { try take(entry, of: url) }
    for entry in list.sitemaps {
      guard depth < Self.maximumIndexDepth + (isRobots ? 1 : 0), let next = try? url.resolving(entry.url) else {
        workspace.warn(
          "sitemap-too-deep", "\(shownAddress(entry.url)): the nesting of indexes is too deep; it is not read")
        continue
      }
      try readList(next, version: entry.modified.isEmpty ? nil : entry.modified, depth: depth + 1)
    }
  }

  private mutating func take(_ entry: Sitemap.Entry, of list: WebURL?) throws {
    guard let url = try? list?.resolving(entry.url) ?? WebURL(entry.url) else {
      return workspace.warn("no-address", "'\(shownAddress(entry.url))' is not a valid URL")
    }
    if options.sameHostOnly, let list, list.host != url.host {
      return workspace.warn("other-host", "\(url.shown): its sitemap is on \(list.host)")
    }
    guard patterns.takes(url.text), pages.count < options.maximumPages, known.insert(url).inserted else { return }
    pages.append(Page(url: url, version: entry.modified.isEmpty ? nil : entry.modified))
  }

  // MARK: Archives

  /// Pages that currently cannot be fetched keep their previous text.
  private func writeArchives(_ visits: [Visit]) throws {
    var parts = [[Visit]](repeating: [], count: options.partitions)
    for visit in visits where visit.holdsContent {
      parts[Int(recordHash(Array(visit.url.utf8)) % UInt64(options.partitions))].append(visit)
    }
    for (part, members) in parts.enumerated() where !members.isEmpty {
      let name = "pages-\(TaskPlan.padded(part)).warc.gz"
      let file = try workspace.file(HTMLCrawl.pages, name)
      // By URL, so that the order of the lists has no effect.
      for visit in members.sorted(by: { $0.url.utf8.lexicographicallyPrecedes($1.url.utf8) }) {
        try workspace.control.check()
        var record = try crawl.record(visit)
        // After a redirect, the requested URL remains the page's name.
        if record.target != visit.url { record.headers["pipeline-url"] = visit.url }
        try file.write(record.compressed())
      }
      try workspace.publish(HTMLCrawl.pages, file, name: name)
    }
  }
}

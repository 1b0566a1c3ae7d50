import MarkupKit
import NetKit
import PipelineKit
import ShardKit

/// The first phase of `aozora.crawl`: fetches the index and the works, and passes them on as archives.
struct AozoraCrawlTask {
  private let options: AozoraCrawl.Options
  private let workspace: Workspace
  private let crawl: Crawl

  static let indexName = "index.zip"

  private struct Work {
    var id: Int
    var url: WebURL
    /// Date and number of the text's last revision, as the index has them.
    var version: String?
  }

  init(_ options: AozoraCrawl.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    crawl = try options.crawl.begin(options.network.client(options.network.politeness(), workspace), workspace)
  }

  mutating func run() throws {
    let works = try works(in: fetchIndex())
    var visits = try works.map { try visit($0) }
    // Retry failed works once: the error may have been transient.
    for i in works.indices where visits[i].state == .failed { visits[i] = try visit(works[i]) }
    try crawl.finishListing(kind: "work")
    var changes = CrawlChanges()
    let all = try crawl.frontier.visits(kind: "work")
    changes.add(all, pass: options.crawl.snapshot) { visit in AozoraFile(path: Self.path(visit.url)).id }
    try changes.checkFailures(options.crawl.maximumFailedFraction, of: works.count)
    try changes.report(to: AozoraCrawl.changes, workspace)
    for visit in visits where visit.change(in: options.crawl.snapshot) == .updated {
      workspace.warn("updated-work", "\(visit.shown): the new text replaces \(visit.previousDigest ?? "")")
    }
    try writeArchives(visits)
  }

  private func visit(_ work: Work) throws -> Visit {
    try workspace.control.checkStop()
    // A zip is smaller than its content, apart from a few bytes of overhead.
    let limit = options.text.maximumWorkBytes.bytes + (1 << 20)
    let visit = try crawl.visit(work.url, kind: "work", version: work.version, maximumBytes: limit)
    workspace.control.advance(documents: 1, bytes: Int(visit.bytes))
    return visit
  }

  // MARK: Index

  private func fetchIndex() throws -> AozoraIndex {
    let visit = try crawl.visit(try WebURL(options.index), kind: "index", maximumBytes: 256 << 20)
    guard visit.state == .done else {
      throw StageError(
        .environment, visit.shown, "no works can be selected without the index: \(visit.failure ?? "it is gone")",
        hint: "Try again later, or set \"index\".")
    }
    let content = try crawl.content(visit)
    try workspace.write(AozoraCrawl.archives, name: Self.indexName, content)
    let path = try workspace.temporaryDirectory() + "/" + Self.indexName
    try FileSystem.write(content, to: path)
    var index = AozoraIndex()
    try index.add(path: path)
    guard index.hasFlags else {
      throw StageError(
        .input, options.index, "has no copyright columns, so no work can be selected",
        hint: "Set \"index\" to the extended list, list_person_all_extended_utf8.zip.")
    }
    return index
  }

  /// Works in the public domain with a zip of their text, sorted by id. Warns about works that cannot be fetched.
  private func works(in index: AozoraIndex) throws -> [Work] {
    var works: [Work] = []
    for (id, entry) in index.entries.sorted(by: { $0.key < $1.key }) {
      guard entry.isPublicDomain == true else { continue }
      guard options.orthographies.isEmpty || options.orthographies.contains(entry.orthography) else { continue }
      guard !entry.textURL.isEmpty else {
        workspace.warn("no-text", "work \(id) has no text file")
        continue
      }
      guard entry.textURL.lowercased().hasSuffix(".zip"), let url = try? WebURL(entry.textURL),
        ArchivePath.isSafe(Self.path(url.text))
      else {
        workspace.warn("no-zip", "work \(id): its text is not a zip: \(entry.textURL)")
        continue
      }
      works.append(Work(id: id, url: url, version: entry.textVersion.isEmpty ? nil : entry.textVersion))
      if works.count == options.maximumWorks { break }
    }
    return works
  }

  // MARK: Archives

  /// The URL's path without its first slash: `cards/000005/files/5_ruby_5057.zip`.
  private static func path(_ url: String) -> String { (try? WebURL(url)).map { String($0.target.dropFirst()) } ?? "" }

  /// A work that currently cannot be fetched keeps its previous text.
  private func writeArchives(_ visits: [Visit]) throws {
    let kept = visits.filter(\.holdsContent)
    for part in 0..<options.partitions {
      let members = kept.filter { AozoraFile(path: Self.path($0.url)).partition(of: options.partitions) == part }
      guard !members.isEmpty else { continue }
      let name = "works-\(TaskPlan.padded(part)).tar"
      let file = try workspace.file(AozoraCrawl.archives, name)
      let tar = TarWriter(file)
      for visit in members {
        try workspace.control.check()
        try tar.add(Self.path(visit.url), crawl.content(visit))
      }
      try tar.finish()
      try workspace.publish(AozoraCrawl.archives, file, name: name)
    }
  }
}

import ShardKit

/// A site's list of pages, or of further lists (https://www.sitemaps.org/protocol.html): XML, or one URL per line.
///
/// Limited as in the protocol: 50 MiB decompressed and 50,000 URLs. Entries before an error are kept.
public struct Sitemap: Equatable {
  public struct Entry: Equatable {
    public var url: String
    /// `lastmod` as written; empty if missing.
    public var modified = ""

    public init(url: String, modified: String = "") {
      self.url = url
      self.modified = modified
    }
  }

  public static let maximumBytes = 50 << 20
  static let maximumEntries = 50_000
  /// In bytes; the protocol's limit is 2,048 characters.
  public static let longestAddress = 8192

  public var pages: [Entry] = []
  public var sitemaps: [Entry] = []
  /// Number of ignored URLs that are longer than any server accepts.
  public var longAddresses = 0
  /// Why it was not read completely.
  public var problem: String?

  /// - Parameter content: the response's body, possibly compressed with gzip.
  public init(_ content: [UInt8]) {
    var bytes = content
    if content.starts(with: [0x1F, 0x8B]) {
      do {
        bytes = try GzipSource(MemorySource(content, name: "it")).readAll(limit: Self.maximumBytes)
      } catch {
        problem = error.code == .tooLarge ? "it has more than 50 MiB" : "its gzip stream is broken"
        return
      }
    }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
    if bytes.first(where: { $0 > 32 }) == UInt8(ascii: "<") {
      SitemapReader(self).read(SitemapRepair.mended(bytes), &self)
    } else {
      readLines(bytes)
    }
  }

  /// The sitemaps that a robots.txt lists.
  public init(robots: [String]) { sitemaps = robots.map { Entry(url: $0) } }

  private mutating func readLines(_ bytes: [UInt8]) {
    for line in bytes.split(whereSeparator: { $0 == 10 || $0 == 13 }) {
      let text = String(decoding: line, as: UTF8.self).filter { $0 > " " }
      guard text.hasPrefix("http") else { continue }
      if text.utf8.count <= Self.longestAddress { add(Entry(url: text), isPage: true) } else { longAddresses += 1 }
    }
    // A site under maintenance may return a notice in place of its list.
    if pages.isEmpty && problem == nil { problem = "it lists no URL" }
  }

  mutating func add(_ entry: Entry, isPage: Bool) {
    guard pages.count + sitemaps.count < Self.maximumEntries else {
      problem = "it lists more than \(Self.maximumEntries) URLs"
      return
    }
    if isPage { pages.append(entry) } else { sitemaps.append(entry) }
  }
}

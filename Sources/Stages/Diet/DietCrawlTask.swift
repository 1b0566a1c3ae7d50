import MarkupKit
import NetKit
import PipelineKit
import ShardKit

/// The first phase of `diet.crawl`: lists the meetings of each slice and requests those that are new or changed.
struct DietCrawlTask {
  private let options: DietCrawl.Options
  private let workspace: Workspace
  private let crawl: Crawl
  private let api: WebURL
  private var isComplete = true

  /// Maximum number of meetings per page of the API.
  private static let listedAtOnce = 100
  private static let meetingsAtOnce = 10
  /// A slice with at least this many meetings is fetched by pages, a smaller one meeting by meeting.
  private static let fewMeetings = 4
  /// Maximum number of times a list is read if it changes meanwhile.
  private static let maximumListings = 3

  init(_ options: DietCrawl.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    api = try WebURL(options.api.hasSuffix("/") ? options.api : options.api + "/")
    crawl = try options.crawl.begin(options.network.client(options.network.politeness(), workspace), workspace)
  }

  mutating func run() throws {
    var visits: [Visit] = []
    for slice in try DietSlice.cut(from: options.from, until: options.until, days: options.sliceDays) {
      let listed = try list(slice)
      try fetch(slice, listed)
      let issues = listed.sorted { $0.key < $1.key }
      var found = try issues.map { try meeting($0.key, version: $0.value) }
      for (i, issue) in issues.enumerated() where found[i].state == .failed {
        found[i] = try meeting(issue.key, version: issue.value)
      }
      try write(slice, found)
      visits += found
    }
    if isComplete {
      let (first, last) = (options.from.filter { $0 != "-" }, options.until.filter { $0 != "-" })
      try crawl.finishListing(kind: "meeting") { url in
        // The last eight digits of an issueID are its date.
        guard options.query.isEmpty, let id = try? Self.issue(url) else { return false }
        return first <= String(id.suffix(8)) && String(id.suffix(8)) <= last
      }
    }
    var changes = CrawlChanges()
    changes.add(try crawl.frontier.visits(kind: "meeting"), pass: options.crawl.snapshot) {
      (try? Self.issue($0.url)) ?? $0.url
    }
    try changes.checkFailures(options.crawl.maximumFailedFraction, of: visits.count)
    try changes.report(to: DietCrawl.changes, workspace)
    for visit in visits where visit.change(in: options.crawl.snapshot) == .updated {
      workspace.warn("updated-meeting", "\(visit.shown): the new text replaces \(visit.previousDigest ?? "")")
    }
  }

  // MARK: Addresses

  private func url(_ kind: String, _ conditions: [(String, String)]) throws -> WebURL {
    let all = conditions + [("recordPacking", "json")]
    return try api.resolving(kind + "?" + all.map { "\($0.0)=\(PercentEncoding.encode($0.1))" }.joined(separator: "&"))
  }

  private func pageURL(_ kind: String, _ slice: DietSlice, start: Int, count: Int) throws -> WebURL {
    let own = options.query.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
    return try url(
      kind,
      [("from", slice.from), ("until", slice.until)] + own + [
        ("maximumRecords", "\(count)"), ("startRecord", "\(start)"),
      ])
  }

  private func meetingURL(_ id: String) throws -> WebURL { try url("meeting", [("issueID", id)]) }

  private static func issue(_ url: String) throws -> String {
    guard let mark = url.firstRange(of: "issueID=") else {
      throw StageError(.input, url, "the state of the crawl contains a meeting without an issueID")
    }
    return String(url[mark.upperBound...].prefix { $0 != "&" })
  }

  // MARK: Listing

  /// The meetings of a slice by issueID, with the state of their list entries.
  ///
  /// The list may grow while its pages are read. Then it is read again, and the union of all readings counts.
  private mutating func list(_ slice: DietSlice) throws -> [String: String] {
    var listed: [String: String] = [:]
    for attempt in 0..<Self.maximumListings {
      var counts: Set<Int> = []
      var start: Int? = 1
      while let position = start {
        let url = try pageURL("meeting_list", slice, start: position, count: Self.listedAtOnce)
        let page = try page(url, kind: "list", again: attempt > 0)
        for meeting in page.meetings {
          listed[meeting.id] = String(Checksummer.checksum(meeting.bytes, .sha256).hex.prefix(16))
        }
        counts.insert(page.records)
        start = page.next.flatMap { $0 > position ? $0 : nil }
      }
      if counts.count == 1, let count = counts.first, listed.count >= count { return listed }
    }
    isComplete = false
    workspace.warn("unsteady-list", "the list of \(slice.from) to \(slice.until) changed each time it was read")
    return listed
  }

  /// A response that everything else depends on.
  private func page(_ url: WebURL, kind: String, again: Bool = false) throws -> DietAnswer {
    try workspace.control.checkStop()
    let visit = try crawl.visit(url, kind: kind, again: again)
    guard visit.state == .done else {
      throw StageError(
        .environment, visit.shown, "the API does not respond: \(visit.failure ?? "the page is gone")",
        hint: "Run again later; fetched data is kept.")
    }
    switch DietAnswer.read(try crawl.content(visit)) {
    case .success(let answer): return answer
    case .failure(let problem):
      throw StageError(.input, visit.shown, "the response cannot be read: \(problem.message)")
    }
  }

  // MARK: Fetching

  /// Fetches by pages while a slice has many meetings that are not stored; those missing in the pages are requested one
  /// by one.
  private func fetch(_ slice: DietSlice, _ listed: [String: String]) throws {
    var wanted: Set<String> = []
    for (id, version) in listed where try needs(id, version) { wanted.insert(id) }
    guard wanted.count > Self.fewMeetings else { return }
    var start: Int? = 1
    while let position = start, !wanted.isEmpty {
      let url = try pageURL("meeting", slice, start: position, count: Self.meetingsAtOnce)
      let page = try page(url, kind: "meetings")
      for meeting in page.meetings where wanted.remove(meeting.id) != nil {
        try crawl.derive(
          meetingURL(meeting.id), kind: "meeting", version: listed[meeting.id], from: url,
          digest: Checksummer.checksum(meeting.bytes, .sha256).hex)
        workspace.control.advance(documents: 1, bytes: meeting.bytes.count)
      }
      start = page.next.flatMap { $0 > position ? $0 : nil }
    }
  }

  private func needs(_ id: String, _ version: String) throws -> Bool {
    guard let visit = try crawl.frontier.visit(try meetingURL(id).text) else { return true }
    return visit.state != .done || visit.version != version
  }

  private func meeting(_ id: String, version: String) throws -> Visit {
    try workspace.control.checkStop()
    return try crawl.visit(try meetingURL(id), kind: "meeting", version: version)
  }

  // MARK: Writing

  /// Writes the slice's meetings as one response, sorted by issueID. Unfetchable ones keep their text.
  private func write(_ slice: DietSlice, _ visits: [Visit]) throws {
    var out = Array(#"{"meetingRecord":["#.utf8)
    var isFirst = true
    // Neighbors are often in the same response.
    var last: (location: WARCLocation, answer: DietAnswer)?
    for visit in visits where visit.holdsContent {
      let id = try Self.issue(visit.url)
      if last?.location != visit.location, let location = visit.location {
        guard case .success(let answer) = DietAnswer.read(try crawl.content(visit)) else {
          throw StageError(.input, visit.shown, "its stored copy cannot be read")
        }
        last = (location, answer)
      }
      guard let bytes = last?.answer.meetings.first(where: { $0.id == id })?.bytes else {
        workspace.warn("no-such-meeting", "\(visit.shown): the response does not contain the meeting")
        continue
      }
      if !isFirst { out.append(UInt8(ascii: ",")) }
      isFirst = false
      out += bytes
    }
    guard !isFirst else { return }
    out += Array("]}\n".utf8)
    try workspace.write(DietCrawl.pages, name: "\(slice.from).json", out)
  }
}

import ShardKit

/// Visits URLs by the rules of their sites and keeps the responses across kills and passes.
///
/// A *pass* is one crawl of the sources with a name given by the user, such as a date. Within a pass, no URL with a
/// response is requested again, even if the process is killed: a response is first synced to the archive (WARC), then
/// recorded in the frontier, and records that the frontier lacks are added when the crawl is opened. A later pass sends
/// conditional requests, and only for URLs that may have changed according to their listing.
public final class Crawl {
  public let pass: String
  public let frontier: Frontier
  private let folder: String
  private let client: HTTPClient
  private let robots: RobotsCache
  private let archive: WARCWriter
  /// Requests sent by this process.
  public private(set) var asked = 0
  /// Consecutive failures without a response.
  private var failuresInARow = 0

  /// After this many consecutive failures, the cause is the network, not a page.
  private static let maximumFailuresInARow = 8

  /// Opens the crawl of a folder, and takes in responses that its database does not have yet.
  /// - Throws: `NetError` (`.storage`) if another crawl uses the folder, or it cannot be read or written.
  public init(
    folder: String, pass: String, client: HTTPClient, maximumArchiveBytes: Int64 = 1 << 30
  ) throws(NetError) {
    self.folder = folder
    self.pass = pass
    self.client = client
    let frontier = try Frontier(folder: folder)
    self.frontier = frontier
    var adoption = CrawlAdoption(frontier)
    let sound = try frontier.sound()
    for (file, bytes) in sound {
      let size = FileSystem.status("\(folder)/\(file)")?.bytes ?? 0
      if size < bytes { try frontier.forget(behind: size, of: file) }
    }
    archive = try WARCWriter(
      folder: folder, prefix: "crawl", maximumFileBytes: maximumArchiveBytes, clock: client.clock, sound: sound
    ) { (record, location) throws(NetError) in try adoption.take(record, location) }
    robots = RobotsCache(client, store: frontier)
  }

  // MARK: Visiting

  /// The content of a URL: from the archive if it is up to date, otherwise from its site.
  ///
  /// Failures of single URLs are states, not errors. Errors stop the crawl: cancellation, disk errors, a site whose
  /// robots.txt cannot be fetched, or no network.
  /// - Parameters:
  ///   - kind: groups URLs for `Frontier.visits` and `finishListing`.
  ///   - version: the version in a listing. Content that was fetched with the same version is not requested again.
  ///   - again: requests the URL even if it has a response in this pass, for a list that changed while it was read.
  ///   - maximumBytes: larger responses are failures.
  /// - Throws: `NetError`: `.cancelled`, `.storage`, or the site's or the network's error if the crawl must stop.
  public func visit(
    _ url: WebURL, kind: String, version: String? = nil, again: Bool = false, maximumBytes: Int = 64 << 20
  ) throws(NetError) -> Visit {
    var visit = try frontier.visit(url.text) ?? Visit(url: url.text, kind: kind)
    visit.kind = kind
    visit.seenIn = pass
    if !again, visit.checkedIn == pass, [.done, .gone, .refused].contains(visit.state), version == visit.version {
      return try noted(visit)
    }
    if let version, version == visit.version, visit.state == .done {
      visit.checkedIn = pass
      return try noted(visit)
    }
    guard try robots.rules(for: url).allows(url.target) else {
      return try refused(visit, version, "the site's robots.txt does not allow it")
    }
    return try ask(url, visit, version: version, maximumBytes)
  }

  private func refused(_ visit: Visit, _ version: String?, _ reason: String) throws(NetError) -> Visit {
    var visit = visit
    visit.state = .refused
    visit.failure = reason
    visit.checkedIn = pass
    visit.version = version
    return try noted(visit)
  }

  /// A page may redirect to another site, whose rules then apply.
  private func checkRobots(_ url: WebURL) throws(NetError) {
    guard try robots.rules(for: url).allows(url.target) else {
      throw NetError(.robots, url.shown, "the site's robots.txt does not allow it")
    }
  }

  private func noted(_ visit: Visit) throws(NetError) -> Visit {
    try frontier.record(visit)
    return visit
  }

  private func ask(
    _ url: WebURL, _ known: Visit, version: String?, _ maximumBytes: Int
  ) throws(NetError) -> Visit {
    var request = HTTPRequest(.get, url)
    request.maximumBytes = maximumBytes
    if known.digest != nil && known.state != .failed { request.unlessStill(known.validators) }
    asked += 1
    let response: HTTPResponse
    do throws(NetError) { response = try client.send(request, checking: checkRobots) } catch {
      guard error.code != .robots || error.isTransient else {
        return try refused(known, version, "it redirects to \(error.subject): \(error.message)")
      }
      return try failed(known, error)
    }
    failuresInARow = 0
    let exchange = CrawlExchange(
      response, asked: url, kind: known.kind, version: version, pass: pass, at: client.clock.wallSeconds)
    let records = exchange.records(known)
    let locations = try archive.append(records)
    var visit = known
    visit.take(exchange.answer(records[0]), at: locations[0])
    try frontier.record(visit, end: locations.last)
    return visit
  }

  private func failed(_ known: Visit, _ error: NetError) throws(NetError) -> Visit {
    guard error.code != .cancelled, error.code != .storage else { throw error }
    var visit = known
    visit.state = .failed
    visit.status = error.status
    visit.attempts += 1
    visit.failure = error.message
    visit.checkedIn = pass
    let wait = max(error.retryAfterSeconds ?? 0, Double(60 << min(visit.attempts, 12)))
    visit.nextTry = client.clock.wallSeconds + Int(wait)
    try frontier.record(visit)
    failuresInARow += error.isTransient ? 1 : 0
    guard failuresInARow < Self.maximumFailuresInARow else {
      var error = error
      error.message += "; \(failuresInARow) consecutive requests have failed"
      error.hint = "Run again when the network or the site is back: finished downloads are not repeated."
      throw error
    }
    return visit
  }

  // MARK: Listings

  /// Marks a listing as finished: URLs that it contained before and did not name in this pass have disappeared.
  /// - Parameter isOfListing: selects the URLs of this listing if a kind has several listings.
  /// - Throws: `NetError` (`.storage`) if the crawl's database cannot be written.
  public func finishListing(kind: String, _ isOfListing: (String) -> Bool = { _ in true }) throws(NetError) {
    try frontier.markDisappeared(kind: kind, pass: pass, among: isOfListing)
  }

  // MARK: Content

  /// Records that a response contains another complete item with its own URL: a page of meetings contains each meeting.
  ///
  /// The item's `content` is then the content of that response.
  /// - Parameter digest: of the item itself, so that a later response with the same item is not a change.
  /// - Throws: `NetError` (`.storage`) if the source's content is not stored, or the database cannot be used.
  public func derive(
    _ url: WebURL, kind: String, version: String?, from source: WebURL, digest: String
  ) throws(NetError) {
    guard let holder = try frontier.visit(source.text), holder.state == .done else {
      throw NetError(.storage, source.shown, "its content is not stored")
    }
    var visit = try frontier.visit(url.text) ?? Visit(url: url.text, kind: kind)
    visit.take(
      CrawlAnswer(
        url: url.text, kind: kind, version: version, pass: pass, status: 200, validators: Validators(), digest: digest,
        bytes: holder.bytes, isRevisit: false, recordID: holder.recordID ?? "", recordDate: holder.recordDate ?? "",
        at: holder.askedAt ?? 0), at: holder.location!)
    visit.validators = Validators()
    try frontier.record(visit)
  }

  /// The stored content of a visit, checked against its record's digest.
  /// - Throws: `NetError` (`.storage`) if it is not stored, cannot be read, or has changed since it was written.
  public func content(_ visit: Visit) throws(NetError) -> [UInt8] {
    let record = try record(visit)
    return Array(record.block[(record.message?.body ?? 0)...])
  }

  /// The record with that content: the response with its head.
  /// - Throws: `NetError` (`.storage`) if it is not stored, cannot be read, or has changed since it was written.
  public func record(_ visit: Visit) throws(NetError) -> WARCRecord {
    guard let location = visit.location else { throw NetError(.storage, visit.url, "its content is not stored") }
    let path = "\(folder)/\(location.file)"
    do throws(ShardError) {
      let source = try FileSource(path, offset: location.offset, length: location.bytes)
      if let record = try WARCReader(GzipSource(source)).wholeRecord(limit: 1 << 30), record.id == visit.recordID,
        let message = record.message
      {
        let body = Array(record.block[message.body...])
        let digest = "sha256:\(Checksummer.checksum(body, .sha256).hex)"
        if digest == record.headers["WARC-Payload-Digest"] { return record }
      }
    } catch {
      guard error.code == .malformed || error.code == .truncated else { throw NetError(error) }
    }
    throw NetError(
      .storage, path, "the record at byte \(location.offset) has changed since it was written",
      hint: "The archive is damaged; move the folder away to crawl again from scratch.")
  }
}

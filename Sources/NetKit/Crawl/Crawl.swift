import ShardKit

/// Visits URLs under their sites' rules and keeps what they answer, over kills and over passes.
///
/// A *pass* is one look at the sources, named by its user (a date, say). Within a pass nothing that was answered is
/// asked twice, however often the process is killed: an answer is first synced to the archive (WARC), then noted in
/// the frontier, and what is in the one and not in the other is taken in when the crawl opens. A later pass asks
/// conditionally, and only what its listing says may have changed.
public final class Crawl {
  public let pass: String
  public let frontier: Frontier
  private let folder: String
  private let client: HTTPClient
  private let robots: RobotsCache
  private let archive: WARCWriter
  /// Questions sent in this process.
  public private(set) var asked = 0
  /// Failures without an answer, one after another.
  private var failuresInARow = 0

  /// After so many failures in a row it is the network, not a page.
  private static let maximumFailuresInARow = 8

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

  /// What a URL holds: from the archive where it need not be asked, else from its site.
  ///
  /// Failures of one URL are states, not errors; errors are a stopped or broken crawl: cancelled, disk, a site whose
  /// robots.txt cannot be had, no network.
  /// - Parameters:
  ///   - kind: groups URLs for `Frontier.visits` and `finishListing`.
  ///   - version: what a listing says of its state. Content that was fetched under the same version is not asked again.
  ///   - again: asks even what was answered in this pass: for a list that has changed while it was read.
  ///   - maximumBytes: larger answers are failures.
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
      return try refused(visit, version, "its site's robots.txt does not allow it")
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

  /// A page of one site may lead to one of another, whose rules count then.
  private func checkRobots(_ url: WebURL) throws(NetError) {
    guard try robots.rules(for: url).allows(url.target) else {
      throw NetError(.robots, url.shown, "its site's robots.txt does not allow it")
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
        return try refused(known, version, "it leads to \(error.subject): \(error.message)")
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
      error.message += "; \(failuresInARow) questions in a row have failed"
      error.hint = "Run again when the network or the site is back: nothing that was fetched is asked again."
      throw error
    }
    return visit
  }

  // MARK: Listings

  /// Says that a listing has been gone through: whatever it held before and did not name in this pass has disappeared.
  /// - Parameter isOfListing: tells the URLs that this listing would name, where a kind has several listings.
  public func finishListing(kind: String, _ isOfListing: (String) -> Bool = { _ in true }) throws(NetError) {
    try frontier.markDisappeared(kind: kind, pass: pass, among: isOfListing)
  }

  // MARK: Content

  /// Notes that an answer holds another thing whole, under a URL of its own: a page of meetings holds each meeting.
  ///
  /// Its `content` is then that answer's.
  /// - Parameter digest: of the thing itself, so that a later answer with the same thing changes nothing.
  public func derive(
    _ url: WebURL, kind: String, version: String?, from source: WebURL, digest: String
  ) throws(NetError) {
    guard let holder = try frontier.visit(source.text), holder.state == .done else {
      throw NetError(.storage, source.shown, "no content of it is kept")
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

  /// The content that is kept of a visit, checked against its record's digest.
  public func content(_ visit: Visit) throws(NetError) -> [UInt8] {
    let record = try record(visit)
    return Array(record.block[(record.message?.body ?? 0)...])
  }

  /// The record with that content: the answer with its head.
  public func record(_ visit: Visit) throws(NetError) -> WARCRecord {
    guard let location = visit.location else { throw NetError(.storage, visit.url, "no content of it is kept") }
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
      .storage, path, "the record at byte \(location.offset) is not the one that was written",
      hint: "The archive is damaged; move the folder away to crawl anew.")
  }
}

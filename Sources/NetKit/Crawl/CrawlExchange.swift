import ShardKit

/// The result of a response for a visit, from the network or from the archive.
struct CrawlAnswer {
  var url: String
  var kind: String
  var version: String?
  var pass: String
  var status: Int
  var validators: Validators
  /// nil for a response without content (304).
  var digest: String?
  var bytes: Int64
  /// The content of a revisit is in another record.
  var isRevisit: Bool
  var recordID: String
  var recordDate: String
  var at: Int
}

/// A request with its response, as archive records: response or revisit, request, metadata.
struct CrawlExchange {
  private let response: HTTPResponse
  private let asked: WebURL
  private let kind: String
  private let version: String?
  private let pass: String
  private let at: Int
  private let digest: String

  init(_ response: HTTPResponse, asked: WebURL, kind: String, version: String?, pass: String, at: Int) {
    self.response = response
    self.asked = asked
    self.kind = kind
    self.version = version
    self.pass = pass
    self.at = at
    digest = Checksummer.checksum(response.body, .sha256).hex
  }

  func records(_ known: Visit) -> [WARCRecord] {
    let first = isRevisit(known) ? revisit(known) : whole()
    var request = record(.request, "application/http;msgtype=request", Array(response.request.utf8))
    request.headers.add("WARC-Concurrent-To", first.id)
    var metadata = record(.metadata, "application/warc-fields", Array(CrawlFields(self).text.utf8))
    metadata.headers.add("WARC-Concurrent-To", first.id)
    return [first, request, metadata]
  }

  private func isRevisit(_ known: Visit) -> Bool {
    guard known.location != nil else { return false }
    return response.status == 304 || response.head.isSuccess && known.digest == digest
  }

  private func whole() -> WARCRecord {
    var record = self.record(.response, "application/http;msgtype=response", head + response.body)
    record.headers.add("WARC-Payload-Digest", "sha256:\(digest)")
    record.headers.add("WARC-Block-Digest", "sha256:\(Checksummer.checksum(record.block, .sha256).hex)")
    return record
  }

  private func revisit(_ known: Visit) -> WARCRecord {
    var record = self.record(.revisit, "application/http;msgtype=response", head)
    let profile = response.status == 304 ? "server-not-modified" : "identical-payload-digest"
    record.headers.add("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/\(profile)")
    record.headers["WARC-Refers-To"] = known.recordID
    record.headers["WARC-Refers-To-Date"] = known.recordDate
    record.headers["WARC-Payload-Digest"] = known.digest.map { "sha256:\($0)" }
    return record
  }

  private func record(_ kind: WARCRecord.Kind, _ contentType: String, _ block: [UInt8]) -> WARCRecord {
    var record = WARCRecord(kind, target: response.url.text, at: at, contentType: contentType, block: block)
    if kind != .metadata, !response.address.isEmpty { record.headers.add("WARC-IP-Address", response.address) }
    if kind == .response, response.head.version == "2" { record.headers.add("WARC-Protocol", "h2") }
    return record
  }

  /// The response's head as HTTP/1.1. The body is stored decoded, so fields about its transfer are renamed as Common
  /// Crawl does.
  private var head: [UInt8] {
    var out = "HTTP/1.1 \(response.status) \(response.head.reason)\r\n"
    var isDecoded = false
    for field in response.headers.fields {
      switch field.name.lowercased() {
      case "transfer-encoding", "content-encoding":
        out += "X-Crawler-\(field.name): \(field.value)\r\n"
        isDecoded = true
      case "content-length": continue
      default: out += "\(field.name): \(field.value)\r\n"
      }
    }
    if response.status != 304 || isDecoded { out += "Content-Length: \(response.body.count)\r\n" }
    return Array((out + "\r\n").utf8)
  }

  func answer(_ record: WARCRecord) -> CrawlAnswer {
    CrawlAnswer(
      url: asked.text, kind: kind, version: version, pass: pass, status: response.status,
      validators: response.validators, digest: response.status == 304 ? nil : digest, bytes: response.bytes,
      isRevisit: record.kind == .revisit, recordID: record.id, recordDate: record.headers["WARC-Date"] ?? "", at: at)
  }

  /// The fields of the metadata record, from which a lost row is restored.
  struct CrawlFields {
    var url: String
    var kind: String
    var version: String?
    var pass: String
    var at: Int

    init(_ exchange: CrawlExchange) {
      url = exchange.asked.text
      kind = exchange.kind
      version = exchange.version
      pass = exchange.pass
      at = exchange.at
    }

    init?(_ text: String) {
      let block = "HTTP/1.1 0\r\n\(text)\r\n"
      guard let fields = HTTPResponse.Head.parse(Array(block.utf8))?.head.headers, let url = fields["pipeline-url"],
        let kind = fields["pipeline-kind"], let pass = fields["pipeline-pass"],
        let at = fields["pipeline-asked-at"].flatMap({ Int($0) })
      else { return nil }
      self.url = url
      self.kind = kind
      version = fields["pipeline-version"]
      self.pass = pass
      self.at = at
    }

    var text: String {
      let version = version.map { "pipeline-version: \($0)\r\n" } ?? ""
      return "pipeline-url: \(url)\r\npipeline-kind: \(kind)\r\n\(version)pipeline-pass: \(pass)\r\n"
        + "pipeline-asked-at: \(at)\r\n"
    }
  }
}

extension Visit {
  /// Adds a response whose record is at `location`.
  mutating func take(_ answer: CrawlAnswer, at location: WARCLocation) {
    kind = answer.kind
    status = answer.status
    version = answer.version
    askedAt = answer.at
    checkedIn = answer.pass
    seenIn = answer.pass
    attempts = 0
    nextTry = nil
    failure = nil
    switch answer.status {
    case 200..<300, 304: state = .done
    case 404, 410: state = .gone
    default:
      state = .failed
      failure = "the server responded with \(answer.status)"
    }
    guard state == .done else { return }
    // A 304 need not repeat the validators of the request.
    if !answer.validators.isEmpty || answer.status != 304 { validators = answer.validators }
    guard !answer.isRevisit, let new = answer.digest else { return }
    if new != digest {
      previousDigest = digest
      changedIn = answer.pass
    }
    digest = new
    bytes = answer.bytes
    self.location = location
    recordID = answer.recordID
    recordDate = answer.recordDate
  }
}

/// Restores rows from records that the frontier lacks because the process was killed between the two writes.
struct CrawlAdoption {
  private let frontier: Frontier
  private var pending: (record: WARCRecord, location: WARCLocation)?

  init(_ frontier: Frontier) { self.frontier = frontier }

  mutating func take(_ record: WARCRecord, _ location: WARCLocation) throws(NetError) {
    switch record.kind {
    case .response, .revisit: pending = (record, location)
    case .metadata:
      guard let (first, place) = pending, record.headers["WARC-Concurrent-To"] == first.id,
        let fields = CrawlExchange.CrawlFields(String(decoding: record.block, as: UTF8.self)),
        let message = first.message
      else { return }
      pending = nil
      let digest = first.headers["WARC-Payload-Digest"].map { String($0.dropFirst("sha256:".count)) }
      var visit = try frontier.visit(fields.url) ?? Visit(url: fields.url, kind: fields.kind)
      visit.take(
        CrawlAnswer(
          url: fields.url, kind: fields.kind, version: fields.version, pass: fields.pass, status: message.head.status,
          validators: Validators(message.head.headers), digest: message.head.status == 304 ? nil : digest,
          bytes: Int64(first.block.count - message.body), isRevisit: first.kind == .revisit, recordID: first.id,
          recordDate: first.headers["WARC-Date"] ?? "", at: fields.at), at: place)
      try frontier.record(visit, end: location)
    default: return
    }
  }
}

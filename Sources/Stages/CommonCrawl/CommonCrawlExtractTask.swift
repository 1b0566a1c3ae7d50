import MarkupKit
import NetKit
import PipelineKit
import ShardKit

/// Reads web archives, and writes a document for each record with a wanted text.
///
/// Records with web content (`response`, `conversion`, `resource`, `revisit`) are the ledger's input, as are places
/// where no record can be read; requests, metadata and the archive's own description are counted separately.
final class CommonCrawlExtractTask {
  var hosts: HostFilter?
  var language: PageLanguage?
  /// Otherwise the record's id is used.
  var takesURLAsID = false

  private let extraction: PageExtraction
  private let source: [UInt8]
  private let workspace: Workspace
  private let output: DocumentOutput
  private var document = Document()
  private var file = ""
  private var digest = ""
  private var number = 0
  private var records = 0

  /// The current record.
  private struct Place {
    var id: [UInt8]
    var url: String
    var bytes: Int
    var language = ""
    var share: Double?
    /// Why the record is incomplete; empty if it is complete.
    var cut = ""
  }

  init(_ extraction: PageExtraction, source: String, _ workspace: Workspace, _ output: DocumentOutput) {
    self.extraction = extraction
    self.source = Array(source.utf8)
    self.workspace = workspace
    self.output = output
  }

  func read(_ archive: ArtifactFile) throws {
    file = archive.name
    digest = archive.digest.short
    number = 0
    records = 0
    let reader = try WARCReader(path: archive.path)
    while let item = try reader.next(limit: extraction.maximumPageBytes) {
      number += 1
      if case .malformed = item {} else { records += 1 }
      if number % 64 == 0 { try workspace.control.check() }
      switch item {
      case .record(let record): try take(record)
      case .cut(let record): try take(record, cut: "archive")
      case .tooLarge(let record): try refuse(record, "too-large", threshold: Double(extraction.maximumPageBytes))
      case .damaged(let record, let why): try refuse(record, "malformed", detail: why)
      case .malformed(let why): try dropPlace(why)
      }
    }
    tell(reader, archive)
  }

  /// Reports problems of the archive as a whole.
  private func tell(_ reader: WARCReader, _ archive: ArtifactFile) {
    workspace.warn(
      "wrong-length", times: reader.wrongLengths, "\(file): the length of a record is not the stated one")
    if records == 0 { workspace.warn("no-archive", "\(file) contains no WARC, WET or ARC record") }
    for error in reader.damage {
      workspace.warn(error.code == .truncated ? "truncated-archive" : "damaged-archive", "\(error)")
    }
    workspace.warn(
      "damaged-archive", times: reader.damageCount - reader.damage.count, "\(archive.path) is damaged in many places")
  }

  private func dropPlace(_ why: String) throws {
    workspace.countInput(bytes: 0)
    try workspace.drop(id: fallbackID, bytes: 0, DropReason("malformed", detail: why))
  }

  /// Archives of the same name in several folders get different ids.
  private var fallbackID: [UInt8] { Array("\(file)@\(digest):\(number)".utf8) }

  private func id(_ record: WARCRecord) -> [UInt8] {
    let url = record.headers["pipeline-url"] ?? record.target ?? ""
    if takesURLAsID, !url.isEmpty { return Array(url.utf8) }
    let id = record.id.utf8.filter { $0 != UInt8(ascii: "<") && $0 != UInt8(ascii: ">") }
    if !id.isEmpty { return Array(id) }
    return url.isEmpty ? fallbackID : Array("\(url) \(record.headers["WARC-Date"] ?? "")".utf8)
  }

  // MARK: Records

  private func refuse(
    _ record: WARCRecord, _ reason: String, threshold: Double? = nil, detail: String? = nil
  ) throws {
    guard try isOfTheWeb(record) else { return }
    workspace.countInput(bytes: 0)
    try workspace.drop(id: id(record), bytes: 0, DropReason(reason, threshold: threshold, detail: detail))
  }

  private func isOfTheWeb(_ record: WARCRecord) throws -> Bool {
    workspace.metric("records", 1)
    switch record.kind {
    case .response, .conversion, .resource, .revisit, .continuation: return true
    case .warcinfo, .request, .metadata: return false
    case nil:
      if let type = record.headers["WARC-Type"] {
        workspace.warn("unknown-type", "\(file): a record has the type '\(type)', which no WARC standard defines")
      } else {
        try dropPlace("the record has no WARC-Type")
      }
      return false
    }
  }

  private func take(_ record: WARCRecord, cut: String = "") throws {
    guard try isOfTheWeb(record) else { return }
    var place = Place(id: id(record), url: record.target ?? "", bytes: record.block.count)
    place.cut = record.headers["WARC-Truncated"] ?? cut
    workspace.countInput(bytes: place.bytes)
    if let refusal = try refusal(record, &place) { return try drop(place, refusal) }
    switch text(record, &place) {
    case .dropped(let refusal): try drop(place, refusal)
    case .text(let text):
      if let refusal = wrongLanguage(text, &place) { return try drop(place, refusal) }
      try write(text, record, place)
    }
  }

  private func drop(_ place: Place, _ refusal: DropReason) throws {
    try workspace.drop(id: place.id, bytes: place.bytes, refusal)
  }

  /// Checks that need only the record's header.
  private func refusal(_ record: WARCRecord, _ place: inout Place) throws -> DropReason? {
    if record.kind == .revisit { return DropReason("revisit") }
    // A segmented record; most segments are in other files.
    if record.kind == .continuation || record.headers["WARC-Segment-Number"] != nil {
      let part = record.headers["WARC-Segment-Number"] ?? "?"
      return DropReason("segmented", detail: "part \(part) of \(record.headers["WARC-Segment-Origin-ID"] ?? record.id)")
    }
    // Writers store their own logs as resources, under addresses such as metadata://.
    let scheme = place.url.prefix { $0 != ":" }.prefix(40).lowercased()
    guard scheme == "http" || scheme == "https" else { return DropReason("not-web", detail: scheme) }
    if let hosts {
      let host = HostFilter.host(place.url)
      if !hosts.takes(host) { return DropReason("domain", detail: host) }
    }
    guard let said = record.headers["WARC-Identified-Content-Language"] else {
      return language?.judge == .header ? DropReason("wrong-language", detail: "unknown") : nil
    }
    guard let language, language.judge != .text else {
      place.language = said
      return nil
    }
    let (code, isWanted) = language.header(said)
    place.language = code
    return isWanted ? nil : DropReason("wrong-language", detail: said)
  }

  private func wrongLanguage(_ text: PageExtraction.Text, _ place: inout Place) -> DropReason? {
    guard let language else {
      if place.language.isEmpty { place.language = text.language }
      return nil
    }
    if language.judge == .header || language.judge == .either && !place.language.isEmpty { return nil }
    let (code, share) = language.text(text.text)
    place.language = code
    place.share = share
    guard share < language.minimumFraction else { return nil }
    return DropReason("wrong-language", value: share, threshold: language.minimumFraction, detail: code)
  }

  private func text(_ record: WARCRecord, _ place: inout Place) -> PageExtraction.Outcome {
    if record.kind == .conversion {
      let type = MediaType(record.headers["Content-Type"] ?? "text/plain")
      guard type.name == "text/plain" else { return .dropped(DropReason("not-html", detail: type.name)) }
      return extraction.text(of: record.block, type: MediaType("text/plain; charset=utf-8"), directives: [])
    }
    let identified = record.headers["WARC-Identified-Payload-Type"]
    guard record.kind == .response else {
      let type = MediaType.of(record.block, said: record.headers["Content-Type"], identified: identified)
      guard type.isText else { return .dropped(DropReason("not-html", detail: type.name)) }
      return extraction.text(of: record.block, type: type, directives: [])
    }
    guard let (head, start) = record.message else {
      return .dropped(DropReason("malformed", detail: "it contains no HTTP response"))
    }
    // 203 is 200 with content modified by a proxy.
    guard head.status == 200 || head.status == 203 else {
      return .dropped(DropReason("http-status", value: Double(head.status)))
    }
    switch MessageBody(record.block[start...], head.headers, limit: extraction.maximumPageBytes) {
    case .tooLarge: return .dropped(DropReason("too-large", threshold: Double(extraction.maximumPageBytes)))
    case .encoded(let name): return .dropped(DropReason("content-encoding", detail: name))
    case .bytes(let body, let isCut):
      if isCut, place.cut.isEmpty { place.cut = "body" }
      let type = MediaType.of(body, said: head.headers["Content-Type"], identified: identified)
      guard type.isText else { return .dropped(DropReason("not-html", detail: type.name)) }
      return extraction.text(of: body, type: type, directives: RobotsDirectives.words(head.headers))
    }
  }

  // MARK: Documents

  private func write(_ text: PageExtraction.Text, _ record: WARCRecord, _ place: Place) throws {
    document.id = place.id
    document.text = text.text
    document.source = source
    document.created = Array((record.headers["WARC-Date"] ?? "").utf8)
    document.metadata = metadata(text, record, place)
    try output.write(document)
    workspace.metric("shown-characters", Double(text.shownCharacters))
    workspace.metric("kept-characters", Double(text.keptCharacters))
    if text.isEncodingGuessed {
      workspace.warn("encoding-guessed", "\(file): \(place.url) was read as \(text.encoding)")
    }
    if !place.cut.isEmpty {
      workspace.warn("truncated-record", "\(file): \(place.url) is not complete (\(place.cut))")
    }
  }

  private func metadata(_ text: PageExtraction.Text, _ record: WARCRecord, _ place: Place) -> [UInt8] {
    var out: [UInt8] = []
    func add(_ key: StaticString, _ value: [UInt8]) {
      guard !value.isEmpty else { return }
      out.append(out.isEmpty ? UInt8(ascii: "{") : UInt8(ascii: ","))
      out.append(contentsOf: "\"\(key)\":".utf8)
      JSONText.append(string: value, to: &out)
    }
    add("url", Array(place.url.utf8))
    add("title", text.title)
    add("language", Array(place.language.utf8))
    add("digest", Array((record.headers["WARC-Payload-Digest"] ?? record.headers["WARC-Block-Digest"] ?? "").utf8))
    add("file", Array(file.utf8))
    if text.encoding != "utf-8" { add("encoding", Array(text.encoding.utf8)) }
    add("truncated", Array(place.cut.utf8))
    if !out.isEmpty { out.append(UInt8(ascii: "}")) }
    return out
  }
}

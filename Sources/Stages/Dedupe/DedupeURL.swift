import NetKit
public import PipelineKit
import ShardKit
import TextKit

/// Removes documents from a web address that another document has too, such as another crawl of the same page.
///
/// Three phases, as in `dedupe.exact`: *addresses*, *clusters* (sorted on disk beyond the option `memory`), *filter*.
/// Addresses are compared in a normal form; a document without one is kept.
public struct DedupeURL: Stage {
  /// Which of several documents stays, within sources of equal preference.
  public enum Preference: String, OptionChoice { case newest, longest, first }
  public enum Query: String, OptionChoice { case keep, tracking, remove }

  public struct Options: StageOptions {
    @Option("The metadata fields with the address, by dots; the first that a document has counts.")
    public var urlFields = ["url"]
    @Option(
      "Which document of an address is kept: newest, by its time 'created' (without one: the oldest); longest; first, in "
        + "the order of the input. Ties: the longer text, then the lower id.")
    public var keep = Preference.newest
    @Option("Sources in order of preference: documents of earlier ones are kept. Unnamed sources come last.")
    public var sources: [String] = []
    @Option("Whether http and https are the same.") public var ignoreScheme = true
    @Option("Whether a host with and without 'www.' is the same.") public var ignoreWWW = true
    @Option(
      "The part after '?': keep: compared, in any order of its parameters; tracking: without those that only say where a "
        + "visitor comes from (utm_source, fbclid, gclid, session ids); remove: not compared.")
    public var query = Query.tracking
    @Option(
      "Memory of each task, at least 64MiB; more data is sorted on disk.", in: .mebibytes(1)...(.gibibytes(1024)),
      affectsOutput: false)
    public var memory = ByteCount.gibibytes(1)

    public init() {}
  }

  public static let name = "dedupe.url"
  public static let revision = 2
  public static let summary = "Removes documents with the web address of another document."
  static let documents = Input<Documents>("documents", "The documents to deduplicate.")
  static let kept = Output<Documents>("documents", "The kept documents.")
  static let index = Output<Signatures>("index", "Ids, lengths and sources.", hidden: true)
  static let addresses = Output<Signatures>("addresses", "Hashes of addresses, with times.", hidden: true)
  static let duplicates = Output<Clusters>("duplicates", "The removed documents, by input file.", hidden: true)
  public static let inputs = [documents.port]
  public static let outputs = [kept.port, index.port, addresses.port, duplicates.port]
  public enum Phase: String, StagePhase { case addresses, clusters, filter }

  public static func options(of phase: Phase) -> Set<String>? {
    switch phase {
    case .addresses: ["urlFields", "sources", "ignoreScheme", "ignoreWWW", "query"]
    case .clusters: ["keep"]
    case .filter: []
    }
  }

  private let options: Options

  public init(options: Options) { self.options = options }

  public func validate() throws {
    guard options.urlFields.isEmpty else { return }
    throw StageError(.options, "urlFields", "names no field", hint: "Leave it out for \"url\".")
  }

  public func tasks(of phase: Phase, in context: PlanningContext) -> [TaskPlan] {
    let inputs = context.files(Self.documents)
    let index = context.files(Self.index)
    switch phase {
    case .addresses: return TaskPlan.perFile(inputs)
    case .clusters:
      let documents = index.reduce(0) { $0 + $1.documents }
      return [
        TaskPlan(
          key: "all", inputs: ["index": index, "addresses": context.files(Self.addresses)],
          memoryBytes: IdenticalKeys<AddressedDocument>.memoryBytes(documents: documents, memory: options.memory))
      ]
    case .filter: return DuplicateFilter.tasks(inputs, index: index, context.files(Self.duplicates))
    }
  }

  public func run(_ phase: Phase, _ workspace: Workspace) throws {
    switch phase {
    case .addresses: try readAddresses(workspace)
    case .clusters: try chooseRepresentatives(workspace)
    case .filter: try DuplicateFilter(reason: "same-url", threshold: 1).run(workspace, to: Self.kept)
    }
  }

  private func readAddresses(_ workspace: Workspace) throws {
    let key = workspace.task.key
    let indexFile = try workspace.file(Self.index, key + ".index")
    let file = try workspace.file(Self.addresses, key + ".addresses")
    var index = IndexWriter(indexFile)
    let priorities = SourcePriorities(options.sources)
    let form = AddressForm(
      ignoresScheme: options.ignoreScheme, ignoresWWW: options.ignoreWWW, query: options.query)
    let reader = MetadataReader(options.urlFields)
    let stream = workspace.documents(counted: false)
    var document = Document()
    while try stream.next(&document) {
      try index.append(document, priority: priorities[document.source])
      let address = address(of: document, reader)
      let normal = address.flatMap(form.normal)
      if address == nil { workspace.warn("no-url", "'\(document.idString)' has no address and is kept") }
      if let address, normal == nil {
        workspace.warn("unreadable-url", "'\(document.idString)' is kept: '\(address.prefix(200))' is no web address")
      }
      let identity = normal.map { text in
        Array(text.utf8).withUnsafeBufferPointer { TextIdentity(raw: $0) }
      }
      try file.write(record: Address(identity: identity, created: CreationTime.seconds(document.created)))
    }
    try index.finish()
    try workspace.publish(Self.index, indexFile, name: key + ".index", documents: index.count)
    try workspace.publish(Self.addresses, file, name: key + ".addresses", documents: index.count)
  }

  /// The first of the fields that holds a text.
  private func address(of document: borrowing Document, _ reader: MetadataReader) -> String? {
    var found: (path: Int, text: String)?
    reader.read(document.metadata) { path, value, kind in
      guard kind == .string, value.count > 0, path < found?.path ?? .max else { return }
      found = (path, String(decoding: value, as: UTF8.self))
    }
    return found?.text
  }

  private func chooseRepresentatives(_ workspace: Workspace) throws {
    let copies = try IdenticalKeys<AddressedDocument>(workspace, index: Self.index, memory: options.memory)
    try copies.removeCopies(workspace, to: Self.duplicates) { sorter in
      var number: UInt32 = 0
      for file in workspace.files(Self.addresses) {
        try forEachRecord(of: file.path, as: Address.self) { address in
          if address.isKnown {
            let rank: Int64 =
              switch options.keep {
              case .newest: -address.created
              case .longest: 0
              case .first: Int64(number)
              }
            try sorter.append(AddressedDocument(key: address.identity, rank: rank, document: number))
          }
          number += 1
        }
      }
    } isBetter: { a, b in
      let (x, y) = (copies.table.entry(a.document).priority, copies.table.entry(b.document).priority)
      if x != y { return x < y }
      return a.rank != b.rank ? a.rank < b.rank : copies.table.isBetter(a.document, b.document)
    }
  }
}

/// What a document's address file says of it.
private struct Address: BitwiseCopyable {
  var identity: TextIdentity
  /// Seconds since 1970; the least number without a time.
  var created: Int64
  private var known: UInt64

  var isKnown: Bool { known == 1 }

  init(identity: TextIdentity?, created: Int64?) {
    self.identity = identity ?? [].withUnsafeBufferPointer { TextIdentity(raw: $0) }
    // So that it can be negated.
    self.created = created ?? -.max
    known = identity == nil ? 0 : 1
  }
}

private struct AddressedDocument: KeyedDocument {
  var key: TextIdentity
  /// Lower is better.
  var rank: Int64
  var document: UInt32

  var prefix: UInt64 { key.high }
  static func < (a: AddressedDocument, b: AddressedDocument) -> Bool {
    a.key != b.key ? a.key < b.key : a.document < b.document
  }
}

/// The form in which web addresses are compared.
struct AddressForm {
  var ignoresScheme = true
  var ignoresWWW = true
  var query = DedupeURL.Query.tracking

  /// Parameters that do not choose what a page shows.
  private static let tracking: Set<String> = [
    "fbclid", "gclid", "gclsrc", "dclid", "yclid", "msclkid", "twclid", "igshid", "mc_cid", "mc_eid", "_ga", "_gl",
    "phpsessid", "jsessionid", "ref_src",
  ]

  /// Nil for what is no address of the web.
  func normal(_ text: String) -> String? {
    guard let url = try? WebURL(text) else { return nil }
    let scheme = ignoresScheme ? "" : "\(url.scheme)://"
    let host = ignoresWWW && url.host.hasPrefix("www.") ? String(url.host.dropFirst(4)) : url.host
    let isUsual = url.port == 80 || url.port == 443
    let parts = url.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var path = parts[0]
    while path.hasSuffix("/") { path = path.dropLast() }
    let parameters = parts.count > 1 ? compared(parts[1]) : []
    return "\(scheme)\(host)\(isUsual ? "" : ":\(url.port)")\(path)"
      + (parameters.isEmpty ? "" : "?" + parameters.joined(separator: "&"))
  }

  private func compared(_ text: Substring) -> [Substring] {
    guard query != .remove else { return [] }
    let all = text.split(separator: "&")
    let kept = query == .keep ? all : all.filter { !Self.isTracking($0) }
    return kept.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func isTracking(_ parameter: Substring) -> Bool {
    let name = parameter.prefix { $0 != "=" }.lowercased()
    return name.hasPrefix("utm_") || tracking.contains(name)
  }
}

/// Reads times such as 2024-05-01, 2024-05-01T12:30:00Z and 2024-05-01 12:30:00+09:00.
enum CreationTime {
  /// Seconds since 1970, nil if the text is no such time.
  static func seconds(_ text: [UInt8]) -> Int64? {
    var numbers: [Int] = [], digits = 0, i = 0
    while i < text.count {
      guard text[i] >= 48, text[i] <= 57 else {
        if digits == 0 { return nil }
        digits = 0
        // A zone or a fraction ends the time; '-' parts a date.
        if text[i] == 0x5A || text[i] == 0x2E || text[i] == 0x2B || (text[i] == 0x2D && numbers.count > 2) { break }
        i += 1
        continue
      }
      if digits == 0 { numbers.append(0) }
      digits += 1
      guard digits <= 4 else { return nil }
      numbers[numbers.count - 1] = numbers[numbers.count - 1] * 10 + Int(text[i] - 48)
      i += 1
      if numbers.count == 6, digits == 2 { break }
    }
    guard numbers.count >= 3 else { return nil }
    var time = CivilTime(year: numbers[0], month: numbers[1], day: numbers[2])
    if numbers.count > 3 { time.hour = numbers[3] }
    if numbers.count > 4 { time.minute = numbers[4] }
    if numbers.count > 5 { time.second = numbers[5] }
    return Int64(time.secondsSince1970) - offset(text[i...])
  }

  /// Seconds that a zone such as +09:00 or -0530 is ahead.
  private static func offset(_ text: ArraySlice<UInt8>) -> Int64 {
    guard let sign = text.firstIndex(where: { $0 == 0x2B || $0 == 0x2D }) else { return 0 }
    let digits = text[(sign + 1)...].filter { $0 >= 48 && $0 <= 57 }.map { Int64($0 - 48) }
    guard digits.count >= 2 else { return 0 }
    let hours = digits[0] * 10 + digits[1]
    let minutes = digits.count >= 4 ? digits[2] * 10 + digits[3] : 0
    return (text[sign] == 0x2D ? -1 : 1) * (hours * 3600 + minutes * 60)
  }
}

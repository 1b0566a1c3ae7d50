import NetKit
public import PipelineKit
import ShardKit

/// The options of a stage that crawls.
///
/// A stage's result may depend on nothing but its options and inputs, yet what a crawl finds depends on when it looks
/// and on what it has seen before. Two things make the one fit the other. `snapshot` names the look: it is an option like
/// any other, so a finished crawl stays fresh until its user writes another `snapshot`, and never because a day has passed.
/// And what was seen (the frontier and the archive of answers) is kept in the store's state folder of the stage, shared
/// by all its fingerprints: a killed or failed attempt goes on in it, a later look asks only what may have changed, and
/// another option of reading needs no network. Within one `snapshot` every URL has one answer, which the archive keeps, so
/// running the stage again gives the same bytes.
public struct CrawlOptions: StageOptions {
  @Option(
    "Names this look at the source, by a date or any other word; with another one the source is looked at again.",
    required: true, formerly: "asOf")
  var snapshot = ""
  @Option(
    "A folder, as an absolute path, for what was asked and answered; by default it is kept in the store.",
    affectsOutput: false)
  var state = ""
  @Option("The crawl fails when a larger part of what it needs cannot be had.", in: 0...1)
  var maximumFailedFraction = 0.01

  public init() {}

  init(maximumFailedFraction: Double) { self.maximumFailedFraction = maximumFailedFraction }
}

extension CrawlOptions {
  func validate() throws {
    guard !snapshot.isEmpty, snapshot.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else {
      throw StageError(
        .options, "snapshot", "it should be a word without spaces that names this look",
        hint: "Write a date: 2026-01-31.")
    }
    guard state.isEmpty || state.hasPrefix("/") else {
      throw StageError(.options, "state", "'\(state)' is not an absolute path")
    }
  }

  func begin(_ client: HTTPClient, _ workspace: Workspace) throws -> Crawl {
    let folder = state.isEmpty ? try workspace.stateDirectory(.kept) : state
    return try Crawl(folder: folder, pass: snapshot, client: client)
  }
}

/// What one look found, counted and listed; becomes the stage's report of changes.
struct CrawlChanges {
  private var lines: [(url: String, line: [UInt8])] = []
  private var counts: [Visit.Change: Int] = [:]
  private var failures: [Visit] = []

  mutating func add(_ visits: [Visit], pass: String, name: (Visit) -> String) {
    for visit in visits {
      let change = visit.change(in: pass)
      counts[change, default: 0] += 1
      if change == .failed || change == .pending { failures.append(visit) }
      guard change != .unchanged else { continue }
      var members = [
        JSONMember("id", .string(name(visit))), JSONMember("change", .string(change.rawValue)),
        JSONMember("url", .string(visit.url)),
      ]
      if let digest = visit.digest { members.append(JSONMember("digest", .string(digest))) }
      if change == .updated, let old = visit.previousDigest { members.append(JSONMember("replaces", .string(old))) }
      if let failure = visit.failure { members.append(JSONMember("failure", .string(failure))) }
      lines.append((visit.url, Array(JSONValue.object(members).text().utf8) + [10]))
    }
  }

  /// Writes `changes.jsonl`, sorted by URL, and a figure for each kind of change.
  func report(to output: Output<Report>, _ workspace: Workspace) throws {
    let sorted = lines.sorted { $0.url.utf8.lexicographicallyPrecedes($1.url.utf8) }
    try workspace.write(output, name: "changes.jsonl", sorted.flatMap(\.line))
    for (change, count) in counts { workspace.metric(change.rawValue, Double(count)) }
  }

  /// Throws when too much of what was wanted could not be had.
  func checkFailures(_ maximumFraction: Double, of wanted: Int) throws {
    for visit in failures.prefix(1) where Double(failures.count) > maximumFraction * Double(max(1, wanted)) {
      throw StageError(
        .environment, visit.shown,
        "\(failures.count) of \(wanted) could not be had, the first of them because \(visit.failure ?? "it was not asked")",
        hint: "Run again to ask for these alone, or raise \"maximumFailedFraction\".")
    }
  }
}

import NetKit
public import PipelineKit
import ShardKit

/// The options of a stage that crawls.
///
/// A stage's result may only depend on its options and inputs, but what a crawl finds depends on the time and on
/// earlier crawls. Two mechanisms resolve this conflict:
/// - `snapshot` names the crawl. It is an ordinary option, so a finished crawl stays up to date until the user sets
///   another `snapshot`; it never expires.
/// - The frontier and the archive of responses are kept in the stage's state folder in the store, which all
///   fingerprints of the stage share. A killed or failed attempt resumes there, a later crawl only requests pages that
///   may have changed, and other options for reading need no network.
///
/// Within one `snapshot`, every URL has one response, which the archive keeps, so that running the stage again yields
/// the same bytes.
public struct CrawlOptions: StageOptions {
  @Option(
    "Names this crawl of the source, for example by a date. Any new value crawls the source again.",
    required: true, formerly: "asOf")
  var snapshot = ""
  @Option(
    "Folder for the crawl's requests and responses, as an absolute path. Empty: in the store.",
    affectsOutput: false)
  var state = ""
  @Option("The crawl fails if a larger fraction of the pages that it needs cannot be fetched.", in: 0...1)
  var maximumFailedFraction = 0.01

  public init() {}

  init(maximumFailedFraction: Double) { self.maximumFailedFraction = maximumFailedFraction }
}

extension CrawlOptions {
  func validate() throws {
    guard !snapshot.isEmpty, snapshot.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else {
      throw StageError(
        .options, "snapshot", "must be a word without spaces that names this crawl",
        hint: "Use a date: 2026-01-31.")
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

/// The results of one crawl, counted and listed, for the stage's report of changes.
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

  /// Writes `changes.jsonl`, sorted by URL, a metric per kind of change, and a warning of what is not there.
  func report(to output: Output<Report>, _ workspace: Workspace) throws {
    let sorted = lines.sorted { $0.url.utf8.lexicographicallyPrecedes($1.url.utf8) }
    try workspace.write(output, name: "changes.jsonl", sorted.flatMap(\.line))
    for (change, count) in counts { workspace.metric(change.rawValue, Double(count)) }
    let first = failures.first
    workspace.warn(
      NetworkOptions.notFetched, times: failures.count,
      "\(first?.shown ?? "") could not be fetched: \(first?.failure ?? "not requested yet")")
  }

  /// Throws if too many of the wanted pages could not be fetched.
  func checkFailures(_ maximumFraction: Double, of wanted: Int) throws {
    for visit in failures.prefix(1) where Double(failures.count) > maximumFraction * Double(max(1, wanted)) {
      throw StageError(
        .environment, visit.shown,
        "\(failures.count) of \(wanted) could not be fetched; the first one: \(visit.failure ?? "not requested yet")",
        hint: "Run again to request only these, or raise \"maximumFailedFraction\".")
    }
  }
}

import PipelineKit
import ShardKit

/// What the phase *count* of `mix.rebalance` wrote: the amount of each domain, and where its rows are.
struct CountedDomains {
  private(set) var domains: [String: MixSelection.Domain] = [:]
  private var places: [String: [(path: String, rows: Range<Int>?)]] = [:]

  /// - Parameter files: of the output `counted`.
  /// - Throws: `StageError` (`.input`) for a file of another form; what reading throws.
  init(_ files: [ArtifactFile]) throws {
    for file in files where file.name.hasSuffix(".json") {
      let path = String(file.path.dropLast(".json".count)) + ".rows"
      for entry in try JSONValue.parse(FileSystem.read(file.path)).value.array ?? [] {
        guard let name = entry["name"]?.string, let start = entry["start"]?.integer, let rows = entry["rows"]?.integer,
          let amount = entry["amount"]?.integer
        else { throw StageError(.input, file.name, "is not a count of domains", hint: "Run with --force.") }
        domains[name, default: .init(name: name)].documents += rows
        domains[name, default: .init(name: name)].present += UInt64(amount)
        places[name, default: []].append((path, start..<start + rows))
      }
    }
  }

  /// A domain's rows, file by file.
  func rows(_ domain: String, check: @escaping () throws -> Void = {}) -> RankedRowFiles {
    RankedRowFiles(places: places[domain] ?? [], check: check)
  }

  /// Calls `body` with each row of a domain, and the path of its file.
  func forEachRow(_ domain: String, _ body: (RankedRow, _ path: String) -> Void) throws {
    for place in places[domain] ?? [] {
      try RankedRowFiles(places: [place], check: {}).forEach { body($0, place.path) }
    }
  }
}

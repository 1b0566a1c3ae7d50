import ShardKit
import TestKit
import Testing

/// The events as OpenLineage 2-0-2 asks for them.
@Suite struct OpenLineageTests {
  private func events(_ bench: Workbench) throws -> [JSONValue] {
    let outcome = try bench.run("lineage", "corpus.json", "--openlineage")
    #expect(outcome.status == 0 && outcome.err.isEmpty)
    return try outcome.out.split(separator: "\n").map { try JSONValue.parse(Array($0.utf8)).value }
  }

  private func job(_ event: JSONValue) -> String { event["job"]?["name"]?.string ?? "" }
  private func identifier(_ event: JSONValue) -> String { event["run"]?["runId"]?.string ?? "" }

  @Test func everyRunStartsOnceAndEndsOnce() throws {
    let bench = try Workbench()
    #expect(try events(bench).isEmpty)
    try bench.run("run", "corpus.json")
    let events = try events(bench)
    let uuid = try Regex("^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
    let moment = try Regex(#"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"#)
    for event in events {
      #expect(identifier(event).wholeMatch(of: uuid) != nil)
      #expect(event["eventTime"]?.string?.wholeMatch(of: moment) != nil)
      #expect(event["producer"]?.string?.isEmpty == false && event["job"]?["namespace"]?.string == "pipeline")
      #expect(event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")
      for facet in facets(event) {
        #expect(facet["_producer"]?.string != nil && facet["_schemaURL"]?.string != nil, "\(facet.text())")
      }
    }
    let times = events.map { $0["eventTime"]!.string! }
    #expect(times == times.sorted())
    let types = Dictionary(grouping: events, by: identifier).mapValues { $0.map { $0["eventType"]!.string! } }
    #expect(types.count == 4 && types.values.allSatisfy { $0 == ["START", "COMPLETE"] })
    #expect(Set(events.map(job)) == ["corpus", "corpus.read", "corpus.clean", "corpus.shards"])
    #expect(try self.events(bench) == events)
  }

  /// Everything under a key `facets`, `inputFacets` or `outputFacets`, wherever it stands.
  private func facets(_ value: JSONValue) -> [JSONValue] {
    if let list = value.array { return list.flatMap(facets) }
    return (value.members ?? []).flatMap { member in
      let isGroup = member.key.lowercased().hasSuffix("facets")
      return (isGroup ? (member.value.members ?? []).map(\.value) : []) + facets(member.value)
    }
  }

  @Test func stagesNameTheirDataAndTheirDrops() throws {
    let bench = try Workbench()
    try bench.run("run", "corpus.json")
    let events = try events(bench)
    let whole = try #require(events.first { job($0) == "corpus" })
    let clean = try #require(events.last { job($0) == "corpus.clean" })
    #expect(clean["run"]?["facets"]?["parent"]?["run"]?["runId"]?.string == identifier(whole))
    #expect(
      clean["run"]?["facets"]?["pipeline_ledger"]?["dropped"]?["too-short"]?["documents"]?.integer == 1)
    let output = try #require(clean["outputs"]?.array?.first)
    #expect(output["name"]?.string == "corpus.clean.documents")
    #expect(output["outputFacets"]?["outputStatistics"]?["rowCount"]?.integer == 3)
    // What one stage writes is what the next one reads: the same name, the same version.
    let shards = try #require(events.last { job($0) == "corpus.shards" })
    let input = try #require(shards["inputs"]?.array?.first)
    #expect(input["name"] == output["name"])
    #expect(input["facets"]?["version"]?["datasetVersion"] == output["facets"]?["version"]?["datasetVersion"])
    let read = try #require(events.last { job($0) == "corpus.read" })
    #expect(read["inputs"]?.array?.map { $0["name"]!.string! } == ["files/0.jsonl", "files/1.jsonl"])
  }

  @Test func oneStageAloneIsRefused() throws {
    let outcome = try Workbench().run("lineage", "corpus.json", "clean", "--openlineage")
    #expect(outcome.status == 2 && outcome.err.contains("--openlineage prints the events of all stages."))
  }
}

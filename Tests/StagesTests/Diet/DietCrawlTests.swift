import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import MarkupKit
@testable import Stages

@Suite(.needs(LocalServer.isUsable, "needs Python")) struct DietCrawlTests {
  /// The API on this machine over meetings written for the test, and a crawl's state that outlives its stages.
  private final class Minutes {
    let server: LocalServer
    let folder = temporaryDirectory()

    init(meetings: Int) throws {
      server = try LocalServer()
      var speeches: [JSONValue] = []
      for number in 0..<meetings {
        let date = CivilDay(CivilDay("2026-01-01")!.number + number / 3).text
        let issue = "1999\(TaskPlan.padded(number))X001\(date.filter { $0 != "-" })"
        for order in 0..<2 {
          speeches.append([
            "speechID": .string("\(issue)_00\(order)"), "issueID": .string(issue), "nameOfHouse": "見本院",
            "date": .string(date), "speechOrder": .integer(order), "speaker": "見本",
            "speech": .string("○見本　第\(number)回の\(order)番目の発言です。"), "updateTime": "2026-06-01T00:00:00",
          ])
        }
      }
      let page: JSONValue = ["numberOfRecords": .integer(speeches.count), "speechRecord": .list(speeches)]
      try FileSystem.makeDirectory(folder + "/pages")
      try FileSystem.write(Array(page.text().utf8), to: folder + "/pages/1.json")
      try server.control("diet", ["folder": .string(folder + "/pages")])
    }

    deinit { try? FileSystem.removeTree(folder) }

    func crawl(_ snapshot: String, sliceDays: Int = 366) throws -> StageHarness {
      try StageHarness(
        DietCrawl.self,
        options: [
          "api": .string(server.origin + "/api"), "from": "2026-01-01", "until": "2026-04-30",
          "sliceDays": .integer(sliceDays), "snapshot": .string(snapshot), "state": .string(folder + "/state"),
          "delaySeconds": 0, "allowPrivateAddresses": true, "attempts": 1,
        ]
      ).run()
    }

    /// Without robots.txt.
    func questions() throws -> [String] { try server.questions().map(\.path).filter { $0 != "/robots.txt" } }
  }

  /// A server that answers in XML though JSON is asked for: what is kept is JSON.
  @Test func anAnswerInXMLIsReadAsJSON() throws {
    let xml = """
      <data><numberOfRecords>2</numberOfRecords><nextRecordPosition>2</nextRecordPosition><records><record><recordData>
      <meetingRecord><issueID>i1</issueID><session>9</session><speechRecord><speechID>i1_1</speechID>
      <speech>○甲</speech></speechRecord></meetingRecord></recordData></record></records></data>
      """
    let answer = try DietAnswer.read(Array(xml.utf8)).get()
    #expect(answer.records == 2 && answer.next == 2 && answer.meetings.map(\.id) == ["i1"])
    #expect(
      String(decoding: answer.meetings[0].bytes, as: UTF8.self)
        == #"{"issueID":"i1","session":9,"speechRecord":[{"speechID":"i1_1","speech":"○甲"}]}"#)
    #expect(throws: ShardError.self) {
      try DietAnswer.read(Array("<html><body>maintenance</body></html>".utf8)).get()
    }
  }

  @Test func everyMeetingIsReadOnce() throws {
    let minutes = try Minutes(meetings: 30)
    let run = try minutes.crawl("1")
    #expect(run.ledger.imbalance == 0)
    let documents = try run.documents()
    #expect(documents.count == 30)
    #expect(Set(documents.map(\.idString)).count == 30)
    #expect(documents.contains { $0.textString == "○見本　第7回の0番目の発言です。\n\n○見本　第7回の1番目の発言です。" })
    #expect(run.metrics["new"] == 30)
    #expect(try minutes.questions().count == 4, "a list, and three pages of ten meetings")
    #expect(
      try minutes.questions()[1]
        == "/api/meeting?from=2026-01-01&until=2026-04-30&maximumRecords=10&startRecord=1&recordPacking=json")
    #expect(try minutes.crawl("1").digests == run.digests)
    #expect(try minutes.questions().count == 4, "the same look asks nothing again")
  }

  @Test func anotherLookAsksForNewAndChangedMeetings() throws {
    let minutes = try Minutes(meetings: 30)
    try minutes.server.control("diet", ["insert": ["hold": 10]])
    let first = try minutes.crawl("1")
    #expect(try first.documents().count == 27)
    let before = try minutes.questions().count
    let summary = try minutes.server.control("diet", ["insert": ["all": true]])
    let changed = try #require(summary["meetings"]?.array?[5].string)
    try minutes.server.control("diet", ["change": .string(changed)])
    let second = try minutes.crawl("2")
    #expect(try minutes.questions().count - before == 5, "the list, three new meetings, one changed")
    #expect(try second.documents().count == 30)
    #expect(second.metrics["new"] == 3)
    #expect(second.metrics["updated"] == 1)
    #expect(try second.documents().contains { $0.textString.hasSuffix("発言です。（訂正）\n\n追加した発言") })
  }

  @Test func pagesThatShiftLoseNothing() throws {
    let minutes = try Minutes(meetings: 250)
    try minutes.server.control("diet", ["insert": ["hold": 10, "every": 3]])
    let run = try minutes.crawl("1")
    let ids = try run.documents().map(\.idString)
    #expect(Set(ids).count == ids.count)
    let all = try #require(try minutes.server.control("diet", ["insert": ["all": true]])["meetings"]?.array)
    let last = try minutes.crawl("2")
    #expect(try Set(last.documents().map(\.idString)) == Set(all.map { "diet:" + $0.string! }))
    #expect(ids.count >= 225, "what was there from the beginning is there after the first look")
  }

  @Test func slicesLieOnTheSameDaysWhateverTheRange() throws {
    let long = try DietSlice.cut(from: "2024-02-20", until: "2024-04-10", days: 14)
    let short = try DietSlice.cut(from: "2024-03-10", until: "2024-04-10", days: 14)
    #expect(long.suffix(2) == short.suffix(2))
    #expect(long.first?.from == "2024-02-20")
    #expect(long.last?.until == "2024-04-10")
    for (a, b) in zip(long, long.dropFirst()) { #expect(CivilDay(a.until)!.number + 1 == CivilDay(b.from)!.number) }
    #expect(CivilDay("2024-02-29")?.text == "2024-02-29")
    #expect(CivilDay("2023-02-29") == nil)
    #expect(CivilDay("1947-05-20").map { CivilDay($0.number + 1).text } == "1947-05-21")
    #expect(throws: StageError.self) { try DietSlice.cut(from: "2024-2-1", until: "2024-03-01", days: 1) }
  }

  @Test func anErrorOfTheAPIIsSaid() throws {
    let minutes = try Minutes(meetings: 1)
    try minutes.server.script("/api/meeting_list", ["body": #"{"message": "19011: 検索条件に誤りがあります。"}"#])
    do {
      _ = try minutes.crawl("1")
      Issue.record("no error")
    } catch {
      #expect("\(error)".contains("the response cannot be read: the API returned an error: 19011"), "\(error)")
    }
  }
}

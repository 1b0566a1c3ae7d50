import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct DietReadTests {
  private static let fixtures = packagePath("Fixtures")

  private func run(_ options: JSONValue, backwards: Bool = false) throws -> StageHarness {
    try StageHarness(DietRead.self, options: options, base: Self.fixtures).run(backwards: backwards)
  }

  @Test func aMeetingIsItsSpeechesInOrder() throws {
    let run = try run(["pages": "diet"])
    let documents = try run.documents().sorted { $0.idString < $1.idString }
    #expect(documents.map(\.idString) == ["diet:199905001X00120260115", "diet:199915002X00220260116"])
    #expect(
      documents[0].textString == """
        令和八年一月十五日（木曜日）
        　　　午前十時開議
        　出席委員
        　　　見本　一郎君

        ○見本委員長　これより会議を開きます。
        　本日は標本の数え方について調査を進めます。

        ○試作委員　標本は幾つ必要でしょうか。

        ○見本委員長　三つあれば足りると考えます。
        """)
    #expect(
      String(decoding: documents[0].metadata, as: UTF8.self)
        == #"{"issueID":"199905001X00120260115","imageKind":"会議録","searchObject":0,"session":999,"nameOfHouse":"衆議院","#
        + #""nameOfMeeting":"試作調査会","issue":"第1号","date":"2026-01-15","#
        + #""meetingURL":"https://example.invalid/txt/199905001X00120260115","#
        + #""pdfURL":"https://example.invalid/img/199905001X00120260115"}"#)
  }

  @Test func theLedgerAccountsForEverySpeech() throws {
    let run = try run(["pages": "diet"])
    #expect(run.ledger.imbalance == 0)
    #expect(run.ledger.input.documents == 8)
    #expect(run.ledger.output.documents == 2)
    #expect(run.ledger.merged["meeting"]?.documents == 3)
    #expect(
      try run.drops().sorted { ($0.reason, $0.id) < ($1.reason, $1.id) } == [
        .init(id: "diet:199915002X00220260116_002", reason: "empty"),
        .init(
          id: "diet:199905001X00120260115_002", reason: "repeated-speech", survivor: "diet:199905001X00120260115_002"),
        .init(
          id: "diet:199905001X00120260115_003", reason: "repeated-speech", survivor: "diet:199905001X00120260115_003"),
      ])
  }

  @Test func oneSpeechADocumentWithItsSpeaker() throws {
    let run = try run(["pages": "diet", "document": "speech", "header": "drop"])
    let documents = try run.documents().sorted { $0.idString < $1.idString }
    #expect(documents.map { $0.idString.suffix(4) } == ["_001", "_002", "_003", "_001"])
    #expect(run.ledger.dropped["header"]?.documents == 1)
    #expect(run.ledger.merged.isEmpty)
    let fields = try JSONValue.parse(documents[1].metadata).value
    #expect(fields["speaker"]?.string == "試作花子" && fields["speechOrder"]?.integer == 2)
    #expect(fields["speakerYomi"] == nil && fields["updateTime"]?.string == "2026-01-25 12:00:00")
  }

  @Test func meetingPagesGiveWhatSpeechPagesGive() throws {
    let run = try run(["pages": "diet-meeting/meeting-000001.json"])
    let documents = try run.documents()
    #expect(documents.count == 1)
    #expect(documents[0].textString.contains("標本は幾つ要りますか。"))
    #expect(documents[0].textString.hasPrefix("令和八年"))
    #expect(
      String(decoding: documents[0].metadata, as: UTF8.self).contains(#""meetingURL":"https://example.invalid/txt/"#))
  }

  @Test func theOrderOfTasksChangesNothing() throws {
    #expect(try run(["pages": "diet"]).digests == run(["pages": "diet"], backwards: true).digests)
  }

  @Test func aMalformedPageStopsOrIsDropped() throws {
    #expect { try run(["pages": "diet-malformed/speech-000001.json"]) } throws: {
      "\($0)".contains("speech-000001.json: the page cannot be read: it is not a JSON object")
    }
    #expect { try run(["pages": "diet-malformed/speech-000101.json"]) } throws: {
      "\($0)".contains("the API returned an error: 検索条件の入力に誤りがあります。")
    }
    let lenient = try run(["pages": .strings(["diet", "diet-malformed"]), "malformedPages": "drop"])
    #expect(lenient.ledger.dropped["malformed-page"]?.documents == 2)
    #expect(lenient.ledger.output.documents == 2)
  }

  @Test func emptyAnswersAndBadRecords() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(#"{"numberOfRecords":0,"numberOfReturn":0}"#.utf8), to: folder + "/a.json")
    let records = #"[{"speechID":"x_1"},7,{"speechID":"i_001","issueID":"i","speech":"a,]}\"","speechOrder":1}]"#
    try FileSystem.write(Array(#"{"numberOfRecords":3,"speechRecord":\#(records)}"#.utf8), to: folder + "/b.json")
    let run = try run(["pages": .string(folder)])
    #expect(try run.documents().map(\.textString) == ["a,]}\""])
    #expect(run.ledger.dropped["malformed-speech"]?.documents == 2)
  }

  @Test(.needsRealTexts) func everyRealSpeech() throws {
    let meetings = try StageHarness(DietRead.self, options: ["pages": "diet"], base: realDataPath!).run()
    #expect(meetings.ledger.input.documents == 7560)
    #expect(meetings.ledger.output.documents == 163)
    #expect(meetings.ledger.merged["meeting"]?.documents == 7560 - 163 - meetings.ledger.droppedDocuments)
    let speeches = try StageHarness(
      DietRead.self, options: ["pages": "diet", "document": "speech"], base: realDataPath!
    ).run()
    #expect(speeches.ledger.output.documents + speeches.ledger.droppedDocuments == 7560)
  }

  // MARK: The XML form

  /// A JSON answer in the form that the API gives unless asked otherwise.
  private static func xml(_ value: JSONValue, _ name: String) -> String {
    switch value {
    case .null: return "<\(name)></\(name)>"
    case .array(let records):
      return records.map { xml($0.value, name) }.joined()
    case .object(let members): return "<\(name)>" + members.map { xml($0.value, $0.key) }.joined() + "</\(name)>"
    default:
      let text = value.string ?? value.text()
      let escaped = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("\r", with: "&#13;")
      return "<\(name)>\(escaped)</\(name)>"
    }
  }

  private static func answer(_ json: JSONValue) -> [UInt8] {
    var out = "<data>"
    for member in json.members ?? [] {
      guard case .array(let records) = member.value else {
        out += xml(member.value, member.key)
        continue
      }
      let all = records.map { "<record><recordData>\(xml($0.value, member.key))</recordData></record>" }
      out += "<records>\(all.joined())</records>"
    }
    return Array((out + "</data>").utf8)
  }

  @Test(arguments: ["diet/speech-000001.json", "diet/speech-000005.json", "diet-meeting/meeting-000001.json"])
  func bothFormsGiveTheSame(page: String) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let json = try JSONValue.parse(FileSystem.read(Self.fixtures + "/" + page)).value
    try FileSystem.write(Self.answer(json), to: folder + "/page.xml")
    for document in ["meeting", "speech"] {
      let expected = try run(["pages": .string(page), "document": .string(document)])
      let found = try run(["pages": .string(folder), "document": .string(document)])
      #expect(try found.documents() == expected.documents())
      #expect(found.ledger.input.documents == expected.ledger.input.documents)
    }
  }

  @Test func xmlIsReadHoweverItIsWritten() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let speech = """
      \u{FEFF}<?xml version="1.0" encoding="UTF-8"?>
      <!-- <a b="1"> -->
      <data><numberOfRecords> 1 </numberOfRecords><records><record><recordData><speechRecord>
        <speechID>i_001</speechID><issueID>i</issueID><speechOrder>1</speechOrder><session> 9 </session>
        <speech><![CDATA[○甲 <a> & ]]>&#x4E59;　
      丙　
      </speech><closing/>
      </speechRecord></recordData></record></records></data>
      """
    try FileSystem.write(Array(speech.utf8), to: folder + "/a.xml")
    let document = try #require(try run(["pages": .string(folder), "document": "speech"]).documents().first)
    #expect(document.textString == "○甲 <a> & 乙　\n丙　")
    #expect(
      String(decoding: document.metadata, as: UTF8.self)
        == #"{"issueID":"i","session":9,"speechID":"i_001","speechOrder":1}"#)
  }

  @Test(arguments: [
    ("<html><body>maintenance</body></html>", "it contains no speech records"),
    (
      "<data><message>条件に誤りがあります。</message><details><detail>x</detail></details></data>",
      "the API returned an error: 条件に誤りがあります。"
    ),
    ("<data><numberOfRecords>1</numberOfRecords><records>", "its XML is not well-formed in line 1"),
    (
      "<data><records><speechRecord><speech>a<b>c</b></speech></speechRecord></records></data>",
      "is within <speech>"
    ),
    ("<data><speechRecord><meetingRecord/></speechRecord></data>", "within another record"),
    ("<!DOCTYPE a [<!ENTITY e \"x\">]><data><numberOfRecords>&e;</numberOfRecords></data>", "declares entities"),
    ("<!DOCTYPE a [<!ATTLIST data b CDATA \"x\">]><data/>", "declares attributes"),
    (String(repeating: "<data>", count: 100), "more than 64 deep"),
    ("<data " + (0..<300).map { "a\($0)=''" }.joined(separator: " ") + "/>", "more than 256 attributes"),
  ])
  func xmlThatIsNoAnswerIsTold(page: String, message: String) throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    try FileSystem.write(Array(page.utf8), to: folder + "/a.xml")
    #expect { try run(["pages": .string(folder)]) } throws: { "\($0)".contains(message) }
    #expect(
      try run(["pages": .string(folder), "malformedPages": "drop"]).ledger.dropped["malformed-page"]?.documents == 1)
  }

  @Test(.needsRealTexts) func aRealAnswerInXML() throws {
    let run = try StageHarness(
      DietRead.self, options: ["pages": "diet-api/212-plane.xml"], base: realDataPath!
    ).run()
    #expect(run.ledger.imbalance == 0 && run.ledger.output.documents == 3)
    let document = try #require(try run.documents().first { $0.idString == "diet:121215254X00920231206" })
    #expect(document.textString.hasPrefix("令和五年十二月六日（水曜日）\n　　　午前十時一分開議"))
    #expect(
      String(decoding: document.metadata, as: UTF8.self).hasPrefix(
        #"{"issueID":"121215254X00920231206","imageKind":"会議録","searchObject":0,"session":212,"#))
  }
}

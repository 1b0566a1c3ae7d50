import PipelineKit
import ShardKit
import Stages
import TestKit
import Testing

@Suite struct RedactPIITests {
  private static let secrets = [
    "k.morishita@harukaze-kobo.co.jp", "０９０−０１２３−４５６７", "133.242.17.88", "東京都港区芝公園四丁目2番8号",
    "2345678", "hana@hoshi-no-mori.jp", "03-0123-9999",
  ]

  private static func documents() -> [Document] {
    [
      Document(
        id: "letter",
        text: "連絡先は\(secrets[0])、携帯は\(secrets[1])、接続元は\(secrets[2])です。",
        metadata: [
          "title": .string("\(secrets[5])からの手紙"), "url": "https://example.jp/letters/1",
          "author": ["phone": .string(secrets[6]), "\(secrets[5])": 1],
        ]),
      Document(
        id: "place", text: "\(secrets[3])に移転しました。口座番号は\(secrets[4])です。", source: "letters of \(secrets[5])"),
      Document(id: "plain", text: "試合は3-1で勝った。お問い合わせは0120-444-444、例はexample@example.com。"),
    ]
  }

  @Test func masksTextAndMetadata() throws {
    let harness = try StageHarness(RedactPII.self)
    try harness.add(documents: [Self.documents()])
    try harness.run()
    let out = try harness.documents()
    #expect(out[0].textString == "連絡先は<MAIL>、携帯は<PHONE>、接続元は<IP>です。")
    #expect(out[1].textString == "<ADDRESS>に移転しました。口座番号は<BANK_ACCOUNT>です。")
    #expect(String(decoding: out[1].source, as: UTF8.self) == "letters of <MAIL>")
    #expect(out[2] == Self.documents()[2])
    let metadata = try JSONValue.parse(out[0].metadata).value
    #expect(metadata["title"]?.string == "<MAIL>からの手紙")
    #expect(metadata["url"]?.string == "https://example.jp/letters/1")
    #expect(metadata["author"] == ["phone": "<PHONE>", "<MAIL>": 1])
    #expect(
      metadata["pii"]
        == [
          "counts": ["mail": 1, "phone": 1, "ip": 1], "metadata": ["mail": 2, "phone": 1],
          "spans": .list([
            ["kind": "mail", "start": 4, "end": 10], ["kind": "phone", "start": 14, "end": 21],
            ["kind": "ip", "start": 26, "end": 30],
          ]),
        ])
    #expect(harness.metrics["mail-found"] == 1 && harness.metrics["mail-in-metadata"] == 3)
    #expect(harness.metrics["address-documents"] == 1 && harness.ledger.imbalance == 0)
    #expect(harness.warnings.isEmpty)
  }

  /// Every byte of every file that the stage wrote, decompressed.
  @Test(arguments: ["mask", "drop"]) func nothingRedactedIsWrittenAnywhere(mode: String) throws {
    let harness = try StageHarness(
      RedactPII.self,
      options: .object(
        ["mail", "phone", "ip", "bankAccount", "address"].map { JSONMember($0, .string(mode)) }))
    try harness.add(documents: [Self.documents()])
    try harness.run()
    let kept = try harness.documents()
    #expect(kept.count == (mode == "mask" ? 3 : 1))
    var bytes = 0
    for path in try FileSystem.walk(harness.directory) where !path.hasPrefix("input/") {
      let content = try openSource(harness.directory + "/" + path).readAll(limit: 1 << 20)
      bytes += content.count
      for secret in Self.secrets {
        #expect(content.firstRange(of: Array(secret.utf8)) == nil, "\(secret) is in \(path)")
      }
    }
    #expect(bytes > 100)
    if mode == "drop" {
      #expect(
        try harness.drops() == [
          .init(id: "letter", reason: "pii-mail", value: 3, threshold: 0),
          .init(id: "place", reason: "pii-mail", value: 1, threshold: 0),
        ])
    }
  }

  @Test func tagsWithoutChangingTheText() throws {
    let harness = try StageHarness(RedactPII.self, options: ["mail": "tag", "phone": "keep", "ip": "keep"])
    try harness.add(documents: [Self.documents()])
    try harness.run()
    let out = try harness.documents()[0]
    #expect(out.text == Self.documents()[0].text)
    let pii = try #require(try JSONValue.parse(out.metadata).value["pii"])
    #expect(pii["counts"] == ["mail": 1])
    #expect(pii["spans"] == .list([["kind": "mail", "start": 4, "end": 35]]))
  }

  @Test func exceptionsAreKeptHoweverTheyAreWritten() throws {
    let harness = try StageHarness(
      RedactPII.self,
      options: [
        "exceptions": .strings(["03-0123-9999", "K.Morishita@harukaze-kobo.co.jp"]),
        "keepMailDomains": .strings(["hoshi-no-mori.jp"]), "metadata": false,
      ])
    let text = "０３（０１２３）９９９９とk.morishita＠harukaze-kobo.co.jpとa@ml.hoshi-no-mori.jp"
    try harness.add(documents: [[Document(id: "a", text: text, metadata: ["mail": "b@kumo.jp"])]])
    try harness.run()
    #expect(try harness.documents()[0].textString == text)
    #expect(try harness.documents()[0].metadata == Array(#"{"mail":"b@kumo.jp"}"#.utf8))
  }

  @Test func idsAreWarnedOf() throws {
    let harness = try StageHarness(RedactPII.self)
    try harness.add(documents: [[Document(id: "mailto:hana@hoshi-no-mori.jp", text: "花")]])
    try harness.run()
    #expect(harness.warnings == ["personal-id": 1])
  }

  @Test func lookingForNothingIsRefused() {
    let keep: [(String, JSONValue)] = ["mail", "phone", "ip", "myNumber", "card", "bankAccount", "address"].map {
      ($0, "keep")
    }
    #expect(throws: StageError.self) {
      try StageHarness(RedactPII.self, options: .object(keep.map { JSONMember($0.0, $0.1) }))
    }
  }
}

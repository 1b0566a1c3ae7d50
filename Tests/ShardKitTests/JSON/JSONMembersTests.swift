import ShardKit
import TestKit
import Testing

private func judge(_ json: String) -> JSONKeys { Array(json.utf8).withUnsafeBytes { JSONKeys.judge($0) } }

private func once(_ json: String) -> String {
  String(decoding: Array(json.utf8).withUnsafeBytes { JSONKeys.once($0) }, as: UTF8.self)
}

@Suite struct JSONMembersTests {
  @Test(arguments: [
    (#"{}"#, JSONKeys.unique), (#" { "a" : {"a":1}, "b":[{"a":1},{"a":2}] } "#, .unique),
    (#"{"a":1,"a":1}"#, .repeated), (#"{"x":[[{"a":1,"b":2,"a":3}]]}"#, .repeated), (#"{"c":1,"\u0063":2}"#, .repeated),
    (#"{"\ud842\udfb7":1,"𠮷":2}"#, .repeated), (#"{"\n":1,"\u000a":2}"#, .repeated), (#"{"\\":1,"\"":2}"#, .unique),
    // Equal to `String`, yet other bytes.
    ("{\"\u{304C}\":1,\"\u{304B}\u{3099}\":2}", .unique), (#"[]"#, .noObject), ("", .noObject), (#"{"a":1"#, .noObject),
    (#"{"a"}"#, .noObject),
    (#"{"a":01}"#, .noObject), ("null", .noObject), (#"{"a":1}x"#, .noObject),
  ])
  func keysAreComparedAsTheyAreMeant(_ json: String, _ keys: JSONKeys) { #expect(judge(json) == keys) }

  @Test func everyPairOfKeysAmongManyIsSeen() {
    let keys = (0..<300).map { #""key\#($0 &* 7919)":\#($0)"# }
    #expect(judge("{\(keys.joined(separator: ","))}") == .unique)
    for i in stride(from: 0, to: 300, by: 37) {
      #expect(judge("{\((keys + [keys[i]]).joined(separator: ","))}") == .repeated)
    }
  }

  @Test func depthIsThatOfTheParser() {
    func nested(_ depth: Int) -> String {
      String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)
    }
    #expect(judge(nested(128)) == .unique && judge(nested(129)) == .noObject)
    #expect(judge(nested(1_000_000)) == .noObject)
    #expect((try? JSONValue.parse(nested(128))) != nil && (try? JSONValue.parse(nested(129))) == nil)
  }

  @Test func valuesStayAsTheyAreWritten() {
    #expect(once(" \n{\"a\":1,\"a\":[2] }") == #"{"a":[2]}"#)
    #expect(once(#"{"a":1,"b": 1.50 ,"a":12345678901234567890}"#) == #"{"a":12345678901234567890,"b":1.50}"#)
    #expect(once(#"{"x":[ {"k":1,"k":{"l":2,"l":[]}} , 3],"y":{}}"#) == #"{"x":[{"k":{"l":[]}},3],"y":{}}"#)
    #expect(once(#"{"a\"b":"}","a\u0022b":"{\"a\":1}"}"#) == #"{"a\"b":"{\"a\":1}"}"#)
  }

  @Test func membersAreSetAndReplaced() throws {
    var members = try #require(JSONMembers(object: Array(#"{"a":0.10,"b":[1, 2]}"#.utf8)))
    #expect(members.set("a".utf8, "true".utf8) && !members.set("ん".utf8, "1".utf8))
    #expect(String(decoding: members.object, as: UTF8.self) == #"{"a":true,"b":[1, 2],"ん":1}"#)
    #expect(JSONMembers(object: []) != nil && JSONMembers(object: Array("[1]".utf8)) == nil)
  }

  /// What the two parsers take for unique and valid, they take alike.
  @Test func randomObjectsAreJudgedAsTheParserDoes() {
    var random = RandomJSON(seed: 5)
    for _ in 0..<2000 {
      let text = random.object().text()
      let parses = (try? JSONValue.parse(text)) != nil
      #expect((judge(text) == .unique) == parses)
      #expect((try? JSONValue.parse(once(text))) != nil)
    }
  }

  @Test func anObjectMayHaveAnyNumberOfFields() {
    let text = "{" + (0..<5000).map { #""k\#($0)":\#($0)"# }.joined(separator: ",") + "}"
    var last = ""
    MetadataReader(["k4999"]).read(Array(text.utf8)) { _, value, _ in last = String(decoding: value, as: UTF8.self) }
    #expect(last == "4999")
  }
}

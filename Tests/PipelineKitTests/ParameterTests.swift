import PipelineKit
import ShardKit
import TestKit
import Testing

@Suite struct ParameterTests {
  private func load(_ options: String, set: [(name: String, value: String)] = []) throws -> JSONValue {
    let text = """
      { "format": 1, "name": "p", "parameters": { "data": "/d", "size": 7, "flag": true },
        "stages": { "s": { "use": "fake.source", "options": \(options) } } }
      """
    let document = try PipelineSpec.parse(Array(text.utf8), path: "/p.json", overrides: set)
    return .object(document.stages[0].options)
  }

  @Test func aParameterAloneKeepsItsType() throws {
    #expect(try load(#"{ "a": "${size}", "b": "${flag}" }"#).text() == #"{"a":7,"b":true}"#)
  }

  @Test func insideATextItBecomesText() throws {
    #expect(try load(#"{ "a": "${data}/x-${size}.json" }"#).text() == #"{"a":"/d/x-7.json"}"#)
  }

  /// Names that are canonically equivalent are two names.
  @Test func namesAreComparedByBytes() throws {
    let (one, two) = ("\u{304C}", "\u{304B}\u{3099}")
    let text = """
      { "format": 1, "name": "p", "parameters": { "\(one)": 1, "\(two)": 2 },
        "stages": { "s": { "use": "fake.source", "options": { "a": "${\(one)}", "b": "${\(two)}" } } } }
      """
    for (set, values) in [([], #"{"a":1,"b":2}"#), ([(name: two, value: "3")], #"{"a":1,"b":3}"#)] {
      let document = try PipelineSpec.parse(Array(text.utf8), path: "/p.json", overrides: set)
      #expect(JSONValue.object(document.stages[0].options).text() == values)
    }
  }

  @Test func aDoubledDollarIsLiteral() throws {
    #expect(try load(#"{ "a": "$${data} costs 5$" }"#).text() == #"{"a":"${data} costs 5$"}"#)
  }

  @Test func setReadsNumbersForNumbersAndTextForTexts() throws {
    let set = [(name: "size", value: "12"), (name: "data", value: "12")]
    #expect(try load(#"{ "a": "${size}", "b": "${data}" }"#, set: set).text() == #"{"a":12,"b":"12"}"#)
  }

  @Test func anUnknownParameterIsAnErrorWithItsPlace() {
    let error = #expect(throws: SpecErrors.self) { try load(#"{ "a": ["${dta}"] }"#) }
    #expect(
      error?.description == "/p.json:2:63: stages.s.options.a[0]: there is no parameter 'dta'. Did you mean 'data'?")
  }

  @Test func settingAnUnknownParameterIsAnError() {
    let error = #expect(throws: SpecErrors.self) { try load("{}", set: [(name: "sise", value: "1")]) }
    #expect(
      error?.description == "/p.json: --set sise: the pipeline file has no parameter 'sise'. Did you mean 'size'?")
  }
}

import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import Stages

@Suite struct PromptTests {
  private func fill(_ template: String, _ document: Document) throws -> PromptFiller.Filled {
    try PromptFiller([PromptTemplate(template, option: "prompt")]).fill(document, text: document.text[...])[0]
  }

  private static let document = Document(
    id: "一", text: "本文 {text} {{", source: "web",
    metadata: [
      "title": "題\n「名」", "n": 3, "deep": ["a": ["x": true]], "none": .null, "list": .strings(["a", "b"]),
    ])

  @Test func fieldsAreFilledIn() throws {
    for (template, text) in [
      ("{id}: {text}|{source}", "一: 本文 {text} {{|web"), ("{{{metadata.n}}} }}{{", "{3} }{"),
      ("{metadata.title}", "題\n「名」"), ("{metadata.deep.a}/{metadata.deep.a.x}", #"{"x":true}/true"#),
      ("{metadata.list}", #"["a","b"]"#), ("{metadata.none|–}{metadata.no|}{created|?}", "–?"), ("plain", "plain"),
    ] {
      #expect(try fill(template, Self.document) == .text(Array(text.utf8)), "\(template)")
    }
    #expect(try fill("{metadata.none}", Self.document) == .missing("metadata.none"))
    #expect(try fill("{added}", Self.document) == .missing("added"))
    #expect(try fill("{metadata.a.b}", Document(id: "x", text: "")) == .missing("metadata.a.b"))
  }

  @Test func mistakesAreShownWithTheirPlace() {
    for (template, message) in [
      ("a\n  {txt}", "line 2, column 3: '{txt}' is no field of a document"),
      ("if (x) { y }", "line 1, column 8: '{ y }' is no field of a document"),
      ("a } b", "line 1, column 3: a brace stands alone"),
      ("{", "line 1, column 1: a brace stands alone"),
      ("{metadata.}", "line 1, column 1: '{metadata.}' is no field of a document"),
      ("{metadata}", "line 1, column 1: '{metadata}' is no field of a document"),
    ] {
      let error = #expect(throws: StageError.self) { try PromptTemplate(template, option: "prompt") }
      #expect(error?.message == message)
    }
  }

  @Test func answersAreRead() {
    func read(_ text: String, _ form: InferEndpoint.AnswerForm, end: String = "") -> AnswerReader.Reading {
      AnswerReader(form: form, schema: nil, reasoningEnd: end).read(text)
    }
    #expect(read(" a b\n", .text) == .text("a b"))
    #expect(read("<think>a</think>b</think> c", .text, end: "</think>") == .text("c"))
    #expect(read("<think>a</think>\n", .text, end: "</think>") == .unusable("it is empty"))
    #expect(read("{\"a\": [1]}", .json) == .json(["a": .array([JSONNode(1)])]))
    #expect(read("```json\n{\"a\": 1}\n```", .json) == .json(["a": 1]))
    #expect(read("{\"a\": 1} ok", .json) != .json(["a": 1]))
    #expect(read("```\r\na\r\n  b\r\n```\r\n", .code) == .text("a\n  b\n"))
    #expect(read("````\n```\nx\n```\n````", .code) == .text("```\nx\n```\n"), "a longer fence holds shorter ones")
    #expect(read("```\n\n```", .code) == .unusable("its block of code is empty"))
    #expect(read("``` a ``` b", .code) == .unusable("it has no block of code between ``` and ```"))
  }

  @Test func linesBetweenThePhasesAreReadBack() throws {
    for answer in [
      AskedAnswer.content("a\u{0}\n\"日本\""), .drop(DropReason("refused", detail: "x\ny")),
      .drop(DropReason("too-large", value: 3, threshold: 2.5)),
    ] {
      let line = answer.line(id: Array("id \"1\"".utf8))
      let read = try #require(AskedAnswer.read(Array(line.dropLast())))
      #expect(String(decoding: read.id, as: UTF8.self) == "id \"1\"" && read.answer == answer)
    }
    #expect(AskedAnswer.read(Array("{}".utf8)) == nil)
  }
}

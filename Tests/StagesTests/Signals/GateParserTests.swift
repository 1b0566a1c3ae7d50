import Testing

@testable import Stages

@Suite struct GateParserTests {
  @Test func looserOperatorsStandOutside() throws {
    let one = GateExpression.comparison(.greater, .column("a"), .number(1))
    let two = GateExpression.comparison(.less, .column("b"), .arithmetic(.plus, .number(2), .number(6)))
    #expect(try GateParser.parse("a > 1 or b < 2 + 6 and not a > 1") == .or(one, .and(two, .not(one))))
    #expect(try GateParser.parse("(a > 1 or b < 2 + 6) and a > 1") == .and(.or(one, two), one))
    #expect(
      try GateParser.parse("a * 2 - 1 <= -b / 4")
        == .comparison(
          .atMost, .arithmetic(.minus, .arithmetic(.times, .column("a"), .number(2)), .number(1)),
          .arithmetic(.divided, .negative(.column("b")), .number(4))))
  }

  @Test func everyFormIsRead() throws {
    #expect(try GateParser.parse("x in ['新聞', \"law\"]") == .member(.column("x"), of: ["新聞", "law"]))
    #expect(try GateParser.parse("x not in bad_urls") == .not(.listed(.column("x"), in: "bad_urls")))
    #expect(try GateParser.parse("edu.score is not missing") == .not(.missing("edu.score")))
    #expect(
      try GateParser.parse("s >= quantile(s, 0.25, by: source, weight: characters)")
        == .comparison(
          .atLeast, .column("s"),
          .quantile(GateQuantile(column: "s", fraction: 0.25, group: "source", weight: "characters"))))
    #expect(try GateParser.parse("a<1_000.5e-3") == .comparison(.less, .column("a"), .number(1.0005)))
  }

  @Test(arguments: [
    ("", "expected a measure, a number or a text in quotes, not the end", 1),
    ("characters", "is a value, not a condition; compare it, as in 'characters >= 400'", 1),
    ("a = 1", "'=' is not a comparison; use '=='", 3),
    ("a > 1 b", "expected 'and', 'or' or the end, not 'b'", 7),
    ("a > 'x", "the quotation has no end", 5),
    ("a > 1 and b", "'and', 'or' and 'not' join conditions, not values", 11),
    ("(a > 1) + 2 > 3", "a condition cannot be compared or added", 11),
    ("x in 3", "expected a list such as [\"a\", \"b\"], or the name of one of 'lists', not 3.0", 6),
    ("quantile(a, 30) < a", "expected a fraction from 0 to 1, not 30.0", 13),
    ("a > 1; drop", "';' is not part of a rule", 6),
    ("a > 1e999", "'1e999' is not a number", 5),
  ])
  func aMistakeIsSaidWithItsPlace(_ rule: String, _ message: String, _ column: Int) {
    #expect(throws: GateSyntaxError(message: message, column: column)) { try GateParser.parse(rule) }
  }

  @Test func depthIsBounded() {
    let deep = String(repeating: "(", count: 5000) + "a > 1" + String(repeating: ")", count: 5000)
    #expect(throws: GateSyntaxError.self) { try GateParser.parse(deep) }
    #expect(throws: GateSyntaxError.self) { try GateParser.parse(String(repeating: "not ", count: 5000) + "a > 1") }
    #expect(throws: GateSyntaxError.self) { try GateParser.parse("1 < " + String(repeating: "-", count: 5000) + "a") }
  }
}

import ShardKit
import Testing

/// The text format of Prometheus, written and read.
@Suite struct MetricFamilyTests {
  @Test func whatIsWrittenIsRead() {
    let odd = "a \"b\" \\ c\r\nd\\n,}= 値\u{301}"
    let families = [
      MetricFamily(
        "pipeline_x", "Help \\ of\r\ntwo lines.", .gauge,
        [.init(1.5), .init(-2, [.init("stage", odd), .init("b", "")]), .init(.infinity, [.init("c", "d")])]),
      MetricFamily("pipeline_y_total", "", .counter, [.init(12)]),
    ]
    let text = families.map(\.text).joined()
    #expect(text.split(separator: "\n").count == 8, "a label's line ends are escaped")
    #expect(MetricFamily.families(of: Array(text.utf8)) == families)
    #expect(MetricFamily("empty", "", .gauge).text.isEmpty)
    #expect(MetricFamily("9 ü-x", "").name == "_9___x")
  }

  /// The file of a training that another version wrote, or that is damaged.
  @Test func whatIsNotOursIsPassedOver() {
    let text = """
      no_family 1
      # HELP a b
      # TYPE a histogram
      a_bucket{le="1"} 1
      a{x="1" 2
      a{x="1"}2
      a{x="1",y="2"} 3
      a NaN
      a 1 2 3
      # HELP bad-name x
      # TYPE other gauge

      # a comment
      """
    let families = MetricFamily.families(of: Array(text.utf8))
    #expect(families.map(\.name) == ["a"])
    #expect(families[0].kind == .untyped)
    #expect(families[0].samples.count == 2)
    #expect(families[0].samples[0] == .init(3, [.init("x", "1"), .init("y", "2")]))
    #expect(families[0].samples[1].value.isNaN)
    let many = Array(("# HELP a b\n" + String(repeating: "a 1\n", count: 5000)).utf8)
    #expect(MetricFamily.families(of: many)[0].samples.count == 1000)
  }
}

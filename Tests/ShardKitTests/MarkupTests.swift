import ShardKit
import Testing

@Suite struct MarkupTests {
  @Test func markupIsEscaped() {
    #expect(markupEscaped("\"a\"&<b>\u{1}") == "&quot;a&quot;&amp;&lt;b&gt; ")
    #expect(markupEscaped("\"a\"&<b>", quotes: false) == "\"a\"&amp;&lt;b&gt;")
  }

  @Test func picturesStandAloneOrInAPage() {
    var svg = SVGDocument(width: 10, height: 5.25)
    svg.box(x: 0, y: 1, width: 2, height: 3, kind: "a", tip: "<")
    #expect(
      svg.markup == """
        <svg xmlns="http://www.w3.org/2000/svg" role="img" width="10.0" height="5.3" viewBox="0 0 10.0 5.3">
        <rect class="a" x="0.0" y="1.0" width="2.0" height="3.0"><title>&lt;</title></rect>
        </svg>

        """)
    #expect(svg.markup(kind: "k", title: "t", style: "s").contains("width=\"10\" height=\"5.3\""))
    #expect(svg.markup(kind: "k", title: "t", style: "s").contains("<title>t</title>\n<style>s</style>"))
  }
}

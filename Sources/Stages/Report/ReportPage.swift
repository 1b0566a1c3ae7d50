import ShardKit

/// A page of headings, paragraphs, tables and pictures, as HTML and as Markdown.
///
/// Every text in it may come from data: it is escaped, and characters that reorder or hide text become visible.
struct ReportPage {
  enum Block {
    case paragraph(String)
    case list([String])
    case table(PageTable)
    /// An SVG with nothing but escaped text, and the lines that stand in its place in Markdown.
    case picture(svg: String, text: String)
  }

  struct Section {
    var title: String
    var blocks: [Block]
  }

  var title: String
  var summary: String
  var sections: [Section]
  /// What the page is, for its title.
  var kind = "datasheet"

  // MARK: HTML

  var html: String {
    let contents = sections.enumerated().map {
      "<li><a href=\"#s\($0.offset)\">\(Self.html($0.element.title))</a></li>"
    }
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(Self.html(title)): \(kind)</title>
      <style>
      \(Self.style)
      </style>
      </head>
      <body>
      <header><h1>\(Self.html(title))</h1>
      \(summary.isEmpty ? "" : "<p>\(Self.html(summary))</p>")</header>
      <nav aria-label="Contents"><ul>\(contents.joined())</ul></nav>
      <main>
      \(sections.enumerated().map { Self.section($0.offset, $0.element) }.joined(separator: "\n"))
      </main>
      </body>
      </html>

      """
  }

  private static func section(_ number: Int, _ section: Section) -> String {
    "<section aria-labelledby=\"s\(number)\"><h2 id=\"s\(number)\">\(html(section.title))</h2>\n"
      + section.blocks.map(html).joined(separator: "\n") + "\n</section>"
  }

  private static func html(_ block: Block) -> String {
    switch block {
    case .paragraph(let text): "<p>\(html(text))</p>"
    case .list(let items): "<ul>\(items.map { "<li>\(html($0))</li>" }.joined())</ul>"
    case .table(let table): table.html
    case .picture(let svg, _): "<figure>\(svg)</figure>"
    }
  }

  /// Text for a page: escaped, with what a browser would obey but not show replaced.
  static func html(_ text: String) -> String { markupEscaped(shown(text)).replacing("'", with: "&#39;") }

  // MARK: Markdown

  var markdown: String {
    var lines = ["# \(Self.markdown(title))", ""]
    if !summary.isEmpty { lines += [Self.markdown(summary), ""] }
    for section in sections {
      lines += ["## \(Self.markdown(section.title))", ""]
      for block in section.blocks { lines += Self.markdown(block) + [""] }
    }
    return lines.dropLast().joined(separator: "\n") + "\n"
  }

  private static func markdown(_ block: Block) -> [String] {
    switch block {
    case .paragraph(let text): [markdown(text)]
    case .list(let items): items.map { "- \(markdown($0))" }
    case .table(let table): table.markdown
    case .picture(_, let text): text.split(separator: "\n").map { "    " + shown(String($0)) }
    }
  }

  /// Text for a line of Markdown: nothing in it is markup.
  static func markdown(_ text: String) -> String {
    var out = ""
    for scalar in markupEscaped(shown(text), quotes: false).unicodeScalars {
      if "\\`*_[]|~#".unicodeScalars.contains(scalar) { out += "\\" }
      out.unicodeScalars.append(scalar)
    }
    return out
  }

  /// Controls, line separators, marks of direction and invisible characters become �.
  private static func shown(_ text: String) -> String {
    var out = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x09, 0x0A: out.append(" ")
      case 0..<0x20, 0x7F..<0xA0, 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
        0xFFF9...0xFFFB, 0xE0000...0xE007F:
        out.append("\u{FFFD}")
      default: out.append(scalar)
      }
    }
    return String(out)
  }

  private static let style = """
    :root { color-scheme: light dark; --ink: #1c2330; --soft: #5b6676; --line: #c9d1dc; --page: #fff; --card: #f4f6f9;
      --bar: #3f7fbf; --cut: #b3361c; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #3a4350; --page: #14181e;
      --card: #1d232b; --bar: #6ba6de; --cut: #f0957f; } }
    * { box-sizing: border-box; }
    body { font: 16px/1.6 system-ui, sans-serif; color: var(--ink); background: var(--page); margin: 0 auto;
      padding: 2rem 1.25rem; max-width: 64rem; }
    h1 { margin: 0 0 .5rem; line-height: 1.2; }
    h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; border-bottom: 1px solid var(--line); }
    nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
    a { color: var(--bar); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .5rem 0 1rem; }
    caption { text-align: left; color: var(--soft); padding: .25rem 0; }
    th, td { padding: .3rem 1rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
    td { overflow-wrap: anywhere; } th.n, td.n { text-align: right; }
    tbody th { font-weight: 400; }
    figure { margin: 1rem 0; padding: .75rem; background: var(--card); border-radius: .5rem; overflow-x: auto; }
    svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
    svg .name { font-weight: 600; font-size: 13px; } svg .small { fill: var(--soft); }
    svg .bar { fill: var(--bar); } svg .axis { stroke: var(--line); }
    svg .cut { stroke: var(--cut); stroke-width: 2; stroke-dasharray: 5 3; } svg .cutName { fill: var(--cut); }
    @media print { nav { display: none; } figure { break-inside: avoid; } }
    """
}

/// A table whose first column names the rows.
struct PageTable {
  enum Kind { case text, number }

  var caption: String
  var head: [(name: String, kind: Kind)]
  var rows: [[String]] = []
  /// Rows that are left out for length.
  var more = 0

  init(_ caption: String, _ head: [(String, Kind)]) {
    self.caption = caption
    self.head = head
  }

  private func className(_ column: Int) -> String { head[column].kind == .number ? " class=\"n\"" : "" }

  var html: String {
    let heads = head.enumerated().map {
      "<th scope=\"col\"\(className($0.offset))>\(ReportPage.html($0.element.name))</th>"
    }
    let body = rows.map { row in
      let cells = row.enumerated().map { column, text in
        column == 0
          ? "<th scope=\"row\">\(ReportPage.html(text))</th>"
          : "<td\(className(column))>\(ReportPage.html(text))</td>"
      }
      return "<tr>\(cells.joined())</tr>"
    }
    return "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"\(ReportPage.html(caption))\"><table>\n"
      + "<caption>\(ReportPage.html(caption + rest))</caption>\n<thead><tr>\(heads.joined())</tr></thead>\n<tbody>\n"
      + body.joined(separator: "\n") + "\n</tbody></table></div>"
  }

  var markdown: [String] {
    [
      "**\(ReportPage.markdown(caption + rest))**", "",
      "| \(head.map { ReportPage.markdown($0.name) }.joined(separator: " | ")) |",
    ]
      + ["|\(head.map { $0.kind == .number ? "---:" : "---" }.joined(separator: "|"))|"]
      + rows.map { "| \($0.map(ReportPage.markdown).joined(separator: " | ")) |" }
  }

  private var rest: String { more > 0 ? " (\(grouped(more)) more rows in datasheet.json)" : "" }
}

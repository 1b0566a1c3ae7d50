import PipelineKit
import ShardKit

/// The documentation of kinds of stage as Markdown: `pipeline stages --markdown`.
enum StageReference {
  /// Every kind of a registry, by chapter, with a table of contents.
  static func markdown(_ registry: StageRegistry) -> [String] {
    let chapters = StageChapter.chapters(of: registry)
    var lines = [
      "# Stage reference", "",
      "<!-- Written by `pipeline stages --markdown > Documentation/stages.md`; a test compares. -->", "",
      "Every kind of stage, with its inputs, outputs and options. `pipeline stages NAME` prints the same in a terminal.",
      "", "| | |", "|---|---|",
    ]
    for (chapter, stages) in chapters {
      let links = stages.map { "[`\($0.name)`](#\(anchor($0.name)))" }.joined(separator: ", ")
      lines.append("| [\(chapter.rawValue)](#\(anchor(chapter.rawValue))) | \(links) |")
    }
    for (chapter, stages) in chapters {
      lines += ["", "## \(chapter.rawValue)"]
      for stage in stages { lines += [""] + markdown(stage) }
    }
    return lines
  }

  static func markdown(_ stage: StageDescription) -> [String] {
    var lines = ["### \(stage.name)", "", cell(stage.summary)]
    if !stage.formerNames.isEmpty {
      lines += ["", "Former name: \(stage.formerNames.map { "`\($0)`" }.joined(separator: ", "))."]
    }
    let outputs = stage.outputs.filter { !$0.isHidden }
    if !stage.inputs.isEmpty || !outputs.isEmpty { lines += ["", "| port | holds | |", "|---|---|---|"] }
    for port in stage.inputs {
      let marks = [port.kind.rawValue, port.acceptsMany ? "several" : nil, port.isRequired ? nil : "optional"]
      lines.append(
        "| in: `\(port.name)` | \(marks.compactMap { $0 }.joined(separator: ", ")) | \(cell(port.documentation)) |")
    }
    for port in outputs {
      lines.append("| out: `\(port.name)` | \(port.kind.rawValue) | \(cell(port.documentation)) |")
    }
    if !stage.options.isEmpty {
      lines += ["", "| option | type | default | range | |", "|---|---|---|---|---|"]
      lines += stage.options.map(row)
    }
    return lines
  }

  private static func row(_ option: OptionDescription) -> String {
    let value = option.isRequired ? "required" : "`\(cell(option.defaultValue.text()))`"
    var range = ""
    if let low = option.schema["minimum"], let high = option.schema["maximum"] {
      range = "\(low.text()) to \(high.text())"
    }
    var text = cell(option.documentation)
    if !option.affectsOutput { text += " *Does not change the result.*" }
    if let former = option.formerName { text += " Former name: `\(former)`." }
    return "| `\(option.name)` | \(cell(option.typeName)) | \(value) | \(range) | \(text) |"
  }

  /// Text as it may stand in a table: no markup, no line ends, no bars.
  private static func cell(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "|", "*", "\\": out += "\\" + String(scalar)
      case "<": out += "&lt;"
      case "\n": out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out
  }

  /// The anchor that GitHub gives a heading.
  private static func anchor(_ heading: String) -> String {
    heading.lowercased().filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" }.replacing(" ", with: "-")
  }
}

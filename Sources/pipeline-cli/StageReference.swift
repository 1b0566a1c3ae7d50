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
      let marks = [port.kind.rawValue, port.severalMark, port.isRequired ? nil : "optional"]
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
    // "a number of bytes such as 67108864 or \"64MiB\"": the values show it here.
    let isBytes = option.typeName.hasPrefix("a number of bytes")
    let type = isBytes ? "a number of bytes" : option.typeName
    let value = option.isRequired ? "required" : "`\(written(option.defaultValue, isBytes: isBytes))`"
    var range = ""
    if let low = option.schema["minimum"], let high = option.schema["maximum"] {
      range = "\(written(low, isBytes: isBytes)) to \(written(high, isBytes: isBytes))"
    }
    var text = cell(option.documentation)
    if !option.losing.isEmpty {
      let reasons = option.losing.sorted().map { "`\($0)`" }.joined(separator: " or ")
      text += " *Changes the result only where documents were lost (\(reasons)): the stage then runs again for them.*"
    } else if !option.affectsOutput {
      text += " *Does not change the result.*"
    }
    if let former = option.formerName { text += " Former name: `\(former)`." }
    return "| `\(option.name)` | \(cell(type)) | \(value) | \(range) | \(text) |"
  }

  /// A value as people write it: `64MiB`, and no fraction that is zero.
  private static func written(_ value: JSONValue, isBytes: Bool) -> String {
    if isBytes, let bytes = value.integer, bytes > 0 {
      let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
      for (size, unit) in units where bytes % size == 0 { return "\(bytes / size)\(unit)" }
    }
    let text = value.text()
    return cell(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
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

extension InputPort {
  /// How many artifacts it takes, in words; nil for one.
  var severalMark: String? { acceptsNames ? "several, with names" : acceptsMany ? "several" : nil }
}

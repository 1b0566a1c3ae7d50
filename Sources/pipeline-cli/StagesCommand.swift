import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

struct StagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stages", abstract: "List all stage kinds, or show the ports and options of one.",
    discussion: """
      EXAMPLES
        pipeline stages
        pipeline stages dedupe.minhash
        pipeline stages --markdown > stages.md
      """)

  @Argument(help: "A stage kind, as written after \"use\".")
  var name: String?

  @Flag(help: "Print JSON.")
  var json = false

  @Flag(help: "Print the whole documentation as Markdown, of one kind or of all.")
  var markdown = false

  func validate() throws {
    if json, markdown { throw ValidationError("--json and --markdown exclude each other") }
  }

  func run() throws {
    let registry = StageRegistry.builtin
    if let name {
      guard let stage = registry[name] else {
        throw RunError(.notFound, "no stage kind is named '\(name)'" + suggestion(for: name, among: registry.names))
      }
      if json { return Console.json(Self.json(stage)) }
      if markdown { return Self.show(StageReference.markdown(stage)) }
      Self.show(Self.documentation(stage, Style(STDOUT_FILENO), columns: Console.width(STDOUT_FILENO)))
    } else if json {
      Console.json(.list(registry.stages.map(Self.json)))
    } else if markdown {
      Self.show(StageReference.markdown(registry))
    } else {
      Self.show(Self.list(registry, Style(STDOUT_FILENO)))
    }
  }

  private static func show(_ lines: [String]) { for line in lines { Console.line(line) } }

  /// Names and summaries under a heading for each chapter; the columns are the same in all.
  static func list(_ registry: StageRegistry, _ style: Style) -> [String] {
    let width = registry.names.map(displayWidth).max() ?? 0
    var lines: [String] = []
    for (chapter, stages) in StageChapter.chapters(of: registry) {
      if !lines.isEmpty { lines.append("") }
      lines.append(style.bold(chapter.rawValue))
      for stage in stages {
        let padding = String(repeating: " ", count: width - displayWidth(stage.name) + 2)
        lines.append("  \(style.cyan(stage.name))\(padding)\(stage.summary)")
      }
    }
    return lines
  }

  static func documentation(_ stage: StageDescription, _ style: Style, columns: Int) -> [String] {
    var lines = ["\(style.bold(stage.name))  (revision \(stage.revision))", stage.summary]
    let outputs = stage.outputs.filter { !$0.isHidden }
    if !stage.inputs.isEmpty { lines += ["", style.bold("inputs")] }
    for port in stage.inputs {
      let marks = [port.kind.rawValue, port.severalMark, port.isRequired ? nil : "optional"]
      lines.append("  \(style.cyan(port.name))  \(style.dim(marks.compactMap { $0 }.joined(separator: ", ")))")
      lines += wrapped(port.documentation, indent: 6, columns: columns)
    }
    if !outputs.isEmpty { lines += ["", style.bold("outputs")] }
    for port in outputs {
      lines.append("  \(style.cyan(port.name))  \(style.dim(port.kind.rawValue))")
      lines += wrapped(port.documentation, indent: 6, columns: columns)
    }
    if !stage.options.isEmpty { lines += ["", style.bold("options")] }
    for option in stage.options {
      lines.append("  \(style.cyan(option.name))  \(style.dim(facts(option).joined(separator: ", ")))")
      lines += wrapped(option.documentation, indent: 6, columns: columns)
    }
    return lines
  }

  /// Type, range and default.
  private static func facts(_ option: OptionDescription) -> [String] {
    var facts = [option.typeName]
    if let low = option.schema["minimum"], let high = option.schema["maximum"] {
      facts.append("\(low.text()) to \(high.text())")
    }
    facts.append(option.isRequired ? "required" : "default \(option.defaultValue.text())")
    if !option.losing.isEmpty {
      facts.append("changes the result only where documents were lost")
    } else if !option.affectsOutput {
      facts.append("does not change the result")
    }
    return facts
  }

  static func json(_ stage: StageDescription) -> JSONValue {
    [
      "name": .string(stage.name), "revision": .integer(stage.revision), "summary": .string(stage.summary),
      "phases": .strings(stage.phases),
      "inputs": .list(
        stage.inputs.map {
          [
            "name": .string($0.name), "kind": .string($0.kind.rawValue), "documentation": .string($0.documentation),
            "required": .bool($0.isRequired), "many": .bool($0.acceptsMany), "named": .bool($0.acceptsNames),
          ]
        }),
      "outputs": .list(
        stage.outputs.filter { !$0.isHidden }.map {
          [
            "name": .string($0.name), "kind": .string($0.kind.rawValue), "documentation": .string($0.documentation),
          ]
        }),
      "options": .list(
        stage.options.map {
          [
            "name": .string($0.name), "type": .string($0.typeName), "required": .bool($0.isRequired),
            "default": $0.defaultValue, "affectsOutput": .bool($0.affectsOutput), "schema": $0.schema,
            "documentation": .string($0.documentation),
          ]
        }),
    ]
  }
}

/// Wraps a paragraph at spaces.
func wrapped(_ text: String, indent: Int, columns: Int) -> [String] {
  let limit = max(40, min(columns, 120)) - indent
  var lines: [String] = []
  var line = ""
  for word in text.split(separator: " ", omittingEmptySubsequences: false) {
    if !line.isEmpty, displayWidth(line) + 1 + displayWidth(String(word)) > limit {
      lines.append(line)
      line = String(word)
    } else {
      line += line.isEmpty ? String(word) : " " + word
    }
  }
  lines.append(line)
  return lines.map { String(repeating: " ", count: indent) + $0 }
}

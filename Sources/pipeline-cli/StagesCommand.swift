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
      """)

  @Argument(help: "A stage kind, as written after \"use\".")
  var name: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let registry = StageRegistry.builtin
    if let name {
      guard let stage = registry[name] else {
        throw RunError(.notFound, "no stage kind is named '\(name)'" + suggestion(for: name, among: registry.names))
      }
      if json { return Console.json(Self.json(stage)) }
      let style = Style(STDOUT_FILENO)
      for line in Self.documentation(stage, style, columns: Console.width(STDOUT_FILENO)) { Console.line(line) }
    } else if json {
      Console.json(.list(registry.stages.map(Self.json)))
    } else {
      var table = TextTable([("", .left), ("", .left)])
      for stage in registry.stages { table.add([stage.name, stage.summary]) }
      for line in table.lines(Style(STDOUT_FILENO)) { Console.line(line) }
    }
  }

  static func documentation(_ stage: StageDescription, _ style: Style, columns: Int) -> [String] {
    var lines = ["\(style.bold(stage.name))  (revision \(stage.revision))", stage.summary]
    let outputs = stage.outputs.filter { !$0.isHidden }
    if !stage.inputs.isEmpty { lines += ["", style.bold("inputs")] }
    for port in stage.inputs {
      let marks = [port.kind.rawValue, port.acceptsMany ? "several" : nil, port.isRequired ? nil : "optional"]
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
    if !option.affectsOutput { facts.append("does not change the result") }
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
            "required": .bool($0.isRequired), "many": .bool($0.acceptsMany),
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
